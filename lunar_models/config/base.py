"""How a parameter is declared, and how its limits are checked.

One declaration per parameter: `param()` on a frozen dataclass field. The command line, the
MLproject file, the README table, the step cache and library users all read that declaration.
"""

import dataclasses
import math
import types
from dataclasses import dataclass, field
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lunar_models.errors import ConfigError

Role = Literal["setting", "input", "output", "runtime"]
"""What a parameter means for the result of a step.

setting  the value itself changes the result
input    a path or URI whose *content* changes the result
output   where the result goes; never changes it
runtime  how the work is done (workers, device); never changes the result
"""


def param(
    default: Any = dataclasses.MISSING,
    *,
    help: str,
    unit: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    role: Role = "setting",
) -> Any:
    """Declare one parameter as a dataclass field.

    Args:
        default: value when not given; leave out for a required parameter.
        help: one sentence, shown by ``--help`` and in the README.
        unit: unit of the value, when it has one.
        minimum: smallest allowed number, inclusive.
        maximum: largest allowed number, inclusive.
        role: see `Role`.
    """
    metadata = {"help": help, "unit": unit, "minimum": minimum, "maximum": maximum, "role": role}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class StepConfig:
    """Base of every step's parameters; checks types' choices and limits on construction.

    Raises:
        ConfigError: a value is not among its choices, not finite, or outside its limits.
    """

    def __post_init__(self) -> None:
        for spec in specs(type(self)):
            spec.check(getattr(self, spec.name))


@dataclass(frozen=True)
class ParamSpec:
    """One parameter as the command line, MLproject and the README see it."""

    name: str
    type: type
    """int, float, bool or str; the element type for a tuple."""
    default: Any
    """`dataclasses.MISSING` when required."""
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
        return self.default is dataclasses.MISSING

    def check(self, value: Any) -> None:
        """Raise ConfigError if `value` is not allowed."""
        if value is None and self.optional:
            return
        for item in value if self.repeated else (value,):
            self._check_item(item)

    def _check_item(self, value: Any) -> None:
        if self.choices is not None and value not in self.choices:
            raise ConfigError(f"{self.name}={value!r} is not one of {', '.join(self.choices)}.")
        if self.type not in (int, float):
            return
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ConfigError(f"{self.name}={value!r} is not a number.")
        if not math.isfinite(value):
            raise ConfigError(f"{self.name}={value!r} is not a finite number.")
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is not None and value < self.minimum:
            raise ConfigError(
                f"{self.name}={value}{unit} is too small; the least is {self.minimum}{unit}."
            )
        if self.maximum is not None and value > self.maximum:
            raise ConfigError(
                f"{self.name}={value}{unit} is too large; the most is {self.maximum}{unit}."
            )


def specs(config_class: type[StepConfig]) -> tuple[ParamSpec, ...]:
    """The parameters of a step, in declaration order."""
    hints = get_type_hints(config_class)
    return tuple(_spec(f, hints[f.name]) for f in dataclasses.fields(config_class))


def _spec(f: "dataclasses.Field[Any]", hint: Any) -> ParamSpec:
    optional = get_origin(hint) in (Union, types.UnionType)
    if optional:
        (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
    repeated = get_origin(hint) is tuple
    if repeated:
        hint = get_args(hint)[0]
    choices = get_args(hint) if get_origin(hint) is Literal else None
    return ParamSpec(
        name=f.name,
        type=str if choices else hint,
        default=f.default,
        choices=choices,
        optional=optional,
        repeated=repeated,
        **f.metadata,
    )
