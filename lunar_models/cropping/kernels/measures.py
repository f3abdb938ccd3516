"""Finish a sampled crop: fill gaps, measure its quality, round to uint8 (compiled)."""

from typing import Any, NamedTuple

import numpy as np

from lunar_models.compiled import compiled

MEASURES = (
    "valid_fraction",
    "saturated_fraction",
    "shadow_fraction",
    "contrast",
    "mean_brightness",
    "sun_evidence_east",
    "sun_evidence_north",
)

SHADOW_RATIO = np.float32(0.1)
"""A pixel darker than this fraction of lit ground counts as shadow."""

WHITE = np.float32(254.5)
"""Clipped brightness from which a pixel counts as saturated."""


class Brightness(NamedTuple):
    """The brightness scale of a crop set."""

    black_level: np.float32
    """`Radiometry.black_level`: add it, and brightness is proportional to light."""
    lit_level: np.float32
    """Crop units of well lit ground; a crop that lies in shadow has none to compare with."""


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
    image: Any, valid: int, patterns: Any, brightness: Brightness, crop: Any, measures: Any
) -> None:
    """Round an image to uint8 and fill one row of `MEASURES`.

    Shadow is what is darker than a tenth of lit ground, or of the crop's mean if that is brighter:
    so a crop that is wholly dark counts as shadow, and a bright one keeps its dark floor apart.

    Args:
        image: (S, S) float32, clipped to 0..255; pixels without data hold the others' mean, so
            they are neither shadow nor (unless everything is) saturated.
        valid: number of pixels with data.
        patterns: (2, S, S) float32 of the Sun in the east and in the north.
        brightness: of the crop set.
        crop: (S, S) uint8, overwritten.
        measures: (7,) float32, overwritten.
    """
    total = squares = east = north = saturated = shadow = 0.0
    for k in range(image.shape[0]):
        sums = _clip_row(image[k], patterns[0, k], patterns[1, k])
        total += sums[0]
        squares += sums[1]
        east += sums[2]
        north += sums[3]
        saturated += sums[4]
    mean = np.float32(total / image.size)
    dark = SHADOW_RATIO * (max(mean, brightness.lit_level) + brightness.black_level)
    dark -= brightness.black_level
    for k in range(image.shape[0]):
        shadow += _round_row(image[k], dark, crop[k])
    variance = max(squares / image.size - mean * mean, 1e-6)
    measures[0] = valid / image.size
    measures[1] = min(saturated / max(valid, 1), 1.0)
    measures[2] = min(shadow / max(valid, 1), 1.0)
    measures[3] = np.sqrt(variance) / max(mean + brightness.black_level, np.float32(1.0))
    measures[4] = mean
    measures[5] = east / np.sqrt(variance * image.size)
    measures[6] = north / np.sqrt(variance * image.size)


@compiled(fast=True)
def _clip_row(row: Any, east: Any, north: Any) -> Any:
    """Clip a row; its sum, sum of squares, products with both patterns, and saturated pixels."""
    total = squares = match_east = match_north = saturated = np.float32(0.0)
    for i in range(row.size):
        value = min(max(row[i], np.float32(0.0)), np.float32(255.0))
        row[i] = value
        total += value
        squares += value * value
        match_east += value * east[i]
        match_north += value * north[i]
        saturated += np.float32(1.0) if value > WHITE else np.float32(0.0)
    return total, squares, match_east, match_north, saturated


@compiled(fast=True)
def _round_row(row: Any, dark: Any, crop: Any) -> Any:
    """Round a clipped row; the number of pixels below `dark` (floats add up faster)."""
    shadow = np.float32(0.0)
    for i in range(row.size):
        crop[i] = np.uint8(row[i] + np.float32(0.5))
        shadow += np.float32(1.0) if row[i] < dark else np.float32(0.0)
    return shadow
