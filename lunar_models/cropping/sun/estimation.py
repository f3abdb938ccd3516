"""Estimate the Sun's azimuth from the crops, and tabulate what is known of the Sun."""

from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array, FloatArray
from lunar_models.cropping.sun.azimuth import vote_azimuth
from lunar_models.cropping.sun.confidence import SIDE, calibrate
from lunar_models.cropping.sun.geometry import (
    EAST_DEG,
    WEST_DEG,
    incidence_from_azimuth,
    orientation,
)
from lunar_models.cropping.sun.side import vote_sun_side
from lunar_models.cropping.sun.side_test import is_lit_from_the_side

LEAST_CONFIDENCE = 0.5
"""An azimuth or side is unknown if it is more likely wrong (by over 15 degrees) than not."""


def sun_table(
    azimuth_deg: FloatArray,
    *,
    std_deg: FloatArray | float,
    confidence: FloatArray | float,
    incidence_deg: FloatArray | float,
) -> pd.DataFrame:
    """Build the Sun's metadata: the last six of `column_names.SUN_COLUMNS`."""
    rotation, flipped = orientation(azimuth_deg)
    columns: dict[str, Any] = {
        "sun_azimuth_deg": azimuth_deg,
        "sun_azimuth_std_deg": std_deg,
        "illumination_confidence": confidence,
        "incidence_deg": incidence_deg,
        "rotation_deg": rotation,
    }
    ones = np.ones(len(rotation))
    table = {name: (ones * values).astype(np.float32) for name, values in columns.items()}
    return pd.DataFrame({**table, "flipped": flipped})


def find_sun(craters: pd.DataFrame, evidence: FloatArray, *, workers: int = 1) -> pd.DataFrame:
    """Estimate the Sun's azimuth from the crops alone.

    Where it stands in the east or west throughout, as in equatorial mosaics, a vote along the
    longitude tells the side. Elsewhere the azimuths are found.

    Args:
        craters: N rows with longitude_deg and latitude_deg.
        evidence: (N, 2) from `azimuth.azimuth_evidence`.
        workers: threads.

    Returns:
        N rows as from `sun_table`; the azimuth is NaN where it is unknown.
    """
    place = {name: craters[name].to_numpy() for name in ("longitude_deg", "latitude_deg")}
    east = vote_sun_side(**place, evidence=evidence[:, 0])
    if is_lit_from_the_side(**place, evidence=evidence, east=east):
        confidence = calibrate(np.maximum(east, 1.0 - east), SIDE)
        side = np.where(east < 0.5, WEST_DEG, EAST_DEG)
        return sun_table(
            np.where(confidence < LEAST_CONFIDENCE, np.nan, side),
            std_deg=_two_sided_std(east),
            confidence=np.maximum(confidence, 0.5),  # of two sides
            incidence_deg=np.nan,
        )
    belief = vote_azimuth(**place, evidence=evidence, workers=workers)
    azimuth = np.where(belief.confidence < LEAST_CONFIDENCE, np.nan, belief.azimuth_deg)
    return sun_table(
        azimuth,
        std_deg=belief.std_deg,
        confidence=belief.confidence,
        incidence_deg=incidence_from_azimuth(azimuth, belief.std_deg, place["latitude_deg"]),
    )


def _two_sided_std(east: Float64Array) -> Float64Array:
    """Circular standard deviation where the Sun stands in the east or the west."""
    length = np.clip(np.abs(2.0 * east - 1.0), 1e-9, 1.0)
    return np.asarray(np.degrees(np.sqrt(-2.0 * np.log(length))))
