"""``lunar-batch``: classify a whole catalogue, in one process or many, without MLflow runs.

Encoders and maps are imported by the commands that need them: the driver of a classification
leaves them to its workers.
"""

import math
import sys
import time
from datetime import timedelta
from typing import Any

import click
from pydantic import create_model
from tqdm import tqdm

from lunar_models.config.base import StepConfig, param
from lunar_models.config.classify import ClassifyConfig, ReleaseConfig
from lunar_models.config.embed import EmbedConfig
from lunar_models.config.preprocess import PreprocessConfig
from serving.batch.driver import (
    classify_catalogue,
    classify_share,
    merge_shares,
    parse_share,
)
from serving.batch.progress import Progress
from serving.cli.options import config_command

_EVERY_S = 30.0
"""Between two lines of progress where there is no terminal."""


class _Share(StepConfig):
    shard: str | None = param(
        None,
        help="Do one share alone, I/N, such as ${SLURM_ARRAY_TASK_ID}/100; none: the whole job.",
        role="runtime",
    )


_ShareConfig: Any = create_model("_ShareConfig", __base__=(_Share, ClassifyConfig))
_CropShareConfig: Any = create_model("_CropShareConfig", __base__=(_Share, PreprocessConfig))


@click.group()
def main() -> None:
    """Classify a catalogue in shards: one machine, a job array or a Ray cluster."""


@config_command(_ShareConfig)
def classify(config: Any) -> None:
    """Classify every crater of a catalogue, or one share of it.

    Shares need no engine: start I/N for I = 1 … N, anywhere that sees the output's folder, at
    the same time or one after the other, again where one failed; then `merge`, with the same
    options.
    """
    plain = _without_share(config)
    with ProgressBar() as bar:
        if config.shard is not None:
            classify_share(plain, config.shard, report=bar.show)
            click.echo(f"Share {config.shard} is done.")
            return
        made = classify_catalogue(plain, report=bar.show)
    click.echo(f"{made['counts']['craters']:,} craters classified, in {config.output}.")


@config_command(_CropShareConfig)
def preprocess(config: Any) -> None:
    """Make a crop set, or sample one share of its crops.

    Start I/N for I = 1 … N, anywhere that sees the output's folder, with `workers` threads each;
    then the same without --shard, here or as a step of MLflow: it samples what is missing and
    publishes.
    """
    from lunar_models.cropping.extraction import make_crop_set  # see the head of this file
    from lunar_models.cropping.shares import make_share

    plain = PreprocessConfig(**{name: value for name, value in config if name != "shard"})
    with tqdm(unit="crop", disable=None) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if config.shard is not None:
            make_share(plain, *parse_share(config.shard), progress=report)
            click.echo(f"Share {config.shard} is done.")
            return
        crop_set = make_crop_set(plain, progress=report)
    click.echo(f"{len(crop_set):,} crops in {crop_set.path}.")


@config_command(ClassifyConfig)
def merge(config: ReleaseConfig) -> None:
    """Check the shards of all shares and publish the release."""
    click.echo(f"Released {merge_shares(config)}.")


@config_command(EmbedConfig)
def embed(config: EmbedConfig) -> None:
    """Embed all crops of a crop set in shards."""
    from serving.batch.embed import embed_crop_set, find_checkpoint  # see the head of this file

    with tqdm(unit="crop", disable=None) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        made = embed_crop_set(config, find_checkpoint(config.encoder_uri), report=report)
    click.echo(f"Embeddings in {made}.")


def _without_share(config: Any) -> ReleaseConfig:
    return ClassifyConfig(**{name: value for name, value in config if name != "shard"})


class ProgressBar:
    """Show how far a job is: a bar on a terminal, else lines, such as in the log of a cluster."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._stage = ""
        self._told = -math.inf

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, progress: Progress) -> None:
        """Move the bar, of which each stage has its own, or write a line if the last is old."""
        if not sys.stderr.isatty():
            self._tell(progress, time.monotonic())
            return
        if progress.stage != self._stage:
            self.__exit__()
            self._stage = progress.stage
            self._bar = tqdm(
                total=progress.craters, desc=progress.stage, unit="crater", disable=None
            )
        self._bar.update(progress.craters_done - self._bar.n)

    def _tell(self, progress: Progress, now: float) -> None:
        begins, ends = progress.stage != self._stage, progress.craters_done == progress.craters
        if begins or ends or now - self._told >= _EVERY_S:
            self._stage, self._told = progress.stage, now
            click.echo(describe_progress(progress), err=True)


def describe_progress(progress: Progress) -> str:
    """Say in one line how far a stage is, how fast, and how long it will take."""
    text = (
        f"{progress.stage}: {progress.shards_done:,} of {progress.shards:,} shards, "
        f"{progress.craters_done:,} of {progress.craters:,} craters"
    )
    if progress.craters_here:
        rate = progress.craters_here / max(progress.seconds, 1e-9)
        left = timedelta(seconds=round((progress.craters - progress.craters_done) / rate))
        text += f", {rate:,.0f} craters/s, {left} left"
    return text


main.add_command(classify)
main.add_command(merge)
main.add_command(preprocess)
main.add_command(embed)

if __name__ == "__main__":
    main()
