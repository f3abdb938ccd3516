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


@compiled()
def fill_gaps(image: Any, cover: Any) -> None:
    """Divide by the cover; give pixels without data the mean of the others."""
    total = count = 0.0
    for k in range(image.shape[0]):
        for i in range(image.shape[1]):
            if cover[k, i] > 0.5:
                image[k, i] /= cover[k, i]
                total += image[k, i]
                count += 1.0
    mean = np.float32(total / max(count, 1.0))
    for k in range(image.shape[0]):
        for i in range(image.shape[1]):
            if cover[k, i] <= 0.5:
                image[k, i] = mean


@compiled(fast=True)
def measure(
    image: Any, cover: Any, complete: bool, template: Any, black_level: Any, measures: Any
) -> None:
    """Clip the image to 0..255 and fill one row of `MEASURES`."""
    pixels = image.size
    total = squares = match = 0.0
    for k in range(image.shape[0]):
        sums = _clip_row(image[k], template[k])
        total += sums[0]
        squares += sums[1]
        match += sums[2]
    mean = total / pixels
    dark = SHADOW_RATIO * (np.float32(mean) + black_level) - black_level
    valid = saturated = shadow = 0.0
    for k in range(image.shape[0]):
        if complete:
            counts = _count_row(image[k], dark)
        else:
            counts = _count_covered_row(image[k], cover[k], dark)
        valid += counts[0]
        saturated += counts[1]
        shadow += counts[2]
    measures[0] = valid / pixels
    measures[1] = saturated / max(valid, 1.0)
    measures[2] = shadow / max(valid, 1.0)
    measures[3] = mean
    variance = max(squares / pixels - mean * mean, 1e-6)
    measures[4] = match / np.sqrt(variance * pixels)


@compiled(fast=True)
def _clip_row(row: Any, template: Any) -> Any:
    """Clip a row to 0..255; its sum, sum of squares and product with the template."""
    total = squares = match = np.float32(0.0)
    for i in range(row.size):
        value = min(max(row[i], np.float32(0.0)), np.float32(255.0))
        row[i] = value
        total += value
        squares += value * value
        match += value * template[i]
    return total, squares, match


WHITE = np.float32(254.5)
"""Clipped brightness from which a pixel counts as saturated."""


@compiled(fast=True)
def _count_row(row: Any, dark: Any) -> Any:
    """Valid, saturated and shadowed pixels of a row without gaps (floats add up faster)."""
    saturated = shadow = np.float32(0.0)
    for i in range(row.size):
        saturated += np.float32(1.0) if row[i] > WHITE else np.float32(0.0)
        shadow += np.float32(1.0) if row[i] < dark else np.float32(0.0)
    return np.float32(row.size), saturated, shadow


@compiled(fast=True)
def _count_covered_row(row: Any, cover: Any, dark: Any) -> Any:
    """`_count_row` of the pixels with data."""
    valid = saturated = shadow = np.float32(0.0)
    for i in range(row.size):
        if cover[i] > np.float32(0.5):
            valid += np.float32(1.0)
            saturated += np.float32(1.0) if row[i] > WHITE else np.float32(0.0)
            shadow += np.float32(1.0) if row[i] < dark else np.float32(0.0)
    return valid, saturated, shadow


@compiled(fast=True)
def quantise(image: Any, crop: Any) -> None:
    """Round a clipped image to uint8."""
    for k in range(image.shape[0]):
        for i in range(image.shape[1]):
            crop[k, i] = np.uint8(image[k, i] + np.float32(0.5))
