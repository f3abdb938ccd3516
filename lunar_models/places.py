"""Which crater holds a place on the Moon."""

import numpy as np
import numpy.typing as npt

from lunar_models.projection import MOON_RADIUS_KM

Floats = npt.NDArray[np.float64]


def unit_vectors(*, longitude_deg: npt.ArrayLike, latitude_deg: npt.ArrayLike) -> Floats:
    """(N, 3) positions on the unit sphere, of (N,) degrees."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    horizontal = np.cos(latitude)
    return np.stack(
        (horizontal * np.cos(longitude), horizontal * np.sin(longitude), np.sin(latitude)), axis=1
    )


def crater_at(
    positions: Floats, diameters_km: Floats, place: Floats, diameter_km: float | None = None
) -> int | None:
    """Row of the crater that holds a place, the best centred one; None if there is none.

    Args:
        positions: (N, 3) unit vectors of the craters.
        diameters_km: (N,).
        place: (3,) unit vector.
        diameter_km: prefers craters of about this size.
    """
    chord = np.linalg.norm(positions - place, axis=1)
    away_km = 2.0 * MOON_RADIUS_KM * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0))
    misfit = away_km / (diameters_km / 2.0)
    inside = misfit <= 1.0
    if not inside.any():
        return None
    if diameter_km is not None:
        misfit = misfit + np.abs(np.log2(diameters_km / diameter_km))
    return int(np.where(inside, misfit, np.inf).argmin())
