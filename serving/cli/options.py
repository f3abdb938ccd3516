"""Build command-line options from a config: the command line adds nothing of its own.

Every option has one spelling, the parameter's name: ``--latent_dim``. Hyphens are read as
underscores.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from lunar_models.config.base import ParamSpec, StepConfig, specs
from lunar_models.config.databases import hide_passwords
from lunar_models.errors import ConfigError, LunarModelsError

NONE = "none"
"""No value for an optional parameter, no items for a list: on the command line, in MLproject."""

C = TypeVar("C", bound=StepConfig)


class ParameterType(click.ParamType[Any]):
    """Read a parameter from text; what its config would refuse, the option refuses."""

    def __init__(self, spec: ParamSpec) -> None:
        self.spec = spec
        plain = {int: "integer", float: "number", bool: "boolean", str: "text"}[spec.type]
        self.name = "|".join(spec.choices) if spec.choices else plain
        self.name += ",…" if spec.repeated else ""
        self.name += f"|{NONE}" if spec.optional else ""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what ``--help`` shows for the value."""
        return f"[{self.name}]" if self.spec.choices else self.name.upper()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value; a click error names the option."""
        try:
            return from_text(self.spec, value) if isinstance(value, str) else value
        except ConfigError as error:
            self.fail(str(error), param, ctx)


def from_text(spec: ParamSpec, text: str) -> Any:
    """Read a parameter as `to_text` writes it.

    Raises:
        ConfigError: the parameter does not take this value.
    """
    if text == NONE and spec.optional:
        return None
    if not spec.repeated:
        return spec.parse(text)
    if text == NONE:
        return spec.parse(())
    items = text.split(",")
    if spec.role == "input":
        items = _whole_paths(items)
    return spec.parse(tuple(item.strip() for item in items if item.strip()))


def _whole_paths(pieces: list[str]) -> list[str]:
    """Put paths together again that contain commas: the longest that exists, from the left."""
    items = []
    while pieces:
        ends = range(len(pieces), 1, -1)
        end = next((n for n in ends if Path(",".join(pieces[:n]).strip()).exists()), 1)
        items.append(",".join(pieces[:end]))
        pieces = pieces[end:]
    return items


def to_text(spec: ParamSpec, value: Any) -> str:
    """Write a value as on a command line, in MLproject and as an MLflow parameter."""
    if value is None or value == ():
        return NONE
    if spec.repeated:
        return ",".join(str(item) for item in value)
    return str(value)


def option_name(name: str) -> str:
    """Convert ``latent_dim`` to ``--latent_dim``: the same word everywhere."""
    return f"--{name}"


def _option(spec: ParamSpec) -> click.Parameter:
    settings: dict[str, Any] = {"required": True}
    if not spec.required:
        text = to_text(spec, spec.default)
        settings = {"default": [text] if spec.repeated else text, "show_default": True}
    if spec.repeated:  # a list may also be given item by item
        settings |= {"multiple": True, "callback": _chain}
    return click.Option(
        [option_name(spec.name), spec.name],
        type=ParameterType(spec),
        help=help_text(spec),
        **settings,
    )


def _chain(context: click.Context, option: click.Parameter, lists: Any) -> Any:
    """One tuple of those that the option was given with; None if any of them is ``none``."""
    return None if None in lists else tuple(item for each in lists for item in each)


def help_text(spec: ParamSpec) -> str:
    """Return what a parameter means, with its unit and its limits."""
    limits = {"at least": spec.minimum, "at most": spec.maximum}
    notes = [f"{word} {limit}" for word, limit in limits.items() if limit is not None]
    notes[:0] = [spec.unit] if spec.unit else []
    return spec.help + (f" [{', '.join(notes)}]" if notes else "")


def config_command(
    config_class: type[C],
    *,
    environment: str | None = None,
    arguments: Sequence[click.Argument] = (),
) -> Callable[[Callable[..., None]], click.Command]:
    """Turn ``step(config)`` into a command with the options of `config_class`.

    Errors the user can mend become a click error with exit code 2.

    Args:
        config_class: the parameters.
        environment: prefix of environment variables that set options, such as ``LUNAR_SERVE``.
        arguments: positional ones, which `step` gets by name besides the config.
    """
    settings = {
        "max_content_width": 100,
        "token_normalize_func": lambda name: name.replace("-", "_"),
        "auto_envvar_prefix": environment,
    }

    def decorate(step: Callable[..., None]) -> click.Command:
        @functools.wraps(step)
        def callback(**values: Any) -> None:
            given = {a.name: values.pop(a.name) for a in arguments if a.name}
            with user_errors():
                step(config_class(**values), **given)

        params = [*arguments, *(_option(spec) for spec in specs(config_class))]
        return click.command(context_settings=settings, params=params)(callback)

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

    def __init__(self, message: str) -> None:
        super().__init__(hide_passwords(message))  # MLflow names its server by its whole URL
