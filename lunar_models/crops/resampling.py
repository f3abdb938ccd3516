"""Resample images with a separable cubic kernel, the same for crops and served images.

The kernel is Keys' cubic convolution with a = -1/2 (1981, doi 10.1109/TASSP.1981.1163711). Where
the result is coarser than the source, the kernel is stretched by that ratio, as Pillow does, so
that it also removes what the result cannot hold (antialiasing).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled

MOVE_PX = np.float32(0.01)
"""Sampling positions that moved by less than this, in source pixels, keep their weights."""


@compiled(fast=True, inline=True)
def cubic(distance: Any) -> Any:
    """Compute the weight of a source pixel at a distance in (stretched) pixels, float32."""
    x = abs(distance)
    near = (np.float32(1.5) * x - np.float32(2.5)) * x * x + np.float32(1.0)
    far = ((np.float32(2.5) - np.float32(0.5) * x) * x - np.float32(4.0)) * x + np.float32(2.0)
    return near if x < np.float32(1.0) else (far if x < np.float32(2.0) else np.float32(0.0))


@compiled()
def tap_count(stretch: Any) -> int:
    """Return the number of source pixels per result pixel; `stretch` is at least 1."""
    return int(np.ceil(4.0 * stretch - 1e-6))


@compiled(fast=True)
def row_weights(x: Any, stretch: Any, first: Any, weights: Any) -> None:
    """Fill the weights of all pixels of a row.

    Args:
        x: (S,) float32 positions in the source row.
        stretch: float32, at least 1.
        first: (S,) int32, set to the first source pixel of each result pixel.
        weights: (taps, S) float32, set to the weights, which sum to 1 over the taps.
    """
    taps, size = weights.shape
    reach, inverse = np.float32(2.0) * stretch, np.float32(1.0) / stretch
    distance = np.empty(size, np.float32)
    total = np.zeros(size, np.float32)
    for i in range(size):
        start = np.floor(x[i] - reach) + np.float32(1.0)
        first[i] = np.int32(start)
        distance[i] = (start - x[i]) * inverse
    for t in range(taps):
        row, step = weights[t], np.float32(t) * inverse
        for i in range(size):
            w = cubic(distance[i] + step)
            row[i] = w
            total[i] += w
    for i in range(size):
        total[i] = np.float32(1.0) / total[i]
    for t in range(taps):
        row = weights[t]
        for i in range(size):
            row[i] *= total[i]


@compiled(fast=True)
def blend_columns(source: Any, first: Any, weights: Any, result: Any) -> None:
    """Resample one row: `source` (W,) float32 to `result` (S,) float32."""
    if weights.shape[0] == 4:  # enlarging, the common case, without a loop over taps
        for i in range(result.size):
            a = first[i]
            result[i] = (
                weights[0, i] * source[a]
                + weights[1, i] * source[a + 1]
                + weights[2, i] * source[a + 2]
                + weights[3, i] * source[a + 3]
            )
        return
    result[:] = np.float32(0.0)
    for t in range(weights.shape[0]):
        for i in range(result.size):
            result[i] += weights[t, i] * source[first[i] + t]


@compiled(fast=True)
def blend_rows_level(rows: Any, y: Any, stretch: Any, taps: int, result: Any) -> None:
    """Blend whole rows where all columns are sampled at the same height.

    Args:
        rows: (H, S) float32.
        y: float32 position among the rows.
        stretch: float32, at least 1.
        taps: `tap_count(stretch)`.
        result: (S,) float32, overwritten.
    """
    start = int(np.floor(y - np.float32(2.0) * stretch)) + 1
    inverse = np.float32(1.0) / stretch
    total = np.float32(0.0)
    for t in range(taps):
        total += cubic((np.float32(start + t) - y) * inverse)
    result[:] = np.float32(0.0)
    for t in range(taps):
        w = cubic((np.float32(start + t) - y) * inverse) / total
        row = rows[start + t]
        for i in range(result.size):
            result[i] += w * row[i]


@compiled(fast=True)
def blend_rows_curved(rows: Any, first: Any, weights: Any, result: Any) -> None:
    """Blend rows where each column has its own height.

    Columns that draw on the same rows are neighbours, since heights change smoothly; each such
    run is one vectorised loop.

    Args:
        rows: (H, S) float32.
        first: (S,) int32 and
        weights: (taps, S) float32, from `row_weights` of the heights.
        result: (S,) float32, overwritten.
    """
    begin = 0
    while begin < result.size:
        start, end = first[begin], begin + 1
        while end < result.size and first[end] == start:
            end += 1
        if weights.shape[0] == 4:
            a, b, c, d = rows[start], rows[start + 1], rows[start + 2], rows[start + 3]
            p, q, r, s = weights[0], weights[1], weights[2], weights[3]
            for i in range(begin, end):
                result[i] = p[i] * a[i] + q[i] * b[i] + r[i] * c[i] + s[i] * d[i]
        else:
            result[begin:end] = np.float32(0.0)
            for t in range(weights.shape[0]):
                row, weight = rows[start + t], weights[t]
                for i in range(begin, end):
                    result[i] += weight[i] * row[i]
        begin = end


def resize_crop(image: npt.NDArray[Any], crop_size_px: int) -> npt.NDArray[Any]:
    """Bring an image to (S, S) with the kernel of the crop engine.

    Antialiased where it shrinks, bicubic where it enlarges; the edges are continued.

    Args:
        image: (H, W), uint8 or any real type, H and W at least 1.
        crop_size_px: S.

    Returns:
        (S, S): uint8 for a uint8 image, otherwise float32.
    """
    resized = image.astype(np.float32)
    for _ in range(2):
        resized = _resize_columns(resized, crop_size_px).T
    if image.dtype == np.uint8:
        return np.clip(np.rint(resized), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(resized)


def _resize_columns(image: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    """(H, W) float32 to (H, size) float32."""
    width = image.shape[1]
    stretch = max(1.0, width / size)
    taps = tap_count(stretch)
    x = ((np.arange(size) + 0.5) * (width / size) - 0.5 + taps).astype(np.float32)
    first, weights = np.empty(size, np.int32), np.empty((taps, size), np.float32)
    row_weights(x, np.float32(stretch), first, weights)
    padded = np.pad(image, ((0, 0), (taps, taps)), mode="edge")
    result = np.empty((len(image), size), np.float32)
    for source, row in zip(padded, result, strict=True):
        blend_columns(source, first, weights, row)
    return result
