"""Define the Moon's radius and reference systems; compute positions and distances on its sphere."""

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array

MOON_RADIUS_KM = 1737.4
"""Radius of the IAU sphere (Archinal et al. 2018, doi 10.1007/s10569-017-9805-5)."""

MOON_RADIUS_M = 1000.0 * MOON_RADIUS_KM

LUNAR_GEOGRAPHIC = "IAU_2015:30100"
"""Reference system of longitude and latitude in degrees on the sphere of `MOON_RADIUS_KM`."""

LUNAR_EQUIRECTANGULAR = "IAU_2015:30110"
"""Reference system of equirectangular metres, central meridian and standard parallel 0."""


def unit_vectors(*, longitude_deg: npt.ArrayLike, latitude_deg: npt.ArrayLike) -> Float64Array:
    """Convert degrees (N,) to positions (N, 3) float64 on the unit sphere."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    horizontal = np.cos(latitude)
    return np.stack(
        (horizontal * np.cos(longitude), horizontal * np.sin(longitude), np.sin(latitude)), axis=1
    )


def chord_to_km(chord: npt.ArrayLike) -> Float64Array:
    """Convert chords of the unit sphere, in [0, 2], to great-circle distances in km."""
    half = np.clip(np.asarray(chord, np.float64) / 2.0, 0.0, 1.0)
    return np.asarray(2.0 * MOON_RADIUS_KM * np.arcsin(half), np.float64)


def crater_at(
    positions: Float64Array,
    diameters_km: Float64Array,
    place: Float64Array,
    diameter_km: float | None = None,
) -> int | None:
    """Find the crater that contains a position: the row of the best centred one, or None.

    Args:
        positions: (N, 3) unit vectors of the craters.
        diameters_km: (N,).
        place: (3,) unit vector.
        diameter_km: prefers craters of about this size.
    """
    away_km = chord_to_km(np.linalg.norm(positions - place, axis=1))
    misfit = away_km / (diameters_km / 2.0)
    inside = misfit <= 1.0
    if not inside.any():
        return None
    if diameter_km is not None:
        misfit = misfit + np.abs(np.log2(diameters_km / diameter_km))
    return int(np.where(inside, misfit, np.inf).argmin())
