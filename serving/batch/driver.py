"""Run the classification of a catalogue: plan, measure, align, classify, merge."""

import os
import re
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lunar_models.config.classify import ReleaseConfig, WorkConfig, crop_parameters
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.errors import ConfigError, CropSetError, LunarModelsError
from lunar_models.labelling.tags import TagSet, read_tags
from serving.batch.engines import Engine, InlineEngine, ProcessEngine, Task
from serving.batch.files import locked, read_record
from serving.batch.job import Job, Stage
from serving.batch.merge import forget_damaged, merge
from serving.batch.model import Model, find_model
from serving.batch.planning import open_or_plan, work_folder
from serving.batch.release import Credit, find_finished
from serving.batch.release_folder import open_release
from serving.batch.tasks import align, run_task


@dataclass(frozen=True)
class Progress:
    """How far a job is."""

    stage: Stage
    shards_done: int
    shards: int
    craters_done: int
    """In this stage, those of former runs among them."""
    craters: int
    seconds: float
    """Since this run began the stage."""
    craters_here: int
    """Of `craters_done`, those done by this run."""
    cpu_seconds: float
    """Of all finished shards of this stage."""


Report = Callable[[Progress], object]


def classify_catalogue(
    config: ReleaseConfig, *, report: Report = lambda progress: None
) -> dict[str, Any]:
    """Classify every crater of a catalogue and publish a release.

    A finished release of the same is left as it is; a job that was interrupted is resumed.

    Args:
        config: parameters.
        report: called whenever a shard is done.

    Returns:
        The contents of the release's `metadata.json`.

    Raises:
        LunarModelsError: an input is unusable, another driver is at work, or a shard failed; the
            finished ones are kept.
    """
    model = find_model(config.model)
    crops, tags = _crops_of(config, model), tags_of(config)
    finished = find_finished(crops, model, tags, credit(config))
    if finished is not None:
        shutil.rmtree(work_folder(crops), ignore_errors=True)  # of a run killed at the very end
        return finished
    job = open_or_plan(crops, model, shards=config.shards)
    with locked(job.folder, alone=True):
        forget_damaged(job)
        with closing(make_engine(config)) as engine:
            if not job.knows_sun:
                run_stage(job, engine, "measure", config.device, report)
            align(job)
            run_stage(job, engine, "classify", config.device, report)
        merge(job, credit(config), tags)
    made = open_release(Path(crops.output))
    assert made is not None
    return made


def classify_share(config: ReleaseConfig, share: str, *, report: Report) -> None:
    """Do one of n shares of a job without a driver: each of them can run anywhere, at any time.

    A share measures its own shards first. The vote on the Sun's side needs those of all others
    too: what is still missing then is measured here as well, from the far end, where the others
    come last.

    Args:
        config: equal for all shares.
        share: ``i/n``, i from 1 to n.
        report: called whenever a shard is done.

    Raises:
        LunarModelsError: as `classify_catalogue`.
    """
    number, shares = parse_share(share)
    model = find_model(config.model)
    crops = _crops_of(config, model)
    if find_finished(crops, model, tags_of(config), credit(config)) is not None:
        return
    job = open_or_plan(crops, model, shards=config.shards)
    with locked(job.folder, alone=False):
        forget_damaged(job)
        engine = InlineEngine()
        if not job.knows_sun:
            count = len(job.spans("measure"))
            own = range(number - 1, count, shares)
            others = [n for n in reversed(range(count)) if n not in own]
            run_stage(job, engine, "measure", config.device, report, [*own, *others])
        align(job)
        own = range(number - 1, len(job.spans("classify")), shares)
        run_stage(job, engine, "classify", config.device, report, own)


