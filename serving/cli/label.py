"""``lunar-label``: label craters by eye on a page, and take labels in and out."""

from typing import Any

import click

from lunar_models.config.label import ExportConfig, ImportConfig, LabelServeConfig
from serving.cli.options import config_command


class _CropsFirst(click.Group):
    """A group whose first word may be a crop set: ``lunar-label CROPS`` serves it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["serve", "--crops", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_CropsFirst, subcommand_metavar="CROPS [OPTIONS] | COMMAND [ARGS]...")
def main() -> None:
    """Label craters by eye.

    `lunar-label CROPS` serves the page for a crop set; `lunar-label serve --help` lists its
    options. Labels are kept in --store, and never changed or deleted there.
    """


@config_command(LabelServeConfig, environment="LUNAR_LABEL")
def serve(config: Any) -> None:
    """Serve the page /label for a crop set."""
    from serving.app.label_application import serve_labels

    serve_labels(config)


@config_command(ExportConfig)
def export(config: ExportConfig) -> None:
    """Write the labels as a table for evaluate, all votes, or another program's file."""
    from lunar_models.labelling.exchange import export_labels

    click.echo(export_labels(config))


@config_command(ImportConfig)
def import_(config: ImportConfig) -> None:
    """Take in labels that were given elsewhere, as votes."""
    from lunar_models.labelling.exchange import import_labels

    click.echo(import_labels(config))


main.add_command(serve, "serve")
main.add_command(export, "export")
main.add_command(import_, "import")

if __name__ == "__main__":
    main()
