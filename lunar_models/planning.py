"""Decide for every crater from which mosaic, strip and level its crop is sampled, and how.

All arithmetic is on whole columns of the catalogue; nothing here is done crater by crater.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.mosaic import Mosaic
from lunar_models.projection import MOON_RADIUS_KM
from lunar_models.strips import STRIP_ROWS
from lunar_models.warp import SEPARABLE_LIMIT

REDUCING_GAP = 2.0
"""A crop is sampled from the finest level with at most so many of its pixels per crop pixel."""

_MARGIN_PX = 3
_FAR_PX = 2.0**30
_CIRCLE = np.linspace(0.0, 2.0 * np.pi, 64, endpoint=False)
_GRID = tuple((u, v) for u in (-1.0, 0.0, 1.0) for v in (-1.0, 0.0, 1.0))

Floats = npt.NDArray[np.float64]


def half_side(diameter_km: npt.ArrayLike, context_diameters: float) -> Floats:
    """Half a crop side on the local plane, in radii of the Moon; see `warp.py`."""
    return context_diameters * np.sin(np.asarray(diameter_km, np.float64) / (2.0 * MOON_RADIUS_KM))


def plane_to_degrees(
    u: npt.ArrayLike, v: npt.ArrayLike, *, longitude_deg: npt.ArrayLike, latitude_deg: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Longitude (within ±180 of the centre's) and latitude of points of a local plane.

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


def place_crops(
    mosaic: Mosaic, catalogue: pd.DataFrame, *, context_diameters: float, crop_size_px: int
) -> pd.DataFrame:
    """Find every crater's window in one mosaic.

    Args:
        mosaic: where to look.
        catalogue: n rows with longitude_deg, latitude_deg, diameter_km.
        context_diameters: crop side / crater diameter.
        crop_size_px: S.

    Returns:
        n rows: half_side, native_px, level, separable, column_px (as in `warp.Sites`), top,
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
            "level": level.astype(np.int64),
            "column_px": column,
            "coverage": _coverage(mosaic, longitude, latitude, half, column, row),
            "reach_px": _kernel_reach(native, level, crop_size_px),
        }
    )
    place["separable"] = _separable(mosaic, place)
    for name, edge in zip(("top", "bottom", "left", "right"), _windows(mosaic, place), strict=True):
        place[name] = np.clip(edge, -_FAR_PX, _FAR_PX).astype(np.int32)
    place["top"] = place["top"].clip(0, mosaic.height - 1)
    place["bottom"] = place["bottom"].clip(0, mosaic.height - 1)
    return place.drop(columns="reach_px")


def _kernel_reach(native: Floats, level: Floats, crop_size_px: int) -> Floats:
    """How far the cubic kernel reaches beyond a crop, in mosaic pixels, rounded up."""
    unit = 2.0**level
    return (2.0 * np.maximum(1.0, native / unit / crop_size_px) + _MARGIN_PX) * unit


