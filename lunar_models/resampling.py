"""Separable cubic resampling: the arithmetic that both crops and served images go through.

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
    """Weight of a source pixel at a distance, float32, in (stretched) pixels."""
    x = abs(distance)
    near = (np.float32(1.5) * x - np.float32(2.5)) * x * x + np.float32(1.0)
    far = ((np.float32(2.5) - np.float32(0.5) * x) * x - np.float32(4.0)) * x + np.float32(2.0)
    return near if x < np.float32(1.0) else (far if x < np.float32(2.0) else np.float32(0.0))


@compiled()
def tap_count(stretch: float) -> int:
    """How many source pixels one result pixel draws on; `stretch` is at least 1."""
    return int(np.ceil(4.0 * stretch - 1e-6))


@compiled(fast=True)
def row_weights(x: Any, stretch: Any, taps: int, first: Any, weights: Any) -> None:
    """Fill the weights of all pixels of a row.

    Args:
        x: (S,) float32 positions in the source row.
        stretch: float32, at least 1.
        taps: `tap_count(stretch)`.
        first: (S,) int32, set to the first source pixel of each result pixel.
        weights: (S, taps) float32, set to the weights, which sum to 1.
    """
    inverse = np.float32(1.0) / stretch
    for i in range(x.size):
        start = int(np.floor(x[i] - np.float32(2.0) * stretch)) + 1
        total = np.float32(0.0)
        for t in range(taps):
            w = cubic((np.float32(start + t) - x[i]) * inverse)
            weights[i, t] = w
            total += w
        for t in range(taps):
            weights[i, t] /= total
        first[i] = start


@compiled(fast=True)
def blend_columns(source: Any, first: Any, weights: Any, taps: int, result: Any) -> None:
    """Resample one row: `source` (W,) float32 to `result` (S,) float32."""
    if taps == 4:  # the common case, enlarging, without a loop over taps
        for i in range(result.size):
            a = first[i]
            result[i] = (
                weights[i, 0] * source[a]
                + weights[i, 1] * source[a + 1]
                + weights[i, 2] * source[a + 2]
                + weights[i, 3] * source[a + 3]
            )
        return
    for i in range(result.size):
        total = np.float32(0.0)
        for t in range(taps):
            total += weights[i, t] * source[first[i] + t]
        result[i] = total


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
def blend_rows_curved(rows: Any, y: Any, stretch: Any, taps: int, result: Any, total: Any) -> None:
    """Blend rows where each column has its own height `y` (S,) float32.

    Columns that draw on the same rows are neighbours, since heights change smoothly; each such
    run is one vectorised loop. `total` (S,) float32 is scratch; the rest as `blend_rows_level`.
    """
    reach = np.float32(2.0) * stretch
    inverse = np.float32(1.0) / stretch
    result[:] = np.float32(0.0)
    total[:] = np.float32(0.0)
    begin = 0
    while begin < y.size:
        start = int(np.floor(y[begin] - reach)) + 1
        end = begin + 1
        while end < y.size and int(np.floor(y[end] - reach)) + 1 == start:
            end += 1
        for t in range(taps):
            row = rows[start + t]
            height = np.float32(start + t)
            for i in range(begin, end):
                w = cubic((height - y[i]) * inverse)
                result[i] += w * row[i]
                total[i] += w
        begin = end
    for i in range(y.size):
        result[i] /= total[i]


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
    first, weights = np.empty(size, np.int32), np.empty((size, taps), np.float32)
    row_weights(x, np.float32(stretch), taps, first, weights)
    padded = np.pad(image, ((0, 0), (taps, taps)), mode="edge")
    result = np.empty((len(image), size), np.float32)
    for source, row in zip(padded, result, strict=True):
        blend_columns(source, first, weights, taps, row)
    return result
