"""Check that a mosaic lies on the Moon as a map does: degrees are easily taken for metres."""

from typing import Any

import numpy as np

from lunar_models.errors import MosaicError
from lunar_models.moon import LUNAR_EQUIRECTANGULAR, LUNAR_GEOGRAPHIC
from lunar_models.mosaic.projection import Projection

_BEYOND_POLE_DEG = 1.0
_DEGREES = (360.0, 90.0)
_LEAST_METRES = 1e5
"""Units of a map in metres or feet to a radian are more than this; of degrees they are 57."""


def check_extent(data: Any, projection: Projection, name: str) -> None:
    """Make sure that a cylindrical map ends near the poles, and is no map in degrees of metres.

    Args:
        data: an open rasterio dataset.
        projection: of it.
        name: how error messages call it.

    Raises:
        MosaicError: its units and its reference system contradict each other.
    """
    if projection.pole:
        return
    _check_radians(data, projection, name)
    edges = np.array([-0.5, data.height - 0.5])
    northing = np.degrees((edges - projection.y0) / projection.ky)
    if not projection.mercator and np.abs(northing).max() > 90.0 + _BEYOND_POLE_DEG:
        raise MosaicError(
            f"{name} would reach from latitude {northing.min():g} to {northing.max():g} deg by its "
            "reference system. If its coordinates are metres, say so: "
            f"crs={LUNAR_EQUIRECTANGULAR}; else mend its geotransform with gdal_edit.py -a_ullr."
        )
    per_radian = abs(projection.ky * data.transform.e)
    largest = np.abs(np.array([data.bounds[:2], data.bounds[2:]])).max(axis=0)
    if per_radian > _LEAST_METRES and (largest <= _DEGREES).all():
        raise MosaicError(
            f"{name} would lie within {largest.max():g} m of longitude 0, latitude 0 by its "
            f"reference system; its coordinates look like degrees. Say so: crs={LUNAR_GEOGRAPHIC}."
        )


def _check_radians(data: Any, projection: Projection, name: str) -> None:
    """Raise MosaicError for the whole Moon in radians under a reference system in degrees."""
    per_radian = abs(projection.ky * data.transform.e)
    left, bottom, right, top = data.bounds
    pixel = abs(data.transform.e)
    whole = np.allclose(
        (right - left, top - bottom), (2.0 * np.pi, np.pi), atol=2.0 * pixel, rtol=0
    )
    if whole and np.isclose(per_radian, np.degrees(1.0)):
        raise MosaicError(
            f"{name} spans {right - left:.4f} by {top - bottom:.4f}, which is the whole Moon in "
            "radians, but its reference system counts degrees. Mend its geotransform: gdal_edit.py "
            f"-a_ullr {np.degrees(left):g} {np.degrees(top):g} {np.degrees(right):g} "
            f"{np.degrees(bottom):g}."
        )
