"""Convert positions on a crop's plane, which is tangent to the Moon at the crater's centre."""

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.moon import MOON_RADIUS_KM


def half_side(diameter_km: npt.ArrayLike, context_diameters: float) -> Float64Array:
    """Compute half the width of a crop on the tangent plane, in radii of the Moon."""
    return context_diameters * np.sin(np.asarray(diameter_km, np.float64) / (2.0 * MOON_RADIUS_KM))


def plane_to_degrees(
    u: npt.ArrayLike, v: npt.ArrayLike, *, longitude_deg: npt.ArrayLike, latitude_deg: npt.ArrayLike
) -> tuple[Float64Array, Float64Array]:
    """Convert points of a tangent plane to longitude (within ±180 of the centre's) and latitude.

    Inverse orthographic projection, Snyder (1987) 20-14 and 20-15.

    Args:
        u: east of the centre, in radii of the Moon.
        v: north of the centre, in radii of the Moon; beyond the horizon points stay on it.
        longitude_deg: of the centre.
        latitude_deg: of the centre.
    """
    latitude = np.radians(np.asarray(latitude_deg, np.float64))
    u, v = np.asarray(u, np.float64), np.asarray(v, np.float64)
    w = np.sqrt(np.maximum(0.0, 1.0 - u * u - v * v))
    z = np.clip(v * np.cos(latitude) + w * np.sin(latitude), -1.0, 1.0)
    east = np.arctan2(u, w * np.cos(latitude) - v * np.sin(latitude))
    return np.asarray(longitude_deg, np.float64) + np.degrees(east), np.degrees(np.arcsin(z))
