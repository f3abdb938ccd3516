"""Sample crops from a strip of mosaic in memory.

Each crop is sampled once on the plane that touches the Moon at the crater's centre, in the
orthographic projection (Snyder 1987, USGS Professional Paper 1395, chapter 20), so a circular
crater is a circle at any latitude. The plane is scaled so that the rim, an arc of half a
diameter from the centre, always falls 1 / context_diameters of the way to the crop's edge.

Two methods, chosen per crater by the plan (`windows.is_separable`):

- separable: cylindrical mosaics, away from the poles. Along a row of the mosaic the latitude is
  constant, so the longitude of plane coordinate u is ``asin(u / cos(latitude))``: first every
  mosaic row is resampled to the crop's columns, then every crop column along the rows. Two
  one-dimensional passes give the exact two-dimensional mapping.
- exact: polar mosaics, rotated crops, crops near a pole and basins; every crop pixel is mapped by
  itself.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled
from lunar_models.cropping.kernels.exact import sample_exact
from lunar_models.cropping.kernels.measures import Brightness, fill_gaps, finish_crop
from lunar_models.cropping.kernels.windows import load_window
from lunar_models.crops.resampling import (
    MOVE_PX,
    blend_columns,
    blend_rows_curved,
    blend_rows_level,
    row_weights,
    tap_count,
)
from lunar_models.mosaic.projection import Projection
from lunar_models.mosaic.strips import NODATA, Strip

SEPARABLE_LIMIT = 0.25
"""Largest u / cos(latitude) of the separable way: its series for asin is exact to 1e-8 there."""


class Sites(NamedTuple):
    """Where to sample: n craters, all arrays (n,)."""

    longitude: npt.NDArray[np.float64]
    """Radians."""
    latitude: npt.NDArray[np.float64]
    """Radians."""
    half_side: npt.NDArray[np.float64]
    """Half a crop side on the plane, in radii of the Moon."""
    column_px: npt.NDArray[np.float64]
    """Column of the centre in mosaic pixels, on the side of the seam that is in memory."""
    separable: npt.NDArray[np.bool_]
    """Only where `rotation` is 0."""
    rotation: npt.NDArray[np.float64]
    """Radians by which the ground is turned in the crop, clockwise; 0 leaves north up."""


@compiled()
def sample_crops(
    strip: Strip,
    projection: Projection,
    sites: Sites,
    patterns: Any,
    brightness: Brightness,
    crops: Any,
    measures: Any,
) -> None:
    """Sample the crops of all sites and measure them.

    Args:
        strip: holds every pixel the sites need; what lies outside counts as without data.
        projection: of the mosaic.
        sites: n craters.
        patterns: (2, S, S) float32, `side.sun_patterns`.
        brightness: what black and lit ground are.
        crops: (n, S, S) uint8, set to the crops: before rotation row 0 is north, column 0 west;
            pixels without data hold the mean of the others.
        measures: (n, M) float32, set to `measures.MEASURES`.
    """
    size = crops.shape[1]
    image = np.empty((size, size), np.float32)
    cover = np.empty((size, size), np.float32)
    for i in range(crops.shape[0]):
        if sites.separable[i]:
            complete = _sample_separable(strip, projection, sites, i, image, cover)
        else:
            complete = sample_exact(
                strip,
                projection,
                sites.longitude[i],
                sites.latitude[i],
                sites.half_side[i],
                sites.column_px[i],
                sites.rotation[i],
                image,
                cover,
            )
        valid = image.size if complete else fill_gaps(image, cover)
        finish_crop(image, valid, patterns, brightness, crops[i], measures[i])


@compiled()
def _sample_separable(
    strip: Strip, projection: Projection, sites: Sites, site: int, image: Any, cover: Any
) -> bool:
    """Resample the rows, then the columns; True if no pixel lacks data (then no cover)."""
    size = image.shape[0]
    shrink = 1.0 / 2**strip.level
    half, latitude = sites.half_side[site], sites.latitude[site]
    heights = _heights(projection, latitude, half, size, shrink)
    mercator = 1.0 / np.cos(latitude) if projection.mercator else 1.0
    step = 2.0 * half / size * shrink
    stretch_y = max(1.0, abs(projection.ky) * step * mercator)
    stretch_x = max(1.0, abs(projection.kx) * step / np.cos(latitude))

    top = int(np.floor(heights.min() - 2.0 * stretch_y))
    bottom = int(np.ceil(heights.max() + 2.0 * stretch_y))
    narrowing = _narrowing(projection, top, bottom, shrink)
    centre = (sites.column_px[site] + 0.5) * shrink - 0.5
    scale = projection.kx * shrink
    reach = abs(scale) * np.arcsin(half / narrowing.min()) + 2.0 * stretch_x
    left = int(np.floor(centre - reach))
    pool = int(stretch_x)  # towards the poles mosaics are wider than the ground: average first
    columns = int(np.ceil((centre + reach - left) / pool)) + 1
    tile = np.empty((bottom - top + 1, columns), np.float32)
    complete = load_window(strip, top, left, pool, tile)

    across = _Across(
        np.float32((centre - left + 0.5) / pool - 0.5),
        np.float32(scale / pool),
        half,
        np.float32(stretch_x / pool),
        np.float32(MOVE_PX / np.cos(latitude) / pool),
    )
    heights -= top
    _two_passes(tile, narrowing, across, heights, np.float32(stretch_y), image)
    if not complete:
        valid = (tile > np.float32(NODATA)).astype(np.float32)
        _two_passes(valid, narrowing, across, heights, np.float32(stretch_y), cover)
    return complete


class _Across(NamedTuple):
    """How crop columns lie in the rows of a tile."""

    centre: np.float32
    """Column of the crater's centre in the tile."""
    scale: np.float32
    """Columns per radian of longitude."""
    half_side: float
    stretch: np.float32
    tolerance: np.float32
    """Weights are kept while the outermost position moves by less than this many columns."""


