"""Run the classification of a catalogue: plan, measure, align, classify, merge.

The driver itself only hands out work: it imports neither encoders nor maps, and the parts that
no other process shares (`stages`) run in a process that ends with them. So its memory is small
while the workers need theirs.
"""

import os
import re
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from lunar_models.config.classify import ReleaseConfig, WorkConfig
from lunar_models.errors import ConfigError, CropSetError, LunarModelsError
from serving.batch.engines import Engine, InlineEngine, ProcessEngine, Task, run_alone
from serving.batch.files import locked
from serving.batch.progress import Begun, Progress, Report, ShardState, Stage

_STAGES, _RUN_TASK = "serving.batch.stages", "serving.batch.tasks:run_task"


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
    with closing(make_engine(config)) as engine:
        job: Begun = engine.run_alone(_of_stages("begin", config))
        if job.finished is not None:
            return job.finished
        with locked(job.folder, alone=True):
            if not job.knows_sun:
                run_stage(job, engine, "measure", config.device, report)
                engine.run_alone(_of_stages("align", job, True))
            run_stage(job, engine, "classify", config.device, report)
            made: dict[str, Any] = engine.run_alone(_of_stages("publish", job, config))
            return made


def classify_share(config: ReleaseConfig, share: str, *, report: Report) -> None:
    """Do one of n shares of a job without a driver: each of them can run anywhere, at any time.

    A share measures its own shards first. The vote on the Sun's side needs those of all others
    too: what is still missing then is measured here as well, from the far end, where the others
    come last. Of finished work it reads again only its own; `merge_shares` checks all.

    Args:
        config: equal for all shares.
        share: ``i/n``, i from 1 to n.
        report: called whenever a shard is done.

    Raises:
        LunarModelsError: as `classify_catalogue`.
    """
    number, shares = parse_share(share)
    engine = InlineEngine()
    job: Begun = engine.run_alone(_of_stages("begin_share", config))
    if job.finished is not None:
        return
    with locked(job.folder, alone=False):
        if not job.is_aligned:
            count = engine.run_alone(_of_stages("count_shards", job, "measure"))
            run_stage(
                job, engine, "measure", config.device, report, range(number - 1, count, shares)
            )
            others = engine.run_alone(_of_stages("list_unfinished", job, "measure"))
            run_stage(job, engine, "measure", config.device, report, others[::-1])
            engine.run_alone(_of_stages("align", job, False))
        count = engine.run_alone(_of_stages("count_shards", job, "classify"))
        own = range(number - 1, count, shares)
        run_stage(job, engine, "classify", config.device, report, own)


def merge_shares(config: ReleaseConfig) -> Path:
    """Publish the release of a job whose shares are all done.

    Raises:
        CropSetError: a share is missing or still at work, or a shard is damaged.
    """
    engine = InlineEngine()
    job: Begun = engine.run_alone(_of_stages("begin_merge", config))
    if job.finished is None:
        with locked(job.folder, alone=True):
            engine.run_alone(_of_stages("publish", job, config))
    return Path(config.output)


def _of_stages(name: str, *arguments: Any) -> Task:
    return Task(f"{_STAGES}:{name}", arguments)


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
    job: Begun,
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
    states: list[ShardState] = engine.run_alone(_of_stages("survey", job, stage, shards))
    counts = {state.number: state.craters for state in states}
    done = {state.number: state.record for state in states if state.record is not None}
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
    missing = [n for n in counts if n not in done]
    tasks = [Task(_RUN_TASK, (str(job.folder), job.plan, stage, n, device)) for n in missing]
    for ended in engine.run(tasks):
        number = ended.task.arguments[3]
        if ended.error is not None:
            failed[number] = ended.error
        else:
            done[number] = ended.result
            tell()
    if failed:
        raise _failure(job.folder, stage, failed, len(counts))


def _failure(
    folder: Path, stage: Stage, failed: dict[int, Exception], count: int
) -> LunarModelsError:
    for error in failed.values():
        if not isinstance(error, LunarModelsError):
            raise error  # a fault of this code: its stack trace helps
    shown = "; ".join(
        f"shard {n}: {str(error).rstrip('.')}" for n, error in list(failed.items())[:3]
    )
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    return CropSetError(
        f"{len(failed)} of {count} shards failed ({stage}): {shown}{more}. "
        f"The others are kept in {folder}; mend the cause and run the same command again."
    )


def make_engine(config: WorkConfig) -> Engine:
    """Start the engine that the parameters ask for."""
    if config.engine == "local" and config.workers == 1:
        return InlineEngine()
    gpus = 0 if config.device == "cpu" else run_alone(Task(f"{_STAGES}:count_gpus", ()))
    if config.engine == "ray":
        from serving.batch.ray_engine import RayEngine

        return RayEngine(config.address, workers=config.workers, gpus=gpus > 0)
    workers = config.workers or gpus or len(os.sched_getaffinity(0))
    return InlineEngine() if workers == 1 else ProcessEngine(workers)
