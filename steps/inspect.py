"""Report in seconds how a mosaic and a catalogue are read: a dry run of preprocess."""

import json
from pathlib import Path

import click

from lunar_models.config.inspect import InspectConfig
from lunar_models.cropping.inspection import Inspection, inspect_inputs
from lunar_models.plots.inspection import inspection_figure
from serving.cli.options import config_command
from steps.shared.store import prepare
from steps.shared.tracking import log_folder, log_output, step_run

REPORT_FILE, PICTURE_FILE = "inspection.json", "crops.png"


@config_command(InspectConfig)
def main(config: InspectConfig) -> None:
    """Report how a mosaic and a catalogue are interpreted, and show five crops."""
    config = prepare(config)
    with step_run("inspect", config, name=f"inspect-{Path(config.catalogue).stem}"):
        found = inspect_inputs(config)
        folder = Path(config.output)
        _write(folder, found, config)
        log_output("inspection", config.output)
        log_folder(folder, "inspection")
        click.echo(found.text())
        click.echo(f"picture: {folder / PICTURE_FILE}" if found.crops else "no picture")


def _write(folder: Path, found: Inspection, config: InspectConfig) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    report = {**found.sections, "warnings": found.warnings}
    (folder / REPORT_FILE).write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    (folder / PICTURE_FILE).unlink(missing_ok=True)
    if found.crops:
        figure = inspection_figure(
            found.crops, found.craters, context_diameters=config.context_diameters
        )
        figure.savefig(folder / PICTURE_FILE)


if __name__ == "__main__":
    main()
