"""Classify every crater of a catalogue in shards and publish a release."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pandas as pd

from lunar_models.config.base import specs
from lunar_models.config.classify import ClassifyRunConfig, ReleaseConfig, ReleaseRunConfig
from lunar_models.crops.crop_set import READING
from lunar_models.errors import UnplacedError
from lunar_models.mosaic.raster import Mosaic
from serving.batch.driver import classify_catalogue
from serving.batch.progress import Progress
from serving.batch.release_folder import CRATERS_FILE, METADATA_FILE, REJECTED_FILE
from serving.cli.batch import ProgressBar
from serving.cli.options import config_command
from steps.shared.inputs import digest
from steps.shared.region import log_region
from steps.shared.store import prepare
from steps.shared.tracking import (
    log_artifact,
    log_dataset,
    log_metrics,
    log_output,
    log_text,
    set_tag,
    step_run,
)

_SECONDS_PER_HOUR = 3600.0


@config_command(ClassifyRunConfig)
def main(config: ReleaseRunConfig) -> None:
    """Classify every crater of a catalogue in shards and publish a release."""
    config = prepare(config)
    with step_run("classify", config, name=f"classify-{Path(config.output).name}"):
        with ProgressBar() as bar:
            made = classify_catalogue(config, report=_reporter(bar.show))
        log_output("release", config.output)
        _log_release(made, config)
        counts = made["counts"]
        click.echo(f"{counts['craters']:,} craters in {config.output}")
        for reason, count in counts["rejected_by_reason"].items():
            click.echo(f"  {count:,} left out: {reason}")
        if config.analysis:
            _log_analysis(config)


def _log_analysis(config: ReleaseConfig) -> None:
    inputs: Any = config  # a `ClassifyRunConfig`, whose fields are made of those of preprocess
    limits = {spec.name: getattr(config, spec.name) for spec in specs(type(config))}
    reading = {name: limits[name] for name in READING}
    try:
        mosaics = [Mosaic.open(path, **reading) for path in inputs.mosaic]
    except UnplacedError:
        return  # images without georeference have no area on the Moon
    log_region(Path(config.output) / CRATERS_FILE, mosaics, limits=limits)


def _reporter(show: Callable[[Progress], object]) -> Callable[[Progress], None]:
    """Log every finished shard: how many are done, how fast, and what they cost."""
    costs: dict[str, float] = {}

    def report(progress: Progress) -> None:
        show(progress)
        stage = progress.stage
        costs[stage] = progress.cpu_seconds
        rate = progress.craters_here / max(progress.seconds, 1e-9)
        log_metrics(
            {
                f"{stage}/shards_done": progress.shards_done,
                f"{stage}/craters_done": progress.craters_done,
                f"{stage}/progress": progress.craters_done / progress.craters,
                f"{stage}/crops_per_second": rate if progress.craters_here else float("nan"),
                "cost/core_hours": sum(costs.values()) / _SECONDS_PER_HOUR,
            },
            step=progress.shards_done,
        )

    return report


def _log_release(made: dict[str, Any], config: ReleaseConfig) -> None:
    inputs: Any = config  # a `ClassifyRunConfig`, whose fields are made of those of preprocess
    for name, paths in (("mosaic", inputs.mosaic), ("catalogue", (inputs.catalogue,))):
        for path in paths:
            log_dataset(path, name=name, digest=digest(path), context="input")
    if config.tags is not None:
        log_dataset(config.tags, name="tags", digest=made["tags"]["sha256"], context="tags")
    output, counts = Path(config.output), made["counts"]
    log_dataset(
        str(output / CRATERS_FILE),
        name="release",
        digest=made["files"][CRATERS_FILE]["sha256"],
        context="output",
    )
    for name in ("uri", "digest"):
        set_tag(f"model.{name}", made["model"][name])
    log_metrics({"release/craters": counts["craters"], "release/rejected": counts["rejected"]})
    reasons = pd.DataFrame(counts["rejected_by_reason"].items(), columns=["reason", "craters"])
    log_text(reasons.to_csv(index=False), "tables/rejected_by_reason.csv")
    log_text(json.dumps(made, indent=2), METADATA_FILE)
    log_artifact(str(output / REJECTED_FILE))


if __name__ == "__main__":
    main()
