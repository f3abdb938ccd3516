"""Stretch the brightness of crops for pictures. Encoders never see stretched crops."""

import numpy as np
import numpy.typing as npt

from lunar_models.crops.resampling import resize_crop

STRETCH_PERCENTILES = (2.0, 98.0)
LEAST_RANGE = 8.0
"""Grey levels that are spread over the whole scale at most, so that noise stays noise."""

COMMON_STRETCH_NOTE = "all pictures stretched alike"
"""To be stated beside pictures of `display_alike`."""

STRETCH_NOTE = "each crop stretched from its 2nd to its 98th percentile"
"""To be stated beside the pictures."""


def display_crop(crop: npt.NDArray[np.uint8], size_px: int | None = None) -> npt.NDArray[np.uint8]:
    """Stretch a crop for display: linearly, its `STRETCH_PERCENTILES` to black and white.

    Args:
        crop: (S, S) uint8.
        size_px: side of the picture; by default S.

    Returns:
        (S, S) or (size_px, size_px) uint8.
    """
    if size_px is not None and size_px != len(crop):
        crop = resize_crop(crop, size_px)
    low, high = np.percentile(crop, STRETCH_PERCENTILES)
    return _stretch(crop, low, high)


def typical_range(crops: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Return which brightness, relative to their own mean, typical crops span.

    Args:
        crops: (N, S, S) uint8.

    Returns:
        The medians over the crops of their `STRETCH_PERCENTILES`, divided by the crop's mean.
    """
    means = np.maximum(crops.mean(axis=(1, 2)), 1.0)
    limits = np.percentile(crops, STRETCH_PERCENTILES, axis=(1, 2)) / means
    low, high = np.median(limits, axis=1)
    return float(low), float(high)


def display_alike(
    crop: npt.NDArray[np.uint8], relative_range: tuple[float, float]
) -> npt.NDArray[np.uint8]:
    """Stretch a crop for display as all others, so that contrast can be compared.

    Args:
        crop: (S, S) uint8.
        relative_range: brightness, relative to the crop's mean, that becomes black and white,
            from `typical_range`.

    Returns:
        (S, S) uint8.
    """
    mean = max(float(crop.mean()), 1.0)
    return _stretch(crop, relative_range[0] * mean, relative_range[1] * mean)


def _stretch(crop: npt.NDArray[np.uint8], low: float, high: float) -> npt.NDArray[np.uint8]:
    middle, half = (low + high) / 2.0, max(high - low, LEAST_RANGE) / 2.0
    grey = (crop - np.float32(middle)) * np.float32(127.5 / half) + np.float32(127.5)
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)
