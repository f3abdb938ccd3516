"""Compute azimuth and incidence of the Sun, and the rotation that puts it in the east.

A crop is turned by up to 90 degrees, so that the Sun comes to stand in the nearer of east and
west, and mirrored left-right if that is the west: the smaller change of the two ways. Turning
happens in the one sampling of the mosaic (`kernels/exact.py`), mirroring afterwards.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import Float64Array, FloatArray

EAST_DEG, WEST_DEG = 90.0, 270.0

LEAST_ROTATION_DEG = 5.0
"""Smaller rotations are skipped: they lie within the uncertainty of the azimuth."""

SUB_SOLAR_LATITUDE_DEG = 1.09
"""Standard deviation of the sub-solar latitude, a sine of 1.54 degrees' amplitude."""

LEAST_INCIDENCE_STD_DEG = 5.0
"""An incidence that is known less well is unknown."""


def orientation(
    azimuth_deg: npt.ArrayLike,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Compute the rotation and mirroring of crops that put the Sun in the east.

    Args:
        azimuth_deg: (N,) clockwise from north; NaN where unknown.

    Returns:
        rotation_deg: (N,) float32 in [-90, 90], clockwise; 0 below `LEAST_ROTATION_DEG` and
            where the azimuth is unknown.
        flipped: (N,) bool: mirrored left-right after the rotation.
    """
    azimuth = np.asarray(azimuth_deg, np.float64) % 360.0
    flipped = azimuth > 180.0
    rotation = np.where(flipped, WEST_DEG, EAST_DEG) - azimuth
    rotation[~(np.abs(rotation) >= LEAST_ROTATION_DEG)] = 0.0
    return rotation.astype(np.float32), flipped


def sun_from_sub_solar(
    craters: pd.DataFrame, *, longitude_deg: npt.ArrayLike, latitude_deg: npt.ArrayLike
) -> tuple[Float64Array, Float64Array]:
    """Compute azimuth and incidence, (N,) degrees each, from the sub-solar point.

    Spherical trigonometry; the Sun is so far away that its rays are parallel.

    Args:
        craters: N rows with longitude_deg and latitude_deg.
        longitude_deg: of the sub-solar point, one or (N,), east positive.
        latitude_deg: of the sub-solar point, one or (N,).
    """
    latitude = np.radians(craters["latitude_deg"].to_numpy(np.float64))
    away = np.radians(np.asarray(longitude_deg) - craters["longitude_deg"].to_numpy(np.float64))
    sun = np.radians(np.asarray(latitude_deg, np.float64))
    east = np.cos(sun) * np.sin(away)
    north = np.cos(latitude) * np.sin(sun) - np.sin(latitude) * np.cos(sun) * np.cos(away)
    up = np.sin(latitude) * np.sin(sun) + np.cos(latitude) * np.cos(sun) * np.cos(away)
    return np.degrees(np.arctan2(east, north)) % 360.0, np.degrees(np.arccos(np.clip(up, -1, 1)))


def incidence_from_azimuth(
    azimuth_deg: FloatArray, std_deg: FloatArray, latitude_deg: FloatArray
) -> Float64Array:
    """Estimate the incidence from azimuth and latitude, for a sub-solar point on the equator.

    With the sub-solar point on the equator, ``tan(incidence) = -tan(latitude) / cos(azimuth)``.
    Towards the equator, and with the Sun in the east or west, that says nothing.

    Args:
        azimuth_deg: (N,) NaN where unknown.
        std_deg: (N,) its uncertainty.
        latitude_deg: (N,).

    Returns:
        (N,) degrees; NaN where it is uncertain by more than `LEAST_INCIDENCE_STD_DEG`, where the
        azimuth is unknown, or where no Sun over the equator stands there.
    """
    azimuth, latitude = np.radians(azimuth_deg), np.radians(latitude_deg)
    incidence = np.arctan2(np.abs(np.tan(latitude)), -np.sign(latitude) * np.cos(azimuth))
    # How far the sub-solar point leaves the equator for a small change of incidence and azimuth
    by_incidence = np.abs(
        -np.sin(latitude) * np.sin(incidence)
        + np.cos(latitude) * np.cos(incidence) * np.cos(azimuth)
    )
    by_azimuth = np.abs(np.cos(latitude) * np.sin(incidence) * np.sin(azimuth))
    error = np.hypot(SUB_SOLAR_LATITUDE_DEG, by_azimuth * std_deg) / np.maximum(by_incidence, 1e-9)
    known = (error <= LEAST_INCIDENCE_STD_DEG) & (incidence > 0.0) & (incidence < np.pi / 2.0)
    return np.where(known, np.degrees(incidence), np.nan)
