"""Plan the crops before a mosaic is read: which craters, from which mosaic, in which order."""

import os
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from lunar_models.catalogue.table import filter_catalogue
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.inputs import filter_limits, read_craters
from lunar_models.cropping.lit_level import lit_level
from lunar_models.cropping.placement import choose_mosaics, place_crops, strip_rows
from lunar_models.cropping.quality import placement_faults
from lunar_models.cropping.storage.work_folder import Segment
from lunar_models.cropping.sun.given import given_incidence, given_sun, without_sun
from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import CatalogueError, MosaicError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic

_MOST_NEGATIVE = 0.25
"""Dark levels and noise may reach so far below zero, as a part of the brightest value."""


@dataclass(frozen=True)
class CropPlan:
    """The plan of all crops, made before the mosaics are read."""

    config: PreprocessConfig
    mosaics: tuple[Mosaic, ...]
    radiometry: Radiometry
    craters: pd.DataFrame
    """The catalogue's columns, those of `placement.choose_mosaics`, `position` (among all sampled
    crops) and, once the Sun is known, those of `estimation.sun_table`; in order of sampling."""
    catalogue: pd.DataFrame
    """All valid craters, also those without a crop."""
    rejected: pd.DataFrame
    strip_rows: int
    lit_level: float
    """Crop units of well lit ground, see `lit_level.py`."""
    first_segment: int = 0
    """Number of the first segment: those of a second sampling come after all of the first."""

    @cached_property
    def segments(self) -> list[Segment]:
        """One for every strip with craters: their positions among `craters`."""
        keys = self.craters[["mosaic", "strip"]].to_numpy()
        starts = np.flatnonzero(np.r_[True, (np.diff(keys, axis=0) != 0).any(axis=1)])
        stops = np.r_[starts[1:], len(keys)]
        return [
            Segment(self.first_segment + n, int(keys[a, 0]), int(keys[a, 1]), int(a), int(b))
            for n, (a, b) in enumerate(zip(starts, stops, strict=True))
        ]

    @property
    def workers(self) -> int:
        """Threads that sample."""
        return self.config.workers or os.cpu_count() or 1

    @property
    def knows_sun(self) -> bool:
        """Whether the Sun is given, so that it need not be found in the crops."""
        return "rotation_deg" in self.craters

    def with_sun(self, sun: pd.DataFrame) -> "CropPlan":
        """Return the same craters, with columns of `estimation.sun_table` that were found."""
        incidence = self.craters["given_incidence_deg"].astype(np.float32)
        sun = sun.assign(incidence_deg=incidence.fillna(sun["incidence_deg"]))
        return replace(self, craters=pd.concat([self.craters, sun], axis=1))

    def of_turned(self) -> "CropPlan | None":
        """Return a plan to sample the crops again that are turned; None if there are none."""
        chosen = self.craters[self.craters["rotation_deg"] != 0.0]
        if chosen.empty:
            return None
        placed = [
            place_crops(
                self.mosaics[int(str(index))],
                craters,
                context_diameters=self.config.context_diameters,
                crop_size_px=self.config.crop_size_px,
            )
            .drop(columns="coverage")
            .set_axis(craters.index)
            for index, craters in chosen.groupby("mosaic")
        ]
        place = pd.concat(placed).loc[chosen.index]
        craters = chosen.drop(columns=place.columns).join(place)
        craters = _in_sampling_order(craters, self.strip_rows)
        return replace(self, craters=craters, first_segment=len(self.segments))

    def turned_in_place(self) -> "CropPlan":
        """Return the same craters in the order of one sampling that turns crops for the Sun."""
        turned = self.of_turned()
        if turned is None:
            return self
        rest = self.craters[self.craters["rotation_deg"] == 0.0]
        both = pd.concat([rest, turned.craters], ignore_index=True)
        return replace(self, craters=_in_sampling_order(both, self.strip_rows))


def plan_crops(
    config: PreprocessConfig, mosaics: tuple[Mosaic, ...], *, radiometry: Radiometry | None = None
) -> CropPlan:
    """Read the catalogue, filter it and find every crater's place in the mosaics.

    Args:
        config: parameters.
        mosaics: open, in their order.
        radiometry: how brightness becomes uint8; None fits it on the mosaics.

    Raises:
        CatalogueError: the catalogue is unusable, or none of its craters can be cut out.
        MosaicError: a mosaic cannot be read.
    """
    catalogue, invalid = read_craters(config, mosaics)
    limits = filter_limits(config, pixels="x_px" in catalogue)
    chosen, filtered = filter_catalogue(catalogue, **limits, limit=config.limit, seed=config.seed)
    if chosen.empty:
        raise CatalogueError(_nothing_passes(config, filtered))
    sun, incidence = given_sun(config, chosen), given_incidence(config, chosen)
    chosen = without_sun(chosen).assign(given_incidence_deg=incidence)
    if sun is not None:
        chosen = pd.concat([chosen, sun], axis=1)
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
    craters = _in_sampling_order(craters, rows)
    craters["position"] = np.arange(len(craters))
    radiometry = radiometry or fit_radiometry(mosaics)
    _check_positive(config, radiometry)
    return CropPlan(
        config=config,
        mosaics=mosaics,
        radiometry=radiometry,
        craters=craters,
        catalogue=catalogue,
        rejected=pd.concat([invalid, filtered, unplaced], ignore_index=True),
        strip_rows=rows,
        lit_level=lit_level(
            mosaics, radiometry, craters, highpass_sigma_px=config.highpass_sigma_px
        ),
    )


def _in_sampling_order(craters: pd.DataFrame, strip_rows: int) -> pd.DataFrame:
    craters = craters.assign(strip=craters["bottom"] // strip_rows)
    order = ["mosaic", "strip", "level", "column_px", "crater_id"]
    return craters.sort_values(order).reset_index(drop=True)


def _check_positive(config: PreprocessConfig, radiometry: Radiometry) -> None:
    """Raise MosaicError where values that are not light would be divided by their mean."""
    if config.normalisation == "ratio" and radiometry.low < -_MOST_NEGATIVE * radiometry.high:
        raise MosaicError(
            f"The values of {', '.join(config.mosaic)} reach from {radiometry.low:g} to "
            f"{radiometry.high:g}; brightness is not negative, and normalisation=ratio divides by "
            "its mean. Heights are lit with shade=90,65; state the scale and offset of other "
            "values (gdal_edit.py -scale -offset) or choose normalisation=zscore."
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
