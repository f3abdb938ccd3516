"""Choose for every crater the mosaic, strip, level and method from which its crop is sampled.

All arithmetic is on whole columns of the catalogue; nothing here is done crater by crater.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.cropping.windows import find_windows, is_separable
from lunar_models.mosaic.raster import Mosaic
from lunar_models.mosaic.strips import STRIP_ROWS
from lunar_models.tangent_plane import half_side, plane_to_degrees

REDUCING_GAP = 2.0
"""A crop is sampled from the finest level with at most so many of its pixels per crop pixel."""

_MARGIN_PX = 3
_FAR_PX = 2.0**30
_GRID = tuple((u, v) for u in (-1.0, 0.0, 1.0) for v in (-1.0, 0.0, 1.0))


def place_crops(
    mosaic: Mosaic, catalogue: pd.DataFrame, *, context_diameters: float, crop_size_px: int
) -> pd.DataFrame:
    """Find every crater's window in one mosaic.

    Args:
        mosaic: where to look.
        catalogue: n rows with longitude_deg, latitude_deg, diameter_km, and rotation_deg if crops
            are turned.
        context_diameters: crop side / crater diameter.
        crop_size_px: S.

    Returns:
        n rows: half_side, native_px, level, separable, column_px (as in `separable.Sites`), top,
        bottom, left, right (window in mosaic pixels, inclusive, within the mosaic's rows), and
        coverage, the part of the crop inside the mosaic's frame, 0 where the centre is not.
    """
    longitude = catalogue["longitude_deg"].to_numpy()
    latitude = catalogue["latitude_deg"].to_numpy()
    half = half_side(catalogue["diameter_km"].to_numpy(), context_diameters)
    scale_x, scale_y = mosaic.projection.scale_px(latitude)
    native = 2.0 * half * np.minimum(scale_x, scale_y)
    level = np.ceil(np.log2(np.maximum(native / (REDUCING_GAP * crop_size_px), 1.0)))
    column, row = _centre(mosaic, longitude, latitude)
    place = pd.DataFrame(
        {
            "longitude": np.radians(longitude),
            "latitude": np.radians(latitude),
            "half_side": half,
            "native_px": native,
            "level": level.astype(np.int8),
            "column_px": column,
            "coverage": _coverage(mosaic, longitude, latitude, half, column, row),
            "reach_px": _kernel_reach(native, level, crop_size_px),
        }
    )
    place["separable"] = is_separable(mosaic, place)
    if "rotation_deg" in catalogue:
        place["separable"] &= catalogue["rotation_deg"].to_numpy() == 0.0
    edges = find_windows(mosaic, place)
    for name, edge in zip(("top", "bottom", "left", "right"), edges, strict=True):
        place[name] = np.clip(edge, -_FAR_PX, _FAR_PX).astype(np.int32)
    place["top"] = place["top"].clip(0, mosaic.height - 1)
    place["bottom"] = place["bottom"].clip(0, mosaic.height - 1)
    return place.drop(columns=["longitude", "latitude", "reach_px"])


def _kernel_reach(native: Float64Array, level: Float64Array, crop_size_px: int) -> Float64Array:
    """How far the cubic kernel reaches beyond a crop, in mosaic pixels, rounded up."""
    unit = 2.0**level
    return (2.0 * np.maximum(1.0, native / unit / crop_size_px) + _MARGIN_PX) * unit


def _centre(
    mosaic: Mosaic, longitude: Float64Array, latitude: Float64Array
) -> tuple[Float64Array, Float64Array]:
    column, row = mosaic.projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    if not mosaic.projection.pole:
        column = (column + 0.5) % mosaic.projection.turn_px - 0.5
    return column, row


def _coverage(
    mosaic: Mosaic,
    longitude: Float64Array,
    latitude: Float64Array,
    half: Float64Array,
    column: Float64Array,
    row: Float64Array,
) -> Float64Array:
    """Part of 3 by 3 points of each crop that lie in the mosaic's frame; 0 without the centre."""
    inside = _grid_share(mosaic, longitude, latitude, half, _in_frame)
    return np.where(_in_frame(mosaic, column, row), inside, 0.0)


def _grid_share(
    mosaic: Mosaic,
    longitude: Float64Array,
    latitude: Float64Array,
    half: Float64Array,
    holds: Callable[[Mosaic, Float64Array, Float64Array], npt.NDArray[np.bool_]],
) -> Float64Array:
    """Part of 3 by 3 points of each crop for whose pixel positions something holds."""
    count = np.zeros(len(half))
    for u, v in _GRID:
        point = plane_to_degrees(
            0.95 * u * half, 0.95 * v * half, longitude_deg=longitude, latitude_deg=latitude
        )
        count += holds(mosaic, *_centre(mosaic, *point))
    return count / len(_GRID)


def _has_data(mosaic: Mosaic, column: Float64Array, row: Float64Array) -> npt.NDArray[np.bool_]:
    """Within the frame and, as far as a coarse look at the mosaic tells, with data."""
    valid = mosaic.overview_valid
    j, i = (
        np.clip((position + 0.5) / length * count, 0, count - 1).astype(np.int64)
        for position, length, count in (
            (row, mosaic.height, valid.shape[0]),
            (column, mosaic.width, valid.shape[1]),
        )
    )
    shown: npt.NDArray[np.bool_] = _in_frame(mosaic, column, row) & valid[j, i]
    return shown


def _in_frame(mosaic: Mosaic, column: Float64Array, row: Float64Array) -> npt.NDArray[np.bool_]:
    """Within half a pixel, so that rounding at an edge or a pole excludes nothing."""
    across = mosaic.wraps | ((column >= -1.0) & (column <= mosaic.width))
    return across & (row >= -1.0) & (row <= mosaic.height)


def choose_mosaics(
    mosaics: Sequence[Mosaic],
    catalogue: pd.DataFrame,
    *,
    context_diameters: float,
    crop_size_px: int,
) -> pd.DataFrame:
    """Assign every crater to the mosaic that covers it best.

    More of the crop with data comes first, then the finer resolution (by a tenth at least), then
    the order in which the mosaics were given.

    Returns:
        n rows as from `place_crops` with mosaic (index) added.

    Raises:
        MosaicError: a mosaic cannot be read.
    """
    best = pd.DataFrame()
    for index, mosaic in enumerate(mosaics):
        place = place_crops(
            mosaic, catalogue, context_diameters=context_diameters, crop_size_px=crop_size_px
        ).assign(mosaic=index)
        if len(mosaics) > 1:
            place["shown"] = _shown(mosaic, catalogue, place)
        best = place.where(_is_better(place, best), best) if index else place
    best = best.drop(columns="shown", errors="ignore")
    return best.astype({"level": np.int8, "separable": np.bool_, "mosaic": np.int32})


def _shown(mosaic: Mosaic, catalogue: pd.DataFrame, place: pd.DataFrame) -> Float64Array:
    """Part of each crop that the mosaic shows; 0 where its centre lies outside."""
    longitude, latitude = (
        catalogue[f"{name}_deg"].to_numpy() for name in ("longitude", "latitude")
    )
    share = _grid_share(mosaic, longitude, latitude, place["half_side"].to_numpy(), _has_data)
    return np.where(place["coverage"] > 0.0, share, 0.0)


def _is_better(place: pd.DataFrame, best: pd.DataFrame) -> "pd.Series[bool]":
    finer = place["native_px"] > 1.1 * best["native_px"]
    more = place["shown"] > best["shown"]
    return more | ((place["shown"] == best["shown"]) & finer)


def strip_rows(level: "pd.Series[int]") -> int:
    """Compute the rows of a strip: a whole number of pixels at every level in use."""
    return max(STRIP_ROWS, 1 << int(level.max()))
