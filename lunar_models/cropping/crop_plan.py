"""What is known before a mosaic is read: which craters are cut out, from where, in which order."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from lunar_models.catalogue.table import filter_catalogue, read_catalogue
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.placement import choose_mosaics, strip_rows
from lunar_models.cropping.quality import placement_faults
from lunar_models.cropping.storage.work_folder import Segment
from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import CatalogueError
from lunar_models.mosaic.raster import Mosaic, fit_radiometry


@dataclass(frozen=True)
class CropPlan:
    """Everything known before the mosaics are read."""

    config: PreprocessConfig
    mosaics: tuple[Mosaic, ...]
    radiometry: Radiometry
    craters: pd.DataFrame
    """The catalogue's columns and those of `planning.choose_mosaics`, in the crops' order."""
    catalogue: pd.DataFrame
    """All valid craters, also those without a crop."""
    rejected: pd.DataFrame
    strip_rows: int

    @cached_property
    def segments(self) -> list[Segment]:
        """One for every strip with craters: their positions among `craters`."""
        keys = self.craters[["mosaic", "strip"]].to_numpy()
        starts = np.flatnonzero(np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)])
        stops = np.r_[starts[1:], len(keys)]
        return [
            Segment(n, int(keys[a, 0]), int(keys[a, 1]), int(a), int(b))
            for n, (a, b) in enumerate(zip(starts, stops, strict=True))
        ]


def plan_crops(config: PreprocessConfig, mosaics: tuple[Mosaic, ...]) -> CropPlan:
    """Read the catalogue, filter it and find every crater's place in the mosaics."""
    catalogue, invalid = read_catalogue(config.catalogue, columns=config.column_names)
    chosen, filtered = filter_catalogue(
        catalogue,
        diameter_min_km=config.diameter_min_km,
        diameter_max_km=config.diameter_max_km,
        latitude_min_deg=config.latitude_min_deg,
        latitude_max_deg=config.latitude_max_deg,
        longitude_min_deg=config.longitude_min_deg,
        longitude_max_deg=config.longitude_max_deg,
        limit=config.limit,
        seed=config.seed,
    )
    if chosen.empty:
        raise CatalogueError(_nothing_passes(config, filtered))
    place = choose_mosaics(
        mosaics,
        chosen,
        context_diameters=config.context_diameters,
        crop_size_px=config.crop_size_px,
    )
    reason = placement_faults(place, config)
    unplaced = pd.DataFrame({"crater_id": chosen["crater_id"], "reason": reason})[reason != ""]
    craters = pd.concat([chosen, place], axis=1)[reason == ""].drop(columns="coverage")
    if craters.empty:
        raise CatalogueError(_nothing_placed(config, len(chosen), reason))
    rows = strip_rows(craters["level"])
    craters = craters.assign(strip=craters["bottom"] // rows)
    craters = craters.sort_values(["mosaic", "strip", "level", "column_px", "crater_id"])
    return CropPlan(
        config=config,
        mosaics=mosaics,
        radiometry=fit_radiometry(mosaics),
        craters=craters.reset_index(drop=True),
        catalogue=catalogue,
        rejected=pd.concat([invalid, filtered, unplaced], ignore_index=True),
        strip_rows=rows,
    )


def _nothing_passes(config: PreprocessConfig, filtered: pd.DataFrame) -> str:
    return (
        f"No crater of {config.catalogue} passes the limits: {filtered['reason'].iloc[0]}. "
        "Widen the diameter, latitude and longitude limits."
    )


def _nothing_placed(config: PreprocessConfig, count: int, reason: "pd.Series[str]") -> str:
    reasons = reason.value_counts()
    return (
        f"None of the {count} craters of {config.catalogue} can be cut out of "
        f"{', '.join(config.mosaic)}: {reasons.index[0]} ({reasons.iloc[0]} craters). Check that "
        "the mosaic shows the catalogue's region and has the right reference system."
    )
