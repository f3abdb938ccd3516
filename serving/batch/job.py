"""Plan the classification of a catalogue, and reopen the plan of an earlier start.

<output>.partial/
    plan/               made under another name and renamed, by whichever process comes first
        plan.json       parameters, source files, model, and the rows of each shard
        craters.arrow   one row per crater to be cut out, in the order of the mosaics' strips
        rejected.csv    craters that are left out before a mosaic is read, and why
        model/          the service bundle without its reference craters
    measures/           per shard: what the crops tell about the Sun's side and their quality
    metadata.arrow      craters with the Sun's side after the vote, quality and faults
    shards/             per shard: the table of its craters
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lunar_models.config.base import specs
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import CropPlan, plan_crops
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.quality import overlap_larger
from lunar_models.cropping.storage.work_folder import Segment, disk_errors, work_key
from lunar_models.cropping.streaming import cut_units, unit_crops
from lunar_models.crops import Radiometry
from lunar_models.errors import CropSetError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic
from serving.batch.arrow import read_rows, write_rows
from serving.batch.files import sync, temporary
from serving.batch.model import Model, copy_model

FORMAT_VERSION = 1
PLAN, MEASURES_FOLDER, SHARDS = "plan", "measures", "shards"
PLAN_FILE, CRATERS_FILE, REJECTED_FILE, MODEL = (
    "plan.json", "craters.arrow", "rejected.csv", "model",
)  # fmt: skip

ALIGNED_FILE = "aligned.arrow"

Stage = Literal["measure", "classify"]

SHARD_CRATERS = 16_384
"""Craters per shard where the number of shards is not given."""

_COLUMNS = (
    "crater_id", "longitude_deg", "latitude_deg", "diameter_km", "native_px", "half_side",
    "column_px", "separable", "level", "top", "bottom", "left", "right", "mosaic", "strip",
    "overlap_larger", "given_incidence_deg", "sun_azimuth_deg", "sun_azimuth_std_deg",
    "illumination_confidence", "incidence_deg", "rotation_deg", "flipped",
)  # fmt: skip
"""Of `CropPlan.craters`; those of the Sun are there if it is given."""


@dataclass(frozen=True)
class Job:
    """A planned classification; every process opens its own from the work folder."""

    folder: Path
    """``<output>.partial``"""
    plan: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Job":
        """Open a planned job.

        Raises:
            CropSetError: there is no plan, or one of another version.
        """
        file = folder / PLAN / PLAN_FILE
        try:
            plan = json.loads(file.read_text())
            if plan["format_version"] != FORMAT_VERSION:
                raise ValueError(f"format version {plan['format_version']}")
        except (OSError, ValueError, KeyError) as error:
            raise CropSetError(
                f"{folder} holds no plan that this code reads ({error}); delete the folder and "
                "start again."
            ) from error
        return cls(folder, plan)

    @cached_property
    def crops(self) -> PreprocessConfig:
        """How crops are cut out: as preprocess does with these parameters."""
        values: dict[str, Any] = self.plan["crops"]
        return PreprocessConfig(**(values | {"mosaic": tuple(values["mosaic"])}))

    @property
    def knows_sun(self) -> bool:
        """Whether the Sun is given, so that nothing needs to be measured first."""
        return bool(self.plan["knows_sun"])

    @property
    def model_folder(self) -> Path:
        """The bundle that answers."""
        return self.folder / PLAN / MODEL

    @property
    def aligned_file(self) -> Path:
        """The craters with the Sun."""
        return self.folder / PLAN / CRATERS_FILE if self.knows_sun else self.folder / ALIGNED_FILE

    def file(self, stage: Stage, shard: int) -> Path:
        """What a stage makes of a shard: `MEASURES` (n, M) float32, or the table of answers."""
        if stage == "measure":
            return self.folder / MEASURES_FOLDER / f"{shard:05d}.npy"
        return self.folder / SHARDS / f"{shard:05d}.parquet"

    def spans(self, stage: Stage) -> list[tuple[int, int]]:
        """First and last + 1 row of each shard."""
        if stage not in self._spans:
            strips = self._crop_plan(read_rows(self._table(stage), columns=["mosaic", "strip"]))
            units = cut_units(strips.segments, unit_crops(self.crops.crop_size_px))
            self._spans[stage] = share_out(units, self.plan["shards"])
        return self._spans[stage]

    @cached_property
    def _spans(self) -> dict[str, list[tuple[int, int]]]:
        return {}

    def _table(self, stage: Stage) -> Path:
        return self.folder / PLAN / CRATERS_FILE if stage == "measure" else self.aligned_file

    def crop_plan(self) -> CropPlan:
        """The plan of all craters, as it was before the Sun was known."""
        return self._crop_plan(read_rows(self.folder / PLAN / CRATERS_FILE))

    def shard(self, stage: Stage, shard: int) -> tuple[CropPlan, list[Segment]]:
        """The part of the crop plan that a shard needs, and its units."""
        plan = self._crop_plan(read_rows(self._table(stage), *self.spans(stage)[shard]))
        return plan, cut_units(plan.segments, unit_crops(self.crops.crop_size_px))

    def rejected(self) -> pd.DataFrame:
        """`crater_id`, `reason` of the craters that are left out by the plan."""
        return pd.read_csv(self.folder / PLAN / REJECTED_FILE, dtype=str, keep_default_na=False)

    def _crop_plan(self, craters: pd.DataFrame) -> CropPlan:
        return CropPlan(
            config=self.crops,
            mosaics=open_mosaics(self.crops),
            radiometry=Radiometry(**self.plan["radiometry"]),
            craters=craters,
            catalogue=pd.DataFrame(),
            rejected=pd.DataFrame(),
            strip_rows=self.plan["strip_rows"],
            lit_level=self.plan["lit_level"],
        )


def work_folder(crops: PreprocessConfig) -> Path:
    """Return where a job of these parameters keeps its work."""
    output = Path(crops.output)
    return output.with_name(output.name + ".partial")


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
    job = Job.open(folder)
    _check_same(job, key, shards)
    return job


def check_unchanged(job: Job) -> None:
    """Make sure that no source changed since the plan was made.

    Raises:
        CropSetError: one did.
    """
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
    """Plan under a name of this process's own; the first to rename it wins."""
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
        "shards_asked": shards,
        "shards": shards or -(-len(craters) // SHARD_CRATERS),
        "knows_sun": crop_plan.knows_sun,
        "strip_rows": crop_plan.strip_rows,
        "radiometry": asdict(crop_plan.radiometry),
        "lit_level": crop_plan.lit_level,
    }
    (fresh / PLAN_FILE).write_text(json.dumps(plan, indent=2) + "\n")
    for file in fresh.iterdir():
        sync(file)
    try:
        os.rename(fresh, folder / PLAN)
    except OSError:
        if not (folder / PLAN / PLAN_FILE).is_file():
            raise
        shutil.rmtree(fresh)  # another process was faster, with an equal plan
    sync(folder)


def share_out(units: Sequence[Segment], shards: int) -> list[tuple[int, int]]:
    """Cut the rows of all units into shards of about equal size, each of whole units.

    Returns:
        First and last + 1 row of each shard; fewer than `shards` where there are fewer units.
    """
    stops = np.array([unit.stop for unit in units])
    wanted = stops[-1] * np.arange(1, shards + 1) / shards
    last = np.unique(np.searchsorted(stops, wanted - 0.5))
    return list(pairwise([0, *stops[last].tolist()]))