def _centre(mosaic: Mosaic, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    column, row = mosaic.projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    if not mosaic.projection.pole:
        column = (column + 0.5) % mosaic.projection.turn_px - 0.5
    return column, row


def _extreme_latitude(mosaic: Mosaic, place: pd.DataFrame) -> Floats:
    """Largest |latitude| in radians that sampling a crop touches; beyond pi/2 over a pole."""
    _, scale_y = mosaic.projection.scale_px(np.degrees(place["latitude"]))
    arc = np.arcsin(np.minimum(place["half_side"], 1.0)) + place["reach_px"] / scale_y
    return np.asarray(np.abs(place["latitude"]) + arc, np.float64)


def _separable(mosaic: Mosaic, place: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Cylindrical, and so far from the poles that the series of the separable way holds."""
    if mosaic.projection.pole:
        return np.zeros(len(place), np.bool_)
    extreme = _extreme_latitude(mosaic, place)
    half = place["half_side"].to_numpy()
    return (extreme < np.pi / 2.0) & (half <= SEPARABLE_LIMIT * np.cos(extreme))


def _coverage(
    mosaic: Mosaic, longitude: Floats, latitude: Floats, half: Floats, column: Floats, row: Floats
) -> Floats:
    """Part of 3 by 3 points of each crop that lie in the mosaic's frame; 0 without the centre."""
    inside = np.zeros(len(half))
    for u, v in _GRID:
        point = plane_to_degrees(
            0.95 * u * half, 0.95 * v * half, longitude_deg=longitude, latitude_deg=latitude
        )
        inside += _in_frame(mosaic, *_centre(mosaic, *point))
    return np.where(_in_frame(mosaic, column, row), inside / len(_GRID), 0.0)


def _in_frame(mosaic: Mosaic, column: Floats, row: Floats) -> npt.NDArray[np.bool_]:
    """Within half a pixel, so that rounding at an edge or a pole excludes nothing."""
    across = mosaic.wraps | ((column >= -1.0) & (column <= mosaic.width))
    return across & (row >= -1.0) & (row <= mosaic.height)


def _windows(mosaic: Mosaic, place: pd.DataFrame) -> list[Floats]:
    """First and last row, first and last column of what sampling touches, (n,) each."""
    windows = [np.empty(len(place)) for _ in range(4)]
    separable = place["separable"].to_numpy()
    for chosen, find in (
        (separable, _separable_windows),
        (~separable, _polar_windows if mosaic.projection.pole else _direct_windows),
    ):
        if chosen.any():
            for edge, found in zip(windows, find(mosaic, place[chosen]), strict=True):
                edge[chosen] = found
    return windows


def _separable_windows(mosaic: Mosaic, place: pd.DataFrame) -> tuple[Floats, ...]:
    half, reach = place["half_side"].to_numpy(), place["reach_px"].to_numpy()
    scale_x, scale_y = mosaic.projection.scale_px(np.degrees(place["latitude"]))
    corners = [_rows(mosaic, place, u * half, v * half) for u in (0.0, 1.0) for v in (-1.0, 1.0)]
    across = np.arcsin(half / np.cos(_extreme_latitude(mosaic, place)))
    width = abs(mosaic.projection.kx) * across + reach * scale_x / scale_y
    column = place["column_px"].to_numpy()
    return (
        np.floor(np.min(corners, axis=0) - reach),
        np.ceil(np.max(corners, axis=0) + reach),
        np.floor(column - width),
        np.ceil(column + width),
    )


def _rows(mosaic: Mosaic, place: pd.DataFrame, u: Floats, v: Floats) -> Floats:
    _, latitude = plane_to_degrees(
        u, v, longitude_deg=0.0, latitude_deg=np.degrees(place["latitude"])
    )
    return mosaic.projection.to_pixels(longitude_deg=0.0, latitude_deg=latitude)[1]


def _direct_windows(mosaic: Mosaic, place: pd.DataFrame) -> tuple[Floats, ...]:
    """Of the circle through the crops' corners, in a cylindrical mosaic."""
    reach, latitude = place["reach_px"].to_numpy(), place["latitude"].to_numpy()
    arc = np.arcsin(np.minimum(place["half_side"].to_numpy() * np.sqrt(2.0), 1.0))
    limit = np.pi / 2.0 - 1e-9
    north, south = np.minimum(latitude + arc, limit), np.maximum(latitude - arc, -limit)
    rows = [
        mosaic.projection.to_pixels(longitude_deg=0.0, latitude_deg=np.degrees(edge))[1]
        for edge in (north, south)
    ]
    _, scale_y = mosaic.projection.scale_px(np.degrees(latitude))
    near_pole = np.abs(latitude) + arc + reach / scale_y >= limit
    sine = np.sin(arc) / np.cos(np.where(near_pole, 0.0, latitude))
    across = np.where(near_pole, np.pi, np.arcsin(np.minimum(sine, 1.0)))
    width = abs(mosaic.projection.kx) * across + reach * np.where(near_pole, 0.0, 4.0)
    column = place["column_px"].to_numpy()
    whole = near_pole & mosaic.wraps  # such crops are read around the edge (`Strip.turn_px`)
    return (
        np.floor(np.minimum(*rows) - reach),
        np.ceil(np.maximum(*rows) + reach),
        np.where(whole, 0.0, np.floor(column - width)),
        np.where(whole, mosaic.width - 1.0, np.ceil(column + width)),
    )


def _polar_windows(mosaic: Mosaic, place: pd.DataFrame) -> tuple[Floats, ...]:
    """Of the circle through the crops' corners, which is a circle in this projection."""
    radius = np.minimum(place["half_side"].to_numpy() * np.sqrt(2.0), 1.0)
    degrees = {
        "longitude_deg": np.degrees(place["longitude"]).to_numpy()[:, None],
        "latitude_deg": np.degrees(place["latitude"]).to_numpy()[:, None],
    }
    u, v = radius[:, None] * np.cos(_CIRCLE), radius[:, None] * np.sin(_CIRCLE)
    longitude, latitude = plane_to_degrees(u, v, **degrees)
    x, y = mosaic.projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    # The circle bulges by this part of its radius between two of the points
    bulge = (1.0 - np.cos(np.pi / len(_CIRCLE))) * (x.max(axis=1) - x.min(axis=1))
    reach = place["reach_px"].to_numpy() + bulge
    return (
        np.floor(y.min(axis=1) - reach),
        np.ceil(y.max(axis=1) + reach),
        np.floor(x.min(axis=1) - reach),
        np.ceil(x.max(axis=1) + reach),
    )


def choose_mosaics(
    mosaics: Sequence[Mosaic],
    catalogue: pd.DataFrame,
    *,
    context_diameters: float,
    crop_size_px: int,
) -> pd.DataFrame:
    """Place every crater in the mosaic that covers it best.

    More of the crop inside the frame comes first, then the finer resolution (to a tenth), then
    the order in which the mosaics were given.

    Returns:
        n rows as from `place_crops` with mosaic (index) added.
    """
    best: pd.DataFrame | None = None
    for index, mosaic in enumerate(mosaics):
        place = place_crops(
            mosaic, catalogue, context_diameters=context_diameters, crop_size_px=crop_size_px
        )
        place["mosaic"] = index
        if best is None:
            best = place
            continue
        finer = place["native_px"] > 1.1 * best["native_px"]
        more = place["coverage"] > best["coverage"]
        better = more | ((place["coverage"] == best["coverage"]) & finer)
        best = place.where(better, best)
    if best is None:
        raise ValueError("choose_mosaics needs at least one mosaic")
    return best.astype({"level": np.int64, "separable": np.bool_, "mosaic": np.int64})


def strip_rows(level: "pd.Series[int]") -> int:
    """Rows of a strip: a whole number of pixels at every level in use."""
    return max(STRIP_ROWS, 1 << int(level.max()))
