"""Do the parts of a job that are not shared out: begin, look what is finished, align, publish."""

import shutil
from collections.abc import Sequence
from typing import Any

import torch

from lunar_models.config.classify import ReleaseConfig, crop_parameters
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.errors import CropSetError
from lunar_models.labelling.tags import TagSet, read_tags
from serving.batch import tasks
from serving.batch.arrow import give_memory_back
from serving.batch.files import read_record, record_file, waited_for
from serving.batch.job import Job
from serving.batch.merge import forget_aligned, forget_damaged, merge
from serving.batch.model import Model, find_model
from serving.batch.planning import open_or_plan, work_folder
from serving.batch.progress import Begun, ShardState, Stage
from serving.batch.release import Credit, find_finished
from serving.batch.release_folder import open_release

_ALIGN_LOCK = "align.lock"


def count_gpus() -> int:
    """Count the GPUs of this machine."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def begin(config: ReleaseConfig) -> Begun:
    """Plan a job or open its plan, all of which is checked; or find its finished release."""
    return _begin(config, whole=True)


def begin_merge(config: ReleaseConfig) -> Begun:
    """Do what `begin_share` does, but plan nothing.

    Raises:
        CropSetError: there is neither a plan nor a release.
    """
    return _begin(config, whole=False, plan=False)


def begin_share(config: ReleaseConfig) -> Begun:
    """Do what `begin` does, without reading tables of which a share needs a part only."""
    return _begin(config, whole=False)


def _begin(config: ReleaseConfig, *, whole: bool, plan: bool = True) -> Begun:
    model = find_model(config.model)
    crops, tags = _crops_of(config, model), _tags_of(config)
    finished = find_finished(crops, model, tags, _credit(config))
    if finished is not None:
        shutil.rmtree(work_folder(crops), ignore_errors=True)  # of a run killed at the very end
        return Begun(work_folder(crops), "", True, True, finished)
    if not plan and not work_folder(crops).is_dir():
        raise CropSetError(
            f"There is neither a release {config.output} nor unfinished work for it; run classify "
            "first, and give merge the same output."
        )
    job = open_or_plan(crops, model, shards=config.shards)
    if whole:
        job.check_whole()
    return Begun(job.folder, job.digest, job.knows_sun, job.is_aligned)


def count_shards(begun: Begun, stage: Stage) -> int:
    """Count the shards of a stage."""
    return len(_open(begun).spans(stage))


def list_unfinished(begun: Begun, stage: Stage) -> list[int]:
    """List the shards without a record, by one look into their folder."""
    job = _open(begun)
    there = {path.name for path in job.file(stage, 0).parent.iterdir()}
    return [
        n for n in range(len(job.spans(stage)))
        if record_file(job.file(stage, n)).name not in there
    ]  # fmt: skip


def survey(begun: Begun, stage: Stage, shards: Sequence[int] | None) -> list[ShardState]:
    """Find which of some shards, all by default, are finished; damaged ones are forgotten."""
    job = _open(begun)
    spans = job.spans(stage)
    chosen = range(len(spans)) if shards is None else shards
    forget_damaged(job, stage, chosen)
    return [
        ShardState(n, spans[n][1] - spans[n][0], read_record(job.file(stage, n))) for n in chosen
    ]


def align(begun: Begun, check: bool) -> None:
    """Find the Sun of all craters, once they are measured, unless that is done.

    Of shares that come here at once one does it, and the others wait. A damaged measurement is
    made anew first.

    Args:
        begun: all of its shards are measured.
        check: read the table again if it is there, and make it anew where it is damaged.
    """
    job = _open(begun)
    with waited_for(job.folder / _ALIGN_LOCK):
        if check:
            forget_aligned(job)
        if job.is_aligned:
            return
        measured = range(len(job.spans("measure")))
        for shard in forget_damaged(job, "measure", measured):
            tasks.run_task(str(job.folder), job.digest, "measure", shard)
        tasks.align(job)
    give_memory_back()  # a share goes on in this process, and needs it more


def publish(begun: Begun, config: ReleaseConfig) -> dict[str, Any]:
    """Check all shards and publish the release; returns what it says of itself."""
    job = _open(begun)
    made = open_release(merge(job, _credit(config), _tags_of(config)))
    assert made is not None
    return made


def _open(begun: Begun) -> Job:
    return Job.open(begun.folder, begun.plan)


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


def _credit(config: ReleaseConfig) -> Credit:
    """How the release is cited."""
    return Credit(config.title, config.creators, config.licence, config.citation)


def _tags_of(config: ReleaseConfig) -> TagSet | None:
    """The tags that become columns."""
    return None if config.tags is None else read_tags(config.tags)
