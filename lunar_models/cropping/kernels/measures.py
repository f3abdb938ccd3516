"""The last touch to a sampled crop, compiled: fill gaps, measure its quality, round to uint8."""

from typing import Any

import numpy as np

from lunar_models.compiled import compiled

MEASURES = (
    "valid_fraction",
    "saturated_fraction",
    "shadow_fraction",
    "mean_brightness",
    "evidence",
)

SHADOW_RATIO = np.float32(0.1)
"""A pixel darker than this part of its crop's mean brightness counts as shadow."""


WHITE = np.float32(254.5)
"""Clipped brightness from which a pixel counts as saturated."""


@compiled()
def fill_gaps(image: Any, cover: Any) -> int:
    """Divide by the cover; give pixels without data the mean of the others, and count those."""
    total, count = 0.0, 0
    for k in range(image.shape[0]):
        for i in range(image.shape[1]):
            if cover[k, i] > 0.5:
                image[k, i] /= cover[k, i]
                total += image[k, i]
                count += 1
    mean = np.float32(total / max(count, 1))
    for k in range(image.shape[0]):
        for i in range(image.shape[1]):
            if cover[k, i] <= 0.5:
                image[k, i] = mean
    return count


@compiled(fast=True)
def finish_crop(
    image: Any, valid: int, template: Any, black_level: Any, crop: Any, measures: Any
) -> None:
    """Round an image to uint8 and fill one row of `MEASURES`.

    Args:
        image: (S, S) float32, clipped to 0..255; pixels without data hold the others' mean, so
            they are neither shadow nor (unless everything is) saturated.
        valid: number of pixels with data.
        template: (S, S) float32 of the Sun's side.
        black_level: float32, `Radiometry.black_level`.
        crop: (S, S) uint8, overwritten.
        measures: (5,) float32, overwritten.
    """
    total = squares = match = saturated = shadow = 0.0
    for k in range(image.shape[0]):
        sums = _clip_row(image[k], template[k])
        total += sums[0]
        squares += sums[1]
        match += sums[2]
        saturated += sums[3]
    mean = total / image.size
    dark = SHADOW_RATIO * (np.float32(mean) + black_level) - black_level
    for k in range(image.shape[0]):
        shadow += _round_row(image[k], dark, crop[k])
    variance = max(squares / image.size - mean * mean, 1e-6)
    measures[0] = valid / image.size
    measures[1] = min(saturated / max(valid, 1), 1.0)
    measures[2] = shadow / max(valid, 1)
    measures[3] = mean
    measures[4] = match / np.sqrt(variance * image.size)


@compiled(fast=True)
def _clip_row(row: Any, template: Any) -> Any:
    """Clip a row; its sum, sum of squares, product with the template, and saturated pixels."""
    total = squares = match = saturated = np.float32(0.0)
    for i in range(row.size):
        value = min(max(row[i], np.float32(0.0)), np.float32(255.0))
        row[i] = value
        total += value
        squares += value * value
        match += value * template[i]
        saturated += np.float32(1.0) if value > WHITE else np.float32(0.0)
    return total, squares, match, saturated


@compiled(fast=True)
def _round_row(row: Any, dark: Any, crop: Any) -> Any:
    """Round a clipped row; the number of pixels below `dark` (floats add up faster)."""
    shadow = np.float32(0.0)
    for i in range(row.size):
        crop[i] = np.uint8(row[i] + np.float32(0.5))
        shadow += np.float32(1.0) if row[i] < dark else np.float32(0.0)
    return shadow
