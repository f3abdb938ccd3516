"""Read from a GeoTIFF how an image lies on the ground: north up, turned or stretched."""

from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from lunar_models.errors import CropImageError
from lunar_models.moon import MOON_RADIUS_M

_PIXEL_SCALE, _TIE_POINT, _TRANSFORMATION = 33550, 33922, 34264
_GEO_KEYS, _GEO_DOUBLES = 34735, 34736
_MODEL_TYPE, _METHOD, _PARALLEL = 1024, 3075, 3078
"""GeoKeys: kind of reference system, projection, its standard parallel."""
_GEOGRAPHIC, _EQUIRECTANGULAR = 2, 17
_TURN = 0.01
"""Columns or rows that run askew by more, per pixel, are turned."""
_STRETCH = 1.1


class GroundAxes(NamedTuple):
    """How the axes of an image lie on the ground."""

    flips: tuple[int, ...] = ()
    """0 where rows run from south to north, 1 where columns run from east to west."""
    stretch: float = 1.0
    """Width of a pixel on the ground / its height."""

    @property
    def stretched(self) -> bool:
        """Whether a round crater looks oval."""
        return not 1.0 / _STRETCH <= self.stretch <= _STRETCH


def ground_axes(image: Image.Image) -> GroundAxes:
    """Read how the axes of a GeoTIFF lie on the ground; north up where there is no georeference.

    Without a reference system, coordinates may be those of pixels, which count downward.

    Args:
        image: open.

    Raises:
        CropImageError: ``rotated``, the axes are turned or askew.
    """
    tags = getattr(image, "tag_v2", {})
    keys = _geo_keys(tags)
    matrix = _matrix(tags)
    if not keys.get(_MODEL_TYPE) or matrix is None:
        return GroundAxes()
    (across, skew_x), (skew_y, down) = matrix[:, :2]
    if max(abs(skew_x), abs(skew_y)) > _TURN * min(abs(across), abs(down)):
        raise CropImageError(
            "rotated",
            "The GeoTIFF is turned or askew by its georeference; bring it north up with gdalwarp, "
            "or leave the georeference out: then azimuths count from the image's top.",
        )
    flips = tuple(axis for axis, wrong in ((0, down > 0.0), (1, across < 0.0)) if wrong)
    if not across or not down:
        return GroundAxes()
    middle = float(matrix[1] @ (image.width / 2.0, image.height / 2.0, 1.0))
    return GroundAxes(flips, abs(across / down) * _parallel_length(keys, middle))


def _geo_keys(tags: Any) -> dict[int, float]:
    """GeoKeys with a number."""
    entries = tuple(tags.get(_GEO_KEYS, ()))
    doubles = tuple(tags.get(_GEO_DOUBLES, ()))
    keys: dict[int, float] = {}
    for n in range(4, len(entries) - 3, 4):
        key, place, _, value = entries[n : n + 4]
        if place == 0:
            keys[key] = value
        elif place == _GEO_DOUBLES and value < len(doubles):
            keys[key] = doubles[value]
    return keys


def _matrix(tags: Any) -> Any:
    """(2, 3): column and row, from the upper left corner, to map coordinates; None if unsaid."""
    matrix = tags.get(_TRANSFORMATION, ())
    if len(matrix) == 16:
        return np.array(matrix, np.float64).reshape(4, 4)[:2, [0, 1, 3]]
    scale, tie = tags.get(_PIXEL_SCALE, ()), tags.get(_TIE_POINT, ())
    if len(scale) < 2:
        return None
    x, y = (tie[3] - tie[0] * scale[0], tie[4] + tie[1] * scale[1]) if len(tie) >= 6 else (0.0, 0.0)
    return np.array([[scale[0], 0.0, x], [0.0, -scale[1], y]], np.float64)


def _parallel_length(keys: dict[int, float], northing: float) -> float:
    """Ground along the parallel per ground along the meridian, for a step of one map unit each."""
    if keys[_MODEL_TYPE] == _GEOGRAPHIC:
        latitude, true = np.radians(northing), 0.0
    elif keys.get(_METHOD) == _EQUIRECTANGULAR:
        latitude, true = northing / MOON_RADIUS_M, np.radians(keys.get(_PARALLEL, 0.0))
    else:
        return 1.0
    return float(np.cos(latitude) / np.cos(true)) if abs(latitude) < np.pi / 2.0 else 1.0
