"""Plan a classification job, or reopen the plan of an earlier start.

The plan is made once, under a name of the process's own; the first process to rename it wins.
"""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lunar_models.config.base import specs
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import plan_crops
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.quality import overlap_larger
from lunar_models.cropping.storage.work_folder import work_key
from lunar_models.errors import CropSetError, disk_errors
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic
from serving.batch.arrow import give_memory_back, write_rows
from serving.batch.files import digest, sync, temporary
from serving.batch.job import (
    CRATERS_FILE,
    FORMAT_VERSION,
    MEASURES_FOLDER,
    MODEL,
    PLAN,
    PLAN_FILE,
    SEALED_FILES,
    SHARDS,
    WORK_SUFFIX,
    Job,
    plan_digest,
)
from serving.batch.model import Model, copy_model
from serving.batch.release_folder import REJECTED_FILE

SHARD_CRATERS = 16_384
"""Craters per shard where the number of shards is not given."""

_COLUMNS = (
    "crater_id", "longitude_deg", "latitude_deg", "diameter_km", "native_px", "half_side",
    "column_px", "separable", "level", "top", "bottom", "left", "right", "mosaic", "strip",
    "overlap_larger", "given_incidence_deg", "sun_azimuth_deg", "sun_azimuth_std_deg",
    "illumination_confidence", "incidence_deg", "rotation_deg", "flipped",
)  # fmt: skip
"""Of `CropPlan.craters`; those of the Sun are there if it is given."""


def work_folder(crops: PreprocessConfig) -> Path:
    """Return where a job of these parameters keeps its work."""
    output = Path(crops.output)
    if output.is_symlink():  # to another disk, where the work must lie, too, to be renamed
        output = output.resolve()
    return output.with_name(output.name + WORK_SUFFIX)


def open_or_plan(crops: PreprocessConfig, model: Model, *, shards: int | None) -> Job:
    """Open the job of these parameters, planned now unless it has been already.

    Any number of processes may do so at the same time.

    Args:
        crops: how the craters are cut out; its output is that of the release.
        model: which model answers.
        shards: their number at the most; None lets the catalogue's size decide, or takes those
            of the plan that is there.

    Raises:
        CropSetError: the folder holds work of other parameters, or the disk is full.
        CatalogueError: the catalogue is unusable, or none of its craters can be cut out.
        MosaicError: a mosaic is unusable.
    """
    folder = work_folder(crops)
    mosaics = open_mosaics(crops)
    key = work_key(crops, mosaics) | {"model": model.digest}
    with disk_errors(folder):
        for name in (MEASURES_FOLDER, SHARDS):
            (folder / name).mkdir(parents=True, exist_ok=True)
        if not (folder / PLAN).exists():
            _make_plan(folder, crops, mosaics, model, key, shards)
            give_memory_back()  # workers begin now, and need it more
    job = Job.open(folder)
    _check_same(job, key, shards)
    return job


def check_unchanged(job: Job) -> None:
    """Make sure that no source changed since the plan was made.

    Raises:
        CropSetError: one did, or the plan itself is damaged.
    """
    job.check_whole()
    mosaics = open_mosaics(job.crops)
    key = work_key(job.crops, mosaics) | {"model": job.plan["key"]["model"]}
    _check_same(job, key, None)


def _check_same(job: Job, key: dict[str, Any], shards: int | None) -> None:
    made, here = job.plan["key"], json.loads(json.dumps(key))
    different = [name for name in here["parameters"] if made["parameters"].get(name) !=
                 here["parameters"][name]]  # fmt: skip
    different += [name for name in ("model", "files") if made[name] != here[name]]
    if shards is not None and shards != job.plan["shards_asked"]:
        different.append("shards")
    if different:
        raise CropSetError(
            f"{job.folder} holds unfinished work that was begun with another "
            f"{', '.join(different)}; delete that folder, choose another output, or give what "
            "it was begun with."
        )


def _make_plan(
    folder: Path,
    crops: PreprocessConfig,
    mosaics: tuple[Mosaic, ...],
    model: Model,
    key: dict[str, Any],
    shards: int | None,
) -> None:
    """Plan under a name of this process's own."""
    trained, fitted = model.checkpoint.radiometry, fit_radiometry(mosaics)
    same = trained.source_dtype == fitted.source_dtype
    crop_plan = plan_crops(crops, mosaics, radiometry=trained if same else fitted)
    overlap = overlap_larger(crop_plan.craters, crop_plan.catalogue)
    craters = crop_plan.craters.assign(overlap_larger=overlap)
    fresh = temporary(folder / PLAN)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    write_rows(fresh / CRATERS_FILE, craters[[name for name in _COLUMNS if name in craters]])
    crop_plan.rejected.to_csv(fresh / REJECTED_FILE, index=False)
    copy_model(model, fresh / MODEL)
    plan = {
        "format_version": FORMAT_VERSION,
        "key": key,
        "crops": {spec.name: getattr(crops, spec.name) for spec in specs(type(crops))},
        "model": model.describe(),
        "sha256": {name: digest(fresh / name) for name in SEALED_FILES},
        "shards_asked": shards,
        "shards": shards or -(-len(craters) // SHARD_CRATERS),
        "knows_sun": crop_plan.knows_sun,
        "strip_rows": crop_plan.strip_rows,
        "radiometry": asdict(crop_plan.radiometry),
        "lit_level": crop_plan.lit_level,
    }
    plan["digest"] = plan_digest(json.loads(json.dumps(plan)))  # as it will be read
    (fresh / PLAN_FILE).write_text(json.dumps(plan, indent=2) + "\n")
    _publish(fresh, folder)


def _publish(fresh: Path, folder: Path) -> None:
    """Give a complete plan its name, unless another process was faster with an equal one."""
    for file in fresh.iterdir():
        sync(file)
    try:
        os.rename(fresh, folder / PLAN)
    except OSError:
        if not (folder / PLAN / PLAN_FILE).is_file():
            raise
        shutil.rmtree(fresh)
    sync(folder)
