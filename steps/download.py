"""Download the Robbins catalogue and the WAC mosaic, resumable and verified."""

import click

from lunar_models.config.download import DownloadConfig
from lunar_models.downloads.fetch import download
from serving.cli.options import config_command
from steps.shared.inputs import file_digest
from steps.shared.store import prepare
from steps.shared.tracking import log_dataset, log_output, step_run


@config_command(DownloadConfig)
def main(config: DownloadConfig) -> None:
    """Download a crater catalogue and a mosaic; verified files are kept."""
    config = prepare(config)
    with step_run("download", config, name="download"):
        fetched = download(config)
        for name, path in (
            ("catalogue", fetched.catalogue_path),
            ("mosaic", fetched.mosaic_path),
        ):
            if path is not None:
                log_dataset(str(path), name=name, digest=file_digest(path), context="output")
                log_output(name, str(path))
                click.echo(f"{name}: {path}")


if __name__ == "__main__":
    main()