NODES = np.cos((np.arange(6) + 0.5) * np.pi / 6.0)
"""Chebyshev nodes at which heights are computed; between them runs a polynomial."""

FIT = np.linalg.inv(np.vander(NODES))
"""From values at the nodes to the polynomial's coefficients, highest power first."""


@compiled()
def _heights(projection: Projection, latitude: float, half: float, size: int, shrink: float) -> Any:
    """(S, 3) float64: where crop row k crosses the mosaic's rows, at u² = 0, half²/2, half².

    Exact at the nodes; in between the error is below 1e-5 of the crop, since the mapping is
    smooth to four times the crop's half side (`SEPARABLE_LIMIT`).
    """
    heights = np.empty((size, 3))
    sine, cosine = np.sin(latitude), np.cos(latitude)
    for column in range(3):
        powers = np.zeros(FIT.shape[0])
        for n in range(NODES.size):
            v = half * NODES[n]
            z = v * cosine + np.sqrt(1.0 - v * v - 0.5 * column * half * half) * sine
            m = np.arctanh(z) if projection.mercator else np.arcsin(z)
            powers += FIT[:, n] * ((projection.y0 + projection.ky * m + 0.5) * shrink - 0.5)
        for k in range(size):
            height = 0.0
            for power in powers:
                height = height * (1.0 - (2 * k + 1) / size) + power
            heights[k, column] = height
    return heights


@compiled()
def _narrowing(projection: Projection, top: int, bottom: int, shrink: float) -> Any:
    """Cosine of the latitude of each tile row, float64."""
    result = np.empty(bottom - top + 1)
    for j in range(result.size):
        row = (top + j + 0.5) / shrink - 0.5
        m = (row - projection.y0) / projection.ky
        result[j] = 1.0 / np.cosh(m) if projection.mercator else np.cos(m)
    return result


@compiled(fast=True)
def _two_passes(
    tile: Any, narrowing: Any, across: _Across, heights: Any, stretch_y: Any, image: Any
) -> None:
    """Resample `tile` to `image`, both float32; see the head of this module."""
    size = image.shape[0]
    taps = tap_count(across.stretch)
    x, first = np.empty(size, np.float32), np.empty(size, np.int32)
    weights = np.empty((taps, size), np.float32)
    rows = np.empty((tile.shape[0], size), np.float32)
    outermost = np.float32(-1e9)
    edge = np.float32(1.0) - np.float32(1.0) / np.float32(size)  # of the outermost crop column
    for j in range(tile.shape[0]):
        ratio = np.float32(across.half_side / narrowing[j])
        reach = across.scale * _arcsine(ratio * edge)
        if abs(reach - outermost) > across.tolerance:
            for i in range(size):
                s = ratio * (np.float32(2 * i + 1 - size) / np.float32(size))
                x[i] = across.centre + across.scale * _arcsine(s)
            row_weights(x, across.stretch, first, weights)
            outermost = reach
        blend_columns(tile[j], first, weights, rows[j])

    taps = tap_count(stretch_y)
    weights = np.empty((taps, size), np.float32)
    for k in range(size):
        middle, half_way, edge = heights[k]
        if abs(edge - middle) < 2.0 * MOVE_PX:  # half of it off at most
            blend_rows_level(rows, np.float32(half_way), stretch_y, taps, image[k])
            continue
        bend = np.float32(2.0 * (middle - 2.0 * half_way + edge))
        slope = np.float32(edge - middle) - bend
        for i in range(size):
            u = np.float32(2 * i + 1 - size) / np.float32(size)
            t = u * u
            x[i] = np.float32(middle) + t * (slope + bend * t)
        row_weights(x, stretch_y, first, weights)
        blend_rows_curved(rows, first, weights, image[k])


@compiled(fast=True, inline=True)
def _arcsine(s: Any) -> Any:
    """Series of asin, float32, for |s| up to `SEPARABLE_LIMIT`."""
    q = s * s
    series = np.float32(15 / 336) + q * np.float32(105 / 3456)
    series = np.float32(3 / 40) + q * series
    return s * (np.float32(1.0) + q * (np.float32(1 / 6) + q * series))
