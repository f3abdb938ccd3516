"""Declare parameters once, with default, help, unit and limits, and validate them.

One declaration per parameter: `param()` on a field of a strict pydantic model. The command line,
the MLproject file, the reference of parameters, the step cache and library users all read that
declaration.
"""

import difflib
import reprlib
import types
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Annotated, Any, Literal, Self, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from lunar_models.errors import ConfigError

Role = Literal["setting", "input", "output", "runtime"]
"""What a parameter means for the result of a step.

setting  the value itself changes the result
input    a path or URI whose *content* changes the result
output   where the result goes; never changes it
runtime  how the work is done (workers, device); changes the result by rounding at most
"""


def param(
    default: Any = PydanticUndefined,
    *,
    help: str,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    role: Role = "setting",
) -> Any:
    """Declare one parameter as a field of a `StepConfig`.

    Args:
        default: value when not given; leave out for a required parameter.
        help: one sentence, shown by ``--help`` and in the reference of parameters.
        unit: unit of the value, when it has one.
        minimum: smallest allowed number, inclusive.
        maximum: largest allowed number, inclusive.
        role: see `Role`.
    """
    meaning: Any = {"unit": unit, "role": role, "minimum": minimum, "maximum": maximum}
    return Field(default, description=help, ge=minimum, le=maximum, json_schema_extra=meaning)


class StepConfig(BaseModel):
    """Validate and hold the parameters of one step.

    Types are strict: a whole number where a number is asked for is the only conversion. Rules
    between parameters are methods with ``@model_validator(mode="after")`` that raise ConfigError.

    Raises:
        ConfigError: a parameter is unknown, missing, of another type, not finite, not among its
            choices or outside its limits, or parameters contradict each other.
    """

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, validate_default=True
    )

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise ConfigError(_in_words(specs(type(self)), error, type(self).__name__)) from None

    def replace(self, **changes: Any) -> Self:
        """Copy with some parameters changed, validated like a new config.

        Raises:
            ConfigError: as the class.
        """
        return type(self)(**(dict(self) | changes))


@dataclass(frozen=True)
class ParamSpec:
    """Describe one parameter to the command line, MLproject and the reference."""

    name: str
    annotation: Any
    """The declared type, such as ``int | None``."""
    type: type
    """int, float, bool or str; the element type for a tuple."""
    default: Any
    """`PydanticUndefined` when required."""
    help: str
    unit: str | None
    minimum: float | None
    maximum: float | None
    role: Role
    choices: tuple[str, ...] | None
    optional: bool
    """None is allowed, written ``none`` on the command line."""
    repeated: bool
    """A tuple, written with commas on the command line."""

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is PydanticUndefined

    def parse(self, value: Any) -> Any:
        """Validate a value whose numbers and switches may be text.

        Raises:
            ConfigError: it is not allowed.
        """
        try:
            return self._adapter.validate_python(value, strict=False)
        except ValidationError as error:
            raise ConfigError(_in_words([self], error)) from None

    def declare(self, default: Any) -> Any:
        """Declare the same parameter with another default, as `param` does."""
        return param(
            default,
            help=self.help,
            unit=self.unit,
            minimum=self.minimum,
            maximum=self.maximum,
            role=self.role,
        )

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        limited: Any = Annotated[self.annotation, Field(ge=self.minimum, le=self.maximum)]
        return TypeAdapter(limited, config=ConfigDict(allow_inf_nan=False))


@cache
def specs(config_class: type[StepConfig]) -> tuple[ParamSpec, ...]:
    """List the parameters of a step, in declaration order."""
    return tuple(_spec(name, f) for name, f in config_class.model_fields.items())


def _spec(name: str, f: FieldInfo) -> ParamSpec:
    hint: Any = f.annotation
    optional = get_origin(hint) in (Union, types.UnionType)
    if optional:
        (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
    repeated = get_origin(hint) is tuple
    if repeated:
        hint = get_args(hint)[0]
    choices = get_args(hint) if get_origin(hint) is Literal else None
    meaning: Any = f.json_schema_extra
    return ParamSpec(
        name=name,
        annotation=_with_rules(f),
        type=str if choices else hint,
        default=f.default,
        help=f.description or "",
        choices=choices,
        optional=optional,
        repeated=repeated,
        **meaning,
    )


def _with_rules(f: FieldInfo) -> Any:
    """Combine the declared type with the constraints of its `Annotated`."""
    annotation: Any = f.annotation
    for rule in f.metadata:
        if isinstance(rule, AfterValidator):
            annotation = Annotated[annotation, rule]
    return annotation


def _in_words(known: Iterable[ParamSpec], error: ValidationError, owner: str = "") -> str:
    """Format a validation error in one line: what is wrong, which value, and the remedy."""
    by_name = {spec.name: spec for spec in known}
    return " ".join(_one_in_words(by_name, each, owner) for each in error.errors())


def _one_in_words(known: dict[str, ParamSpec], error: ErrorDetails, owner: str) -> str:
    if error["type"] == "value_error":  # of a rule between parameters
        return str(error["ctx"]["error"])
    name = str(error["loc"][0]) if owner else next(iter(known))
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {near[0]}?" if near else f"it has {', '.join(known)}."
        return f"{name} is not a parameter of {owner}; {remedy}"
    if error["type"] == "missing":
        return f"{name} is missing; give it ({known[name].help.rstrip('.')})."
    return _value_in_words(known[name], error["type"], error["input"])


def _value_in_words(spec: ParamSpec, problem: str, value: Any) -> str:
    name, shown = spec.name, reprlib.repr(value)
    unit = f" {spec.unit}" if spec.unit else ""
    match problem.partition("_")[0]:
        case "literal":
            return f"{name}={shown} is not one of {', '.join(spec.choices or ())}."
        case "tuple":
            item = f"({shown},)" if isinstance(value, str) else "tuple(…)"
            return f"{name}={shown} is not a tuple; write {name}={item}."
        case "bool":
            return f"{name}={shown} is neither True nor False."
        case "string":
            return f"{name}={shown} is not a string; write str(…)."
        case "finite":
            return f"{name}={value} is not a finite number{_limits(spec)}."
        case "int":
            return f"{name}={shown} is not a whole number{_limits(spec)}."
        case "float":
            return f"{name}={shown} is not a number{_limits(spec)}."
        case "greater":
            return f"{name}={value}{unit} is too small; the least is {spec.minimum}{unit}."
        case "less":
            return f"{name}={value}{unit} is too large; the most is {spec.maximum}{unit}."
    return f"{name}={shown} is refused ({problem})."


def _limits(spec: ParamSpec) -> str:
    match spec.minimum, spec.maximum:
        case None, None:
            return ""
        case least, None:
            return f"; the least is {least}"
        case None, most:
            return f"; the most is {most}"
        case least, most:
            return f"; give one from {least} to {most}"
    raise AssertionError
