"""``python -m serving``: the HTTP application."""

import sys
from collections.abc import Callable
from typing import Any

import click

from lunar_models.config.base import ParamSpec, specs
from lunar_models.config.serve import ServeConfig
from lunar_models.errors import LunarModelsError


def _option(spec: ParamSpec) -> Callable[[Any], Any]:
    """One option, also settable as LUNAR_SERVE_…; a tuple is an option that may be repeated."""
    kind: Any = click.Choice(spec.choices) if spec.choices else spec.type
    return click.option(
        f"--{spec.name.replace('_', '-')}",
        spec.name,
        type=kind,
        multiple=spec.repeated,
        default=spec.default,
        show_default=spec.default not in (None, ()),
        help=spec.help + (f" [{spec.unit}]" if spec.unit else ""),
    )


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for spec in reversed(specs(ServeConfig)):
        command = _option(spec)(command)
    return command


@click.command(context_settings={"auto_envvar_prefix": "LUNAR_SERVE", "max_content_width": 100})
@_options
def main(**values: Any) -> None:
    """Serve a registered model over HTTP, with a page at /."""
    from serving.app.supervisor import serve

    try:
        sys.exit(serve(ServeConfig(**values)))
    except LunarModelsError as error:
        raise click.UsageError(str(error)) from error


if __name__ == "__main__":
    main()
