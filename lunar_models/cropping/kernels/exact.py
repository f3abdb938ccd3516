"""Sample crops pixel by pixel: polar mosaics, rotated crops, crops near a pole, and basins.

Exact for every mosaic, and slow; `separable.py` explains when it is used.
"""

from typing import Any

import numpy as np

from lunar_models.compiled import compiled
from lunar_models.crops.resampling import cubic
from lunar_models.mosaic.projection import Projection
from lunar_models.mosaic.strips import NODATA, Strip


@compiled()
def sample_exact(
    strip: Strip,
    projection: Projection,
    longitude: float,
    latitude: float,
    half: float,
    column_px: float,
    rotation: float,
    image: Any,
    cover: Any,
) -> bool:
    """Sample a crop by mapping every pixel exactly, averaging a grid of samples if it is coarser.

    Arguments as in `separable.sample_crops` and its `Sites`, for one crater; in radians.
    Sets both `image` (times cover) and `cover`; True if no pixel lacks data.
    """
    size = image.shape[0]
    sine, cosine = np.sin(latitude), np.cos(latitude)
    shrink = 1.0 / 2**strip.level
    grain = _grain(projection, sine, 2.0 * half / size * shrink)
    fine = size * grain
    turn_sine, turn_cosine = np.sin(rotation), np.cos(rotation)
    complete = True
    for k in range(size):
        for i in range(size):
            total = weight = 0.0
            for n in range(grain * grain):
                up = half * (1.0 - (2 * (k * grain + n // grain) + 1) / fine)
                right = half * ((2 * (i * grain + n % grain) + 1) / fine - 1.0)
                u = right * turn_cosine - up * turn_sine
                v = right * turn_sine + up * turn_cosine
                w = 1.0 - u * u - v * v
                if w <= 0.0:
                    continue  # beyond the horizon
                w = np.sqrt(w)
                outward = w * cosine - v * sine  # from the axis, along the crater's meridian
                x, y = _place(projection, u, outward, v * cosine + w * sine, longitude, column_px)
                x, y = (x + 0.5) * shrink - 0.5, (y + 0.5) * shrink - 0.5
                value, valid = _cubic_sample(strip, x, y)
                total += value
                weight += valid
            image[k, i] = total / (grain * grain)
            cover[k, i] = weight / (grain * grain)
            complete = complete and cover[k, i] > 0.999
    return complete


@compiled()
def _grain(projection: Projection, sine: float, step: float) -> int:
    """Samples per crop pixel and axis, so that they lie at most one strip pixel apart."""
    scale = abs(projection.ky) * step
    if projection.pole:
        scale *= 2.0 / max(1e-3, 1.0 + projection.pole * sine)
        return max(1, int(np.ceil(scale - 1e-6)))
    return max(2, int(np.ceil(scale - 1e-6)))


@compiled()
def _place(
    projection: Projection,
    u: float,
    outward: float,
    z: float,
    longitude: float,
    column_px: float,
) -> Any:
    """Mosaic column and row of a point of the unit sphere.

    `outward` and `u` are its equatorial components along the crater's meridian, which lies at
    `longitude` and, in a cylindrical mosaic, at `column_px`, and east of it; `z` points north.
    """
    if projection.pole == 0:
        column = column_px + projection.kx * np.arctan2(u, outward)
        z = min(1.0, max(-1.0, z))
        m = np.arctanh(z) if projection.mercator else np.arcsin(z)
        return column, projection.y0 + projection.ky * m
    sine, cosine = np.sin(longitude - projection.lon0), np.cos(longitude - projection.lon0)
    factor = 2.0 / max(1e-12, 1.0 + projection.pole * z)
    p = factor * (outward * sine + u * cosine)
    q = -projection.pole * factor * (outward * cosine - u * sine)
    return projection.x0 + projection.kx * p, projection.y0 + projection.ky * q


@compiled()
def _cubic_sample(strip: Strip, x: float, y: float) -> Any:
    """Cubic value times cover, and cover, at a position in pixels of the strip's level."""
    if not (abs(x) < 1e9 and abs(y) < 1e9):
        return 0.0, 0.0
    column, row = int(np.floor(x)), int(np.floor(y))
    total = cover = 0.0
    across = (
        cubic(np.float32(column - 1 - x)),
        cubic(np.float32(column - x)),
        cubic(np.float32(column + 1 - x)),
        cubic(np.float32(column + 2 - x)),
    )
    top, left = row - 1 - strip.row0, column - 1 - strip.column0
    rows, columns = strip.pixels.shape
    inside = top >= 0 and left >= 0 and top + 4 <= rows and left + 4 <= columns
    if inside and not strip.has_nodata:  # by far most samples: no pixel needs a closer look
        for j in range(4):
            wy = cubic(np.float32(row - 1 + j - y))
            for i in range(4):
                w = wy * across[i]
                total += w * np.float32(strip.pixels[top + j, left + i])
                cover += w
        return total, cover
    for j in range(row - 1, row + 3):
        wy = cubic(np.float32(j - y))
        for i in range(column - 1, column + 3):
            value = _pixel(strip, j, i)
            if value >= 0:
                w = wy * across[i - column + 1]
                total += w * np.float32(value)  # as above: an int would make it a float64 product
                cover += w
    return total, cover


@compiled()
def _pixel(strip: Strip, row: int, column: int) -> int:
    """A pixel's value, or -1 without data; wraps around and, in global mosaics, over the poles."""
    if strip.turn_px > 0:
        if strip.over_top and row < 0:
            row, column = -1 - row, column + strip.turn_px // 2
        elif strip.over_bottom and row >= strip.height_px:
            row, column = 2 * strip.height_px - 1 - row, column + strip.turn_px // 2
        column = (column - strip.column0) % strip.turn_px + strip.column0
    row, column = row - strip.row0, column - strip.column0
    if not (0 <= row < strip.pixels.shape[0] and 0 <= column < strip.pixels.shape[1]):
        return -1
    value = int(strip.pixels[row, column])
    return -1 if strip.has_nodata and value == NODATA else value