def merge_shares(config: ReleaseConfig) -> Path:
    """Publish the release of a job whose shares are all done.

    Raises:
        CropSetError: a share is missing or still at work, or a shard is damaged.
    """
    model = find_model(config.model)
    crops, tags = _crops_of(config, model), tags_of(config)
    output = Path(crops.output)
    if find_finished(crops, model, tags, credit(config)) is not None:
        return output
    job = open_or_plan(crops, model, shards=config.shards)
    with locked(job.folder, alone=True):
        return merge(job, credit(config), tags)


def parse_share(text: str) -> tuple[int, int]:
    """Read ``i/n``.

    Raises:
        ConfigError: it is not that, or i is not in 1…n.
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    number, shares = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= number <= shares:
        raise ConfigError(f"shard={text!r} is not i/n with i from 1 to n, such as 3/100.")
    return number, shares


def run_stage(
    job: Job,
    engine: Engine,
    stage: Stage,
    device: str,
    report: Report,
    shards: Sequence[int] | None = None,
) -> None:
    """Do one stage of some shards, all by default; those that are finished cost nothing.

    Raises:
        LunarModelsError: names the shards that failed, after all others are done.
    """
    started = time.perf_counter()
    spans = job.spans(stage)
    chosen = range(len(spans)) if shards is None else shards
    counts = {n: spans[n][1] - spans[n][0] for n in chosen}
    records = {n: read_record(job.file(stage, n)) for n in chosen}
    done = {n: record for n, record in records.items() if record is not None}
    former = sum(counts[n] for n in done)
    failed: dict[int, Exception] = {}

    def tell() -> None:
        finished = sum(counts[n] for n in done)
        report(Progress(
            stage, len(done), len(counts), finished, sum(counts.values()),
            time.perf_counter() - started, finished - former,
            sum(record.cpu_seconds for record in done.values()),
        ))  # fmt: skip

    tell()
    tasks = [Task(run_task, (str(job.folder), stage, n, device)) for n in chosen if n not in done]
    for ended in engine.run(tasks):
        number = ended.task.arguments[2]
        if ended.error is not None:
            failed[number] = ended.error
        else:
            done[number] = ended.result
            tell()
    if failed:
        raise _failure(job, stage, failed)


def _failure(job: Job, stage: Stage, failed: dict[int, Exception]) -> LunarModelsError:
    for error in failed.values():
        if not isinstance(error, LunarModelsError):
            raise error  # a fault of this code: its stack trace helps
    shown = "; ".join(f"shard {n}: {error}" for n, error in list(failed.items())[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return CropSetError(
        f"{len(failed)} of {len(job.spans(stage))} shards failed ({stage}): {shown}{more}. "
        f"The others are kept in {job.folder}; mend the cause and run the same command again."
    )


def make_engine(config: WorkConfig) -> Engine:
    """Start the engine that the parameters ask for."""
    cuda = config.device != "cpu" and torch.cuda.is_available()
    if config.engine == "ray":
        from serving.batch.ray_engine import RayEngine

        return RayEngine(config.address, workers=config.workers, gpus=cuda)
    own = torch.cuda.device_count() if cuda else len(os.sched_getaffinity(0))
    workers = config.workers or own
    return InlineEngine() if workers == 1 else ProcessEngine(workers)


def _crops_of(config: ReleaseConfig, model: Model) -> PreprocessConfig:
    """Cut and align crops as the model's were."""
    checkpoint = model.checkpoint
    unaligned = {"illumination": "none"} if checkpoint.alignment == "none" else {}
    return crop_parameters(
        config,
        crop_size_px=checkpoint.encoder.crop_size_px,
        context_diameters=checkpoint.context_diameters,
        highpass_sigma_px=checkpoint.highpass_sigma_px,
        **unaligned,
    )


def credit(config: ReleaseConfig) -> Credit:
    """Return how the release is cited."""
    return Credit(config.title, config.creators, config.licence, config.citation)


def tags_of(config: ReleaseConfig) -> TagSet | None:
    """Return the tags that become columns."""
    return None if config.tags is None else read_tags(config.tags)
