"""Open a planned classification of a catalogue: its files, craters and shards.

::

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

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import CropPlan
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.storage.work_folder import Segment
from lunar_models.cropping.streaming import cut_units, unit_crops
from lunar_models.crops import Radiometry
from lunar_models.errors import CropSetError
from serving.batch.arrow import read_rows
from serving.batch.files import digest, read_record
from serving.batch.progress import Stage
from serving.batch.release_folder import REJECTED_FILE
from serving.model.seal import BUNDLE_FILE, changed_files

FORMAT_VERSION = 3
PLAN, MEASURES_FOLDER, SHARDS = "plan", "measures", "shards"
PLAN_FILE, CRATERS_FILE, MODEL = "plan.json", "craters.arrow", "model"

SEALED_FILES = (CRATERS_FILE, REJECTED_FILE, f"{MODEL}/{BUNDLE_FILE}")
"""Of the plan, whose digests are in plan.json; bundle.json has those of the model's files."""

ALIGNED_FILE = "aligned.arrow"
WORK_SUFFIX = ".partial"
"""Of the work folder, after the name of the output."""

_ENTRIES: dict[str, type | tuple[type, ...]] = {
    "key": dict, "crops": dict, "model": dict, "sha256": dict, "shards_asked": (int, type(None)),
    "shards": int, "knows_sun": bool, "strip_rows": int, "radiometry": dict,
    "lit_level": (int, float), "digest": str,
}  # fmt: skip
"""Of plan.json, with their types."""
_KEY_ENTRIES: dict[str, type | tuple[type, ...]] = {
    "parameters": dict, "model": str, "files": dict,
}  # fmt: skip


@dataclass(frozen=True)
class Job:
    """A planned classification; every process opens its own from the work folder."""

    folder: Path
    """``<output>.partial``"""
    plan: dict[str, Any]

    @classmethod
    def open(cls, folder: Path, expected: str | None = None) -> "Job":
        """Open a planned job.

        Args:
            folder: ``<output>.partial``.
            expected: digest of the plan by which the work was begun; None takes any.

        Raises:
            CropSetError: there is no plan, one of another version, or not the expected one.
        """
        file = folder / PLAN / PLAN_FILE
        try:
            plan = json.loads(file.read_text())
            if not isinstance(plan, dict):
                raise ValueError(f"{PLAN_FILE} is no JSON object")
            if (version := plan.get("format_version")) != FORMAT_VERSION:
                raise ValueError(f"format version {version}, not {FORMAT_VERSION}")
            _check_entries(plan)
            if plan["digest"] != plan_digest(plan):
                raise ValueError(f"{PLAN_FILE} was changed after it was made")
        except (OSError, ValueError) as error:
            raise CropSetError(
                f"{folder} holds no plan that this code reads ({error}); delete the folder and "
                "start again."
            ) from error
        job = cls(folder, plan)
        if expected not in (None, job.digest):
            raise CropSetError(
                f"{folder} holds another plan than when this work began: somebody deleted it and "
                "started again. Run the same command again."
            )
        return job

    @property
    def digest(self) -> str:
        """Digest of the plan with all that it says of the source files, model and parameters."""
        return str(self.plan["digest"])

    def source(self, stage: Stage) -> str:
        """Digest of what the shards of a stage are made of."""
        if stage == "measure" or self.knows_sun:
            return self.digest
        aligned = read_record(self.aligned_file)
        return "none" if aligned is None else f"{self.digest} {aligned.sha256}"

    @property
    def is_aligned(self) -> bool:
        """Whether the Sun of every crater is known, given or found; its file is not read."""
        if self.knows_sun:
            return True
        found = read_record(self.aligned_file)
        return found is not None and found.source == self.digest and self.aligned_file.is_file()

    @property
    def output(self) -> Path:
        """Where the release is published: beside the work, wherever that lies by now."""
        return self.folder.with_name(self.folder.name.removesuffix(WORK_SUFFIX))

    @cached_property
    def crops(self) -> PreprocessConfig:
        """Parameters by which crops are cut out, as preprocess does."""
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
        """Name the file of a shard: `MEASURES` (n, M) float32 or the table of answers."""
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
        """Return the plan of all craters, as it was before the Sun was known."""
        return self._crop_plan(read_rows(self.folder / PLAN / CRATERS_FILE))

    def shard(self, stage: Stage, shard: int) -> tuple[CropPlan, list[Segment]]:
        """Return the part of the crop plan that a shard needs, and its units."""
        plan = self._crop_plan(read_rows(self._table(stage), *self.spans(stage)[shard]))
        return plan, cut_units(plan.segments, unit_crops(self.crops.crop_size_px))

    def check_whole(self) -> None:
        """Make sure that the tables of the plan and its copy of the model are what was planned.

        Raises:
            CropSetError: a file is missing or has another digest.
        """
        remedy = f"delete {self.folder} and start again."
        for name in SEALED_FILES:
            file = self.folder / PLAN / name
            if not file.is_file() or digest(file) != self.plan["sha256"].get(name):
                raise CropSetError(f"{file} is damaged; {remedy}")
        if changed := changed_files(self.model_folder):
            raise CropSetError(
                f"The copy of the model in the unfinished job, {self.model_folder}, is damaged "
                f"({', '.join(changed)} changed or missing); {remedy}"
            )

    def rejected(self) -> pd.DataFrame:
        """Return `crater_id`, `reason` of the craters that are left out by the plan."""
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


def plan_digest(plan: dict[str, Any]) -> str:
    """Compute the sha256 of a plan without its own entry ``digest``."""
    rest = {name: value for name, value in plan.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _check_entries(plan: dict[str, Any]) -> None:
    """Raises ValueError where an entry is missing or of another type."""
    for name, kind in _ENTRIES.items():
        if not isinstance(plan.get(name, _MISSING), kind):
            raise ValueError(f"{PLAN_FILE} has no usable {name!r}")
    for name, kind in _KEY_ENTRIES.items():
        if not isinstance(plan["key"].get(name, _MISSING), kind):
            raise ValueError(f"{PLAN_FILE} has no usable {name!r} in 'key'")


_MISSING = object()


def share_out(units: Sequence[Segment], shards: int) -> list[tuple[int, int]]:
    """Cut the rows of all units into shards of about equal size, each of whole units.

    Returns:
        First and last + 1 row of each shard; fewer than `shards` where there are fewer units.
    """
    stops = np.array([unit.stop for unit in units])
    wanted = stops[-1] * np.arange(1, shards + 1) / shards
    last = np.unique(np.searchsorted(stops, wanted - 0.5))
    return list(pairwise([0, *stops[last].tolist()]))
