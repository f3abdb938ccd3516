"""From a config dataclass to click options: the command line adds nothing of its own."""

import functools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from lunar_models.config.base import ParamSpec, StepConfig, specs
from lunar_models.errors import LunarModelsError

NONE = "none"
"""No value for an optional parameter, no items for a list: on the command line, in MLproject."""

C = TypeVar("C", bound=StepConfig)


class _Optional(click.ParamType[Any]):
    """The inner type, or ``none``."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self.inner = inner
        self.name = f"{inner.name}|{NONE}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is None or value == NONE:
            return None
        return self.inner.convert(value, param, ctx)


class _CommaList(click.ParamType[Any]):
    """Items of the inner type separated by commas, as a tuple."""

    def __init__(self, inner: click.ParamType[Any]) -> None:
        self.inner = inner
        self.name = f"{inner.name},…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        if value == NONE:
            return ()
        items = (item.strip() for item in value.split(","))
        return tuple(self.inner.convert(item, param, ctx) for item in items if item)


def click_type(spec: ParamSpec) -> click.ParamType[Any]:
    """The click type that reads the parameter from text."""
    inner: click.ParamType[Any]
    if spec.choices is not None:
        inner = click.Choice(spec.choices)
    elif spec.type is int:
        inner = click.IntRange(
            None if spec.minimum is None else int(spec.minimum),
            None if spec.maximum is None else int(spec.maximum),
        )
    elif spec.type is float:
        inner = click.FloatRange(spec.minimum, spec.maximum)
    else:
        inner = {bool: click.BOOL, str: click.STRING}[spec.type]
    if spec.repeated:
        inner = _CommaList(inner)
    return _Optional(inner) if spec.optional else inner


def to_text(spec: ParamSpec, value: Any) -> str:
    """A value as it is written on a command line, in MLproject and as an MLflow parameter."""
    if value is None or value == ():
        return NONE
    if spec.repeated:
        return ",".join(str(item) for item in value)
    return str(value)


def option_name(name: str) -> str:
    """``latent_dim`` -> ``--latent_dim``: the same word everywhere."""
    return f"--{name}"


def add_options(
    parameters: Iterable[ParamSpec],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function with one click option per parameter, in order."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for spec in reversed(tuple(parameters)):
            unit = f" [{spec.unit}]" if spec.unit else ""
            function = click.option(
                option_name(spec.name),
                spec.name,
                type=click_type(spec),
                help=spec.help + unit,
                **_default(spec),
            )(function)
        return function

    return decorate


def _default(spec: ParamSpec) -> dict[str, Any]:
    if spec.required:
        return {"required": True}
    return {"default": to_text(spec, spec.default), "show_default": True}


def options_from(config_class: type[C]) -> Callable[[Callable[[C], None]], Callable[..., None]]:
    """Turn ``step(config)`` into a click callback with the options of `config_class`.

    Errors the user can mend become a click error with exit code 2.
    """

    def decorate(step: Callable[[C], None]) -> Callable[..., None]:
        @functools.wraps(step)
        def callback(**values: Any) -> None:
            with user_errors():
                step(config_class(**values))

        return add_options(specs(config_class))(callback)

    return decorate


@contextmanager
def user_errors() -> Iterator[None]:
    """Translate the library's errors to a click error with exit code 2, once."""
    try:
        yield
    except LunarModelsError as error:
        raise UserError(str(error)) from error


class UserError(click.ClickException):
    """Something the user can mend: printed without a stack trace, exit code 2."""

    exit_code = 2
