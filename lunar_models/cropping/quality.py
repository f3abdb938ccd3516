"""Reject poor crops: overlap with larger craters, and the thresholds of preprocess."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from lunar_models.arrays import Float64Array
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.moon import MOON_RADIUS_KM, chord_to_km, unit_vectors

_CHUNK = 1 << 16
"""Craters whose pairs are held in memory at once."""


def overlap_larger(targets: pd.DataFrame, catalogue: pd.DataFrame) -> npt.NDArray[np.float32]:
    """Compute the fraction of each crater's disc inside larger craters.

    Where several larger craters overlap it, their parts f are joined as 1 - (1 - f1)(1 - f2)…,
    which is exact when one of them covers the disc. Discs are flat: distances are arcs.

    Args:
        targets: n rows with longitude_deg, latitude_deg, diameter_km.
        catalogue: the same columns; all craters that may overlap (targets among them).

    Returns:
        (n,) float32 in [0, 1].
    """
    points, radius = _positions(targets), targets["diameter_km"].to_numpy() / 2.0
    others, other_radius = _positions(catalogue), catalogue["diameter_km"].to_numpy() / 2.0
    free = np.ones(len(targets))
    octave = np.floor(np.log2(other_radius)).astype(np.int64)
    for n in np.unique(octave[other_radius > radius.min(initial=np.inf)]):
        larger = np.flatnonzero(octave == n)
        tree, reach = cKDTree(others[larger]), other_radius[larger].max()
        smaller = np.flatnonzero(radius < reach)
        for start in range(0, len(smaller), _CHUNK):
            chunk = smaller[start : start + _CHUNK]
            pairs = _close_pairs(points[chunk], tree, reach)
            i, j = chunk[pairs["i"]], larger[pairs["j"]]
            distance = chord_to_km(pairs["v"])
            part = _disc_inside(radius[i], other_radius[j], distance)
            part[other_radius[j] <= radius[i]] = 0.0
            np.multiply.at(free, i, 1.0 - part)
    return (1.0 - free).astype(np.float32)


def _positions(table: pd.DataFrame) -> Float64Array:
    """(n, 3) unit vectors."""
    return unit_vectors(
        longitude_deg=table["longitude_deg"].to_numpy(),
        latitude_deg=table["latitude_deg"].to_numpy(),
    )


def _close_pairs(points: Float64Array, others: cKDTree, radius_km: float) -> npt.NDArray[Any]:
    """Pairs (i, j, v) of points at most two radii apart; v is their chord."""
    reach = 2.0 * np.sin(min(radius_km / MOON_RADIUS_KM, np.pi / 2.0))
    pairs: npt.NDArray[Any] = cKDTree(points).sparse_distance_matrix(
        others, reach, output_type="ndarray"
    )
    return pairs


def _disc_inside(
    radius: Float64Array, larger: Float64Array, distance: Float64Array
) -> Float64Array:
    """Part of a disc inside a larger one: the area of their lens over its own."""
    distance = np.clip(distance, larger - radius, larger + radius)
    safe = np.maximum(distance, 1e-12)
    near = np.clip((safe**2 + radius**2 - larger**2) / (2.0 * safe * radius), -1.0, 1.0)
    far = np.clip((safe**2 + larger**2 - radius**2) / (2.0 * safe * larger), -1.0, 1.0)
    corner = (radius + larger) ** 2 - safe**2
    corner = np.sqrt(np.maximum(corner * (safe**2 - (larger - radius) ** 2), 0.0)) / 2.0
    lens = radius**2 * np.arccos(near) + larger**2 * np.arccos(far) - corner
    part: Float64Array = np.clip(lens / (np.pi * radius**2), 0.0, 1.0)
    return part


def placement_faults(place: pd.DataFrame, config: PreprocessConfig) -> "pd.Series[str]":
    """Give the reason why a crater gets no crop before the mosaic is read; empty where it does.

    Args:
        place: from `placement.choose_mosaics`.
        config: thresholds.
    """
    return _first_fault(
        len(place),
        (place["coverage"] == 0.0, "its centre lies outside the mosaic"),
        (place["native_px"] < config.min_native_px, f"native_px is below {config.min_native_px}"),
    )


def crop_faults(metadata: pd.DataFrame, config: PreprocessConfig) -> "pd.Series[str]":
    """Give the reason why a finished crop is rejected; empty where it is kept.

    Args:
        metadata: valid_fraction, contrast, shadow_fraction, saturated_fraction, overlap_larger.
        config: thresholds.
    """
    valid = metadata["valid_fraction"]
    limits = ("shadow_fraction", "saturated_fraction", "overlap_larger")
    return _first_fault(
        len(metadata),
        (valid == 0.0, "the mosaic has no data there"),
        (valid < config.min_valid_fraction, f"valid_fraction below {config.min_valid_fraction}"),
        *(
            (
                metadata[name] > getattr(config, f"max_{name}"),
                f"{name} above {getattr(config, f'max_{name}')}",
            )
            for name in limits
        ),
        (metadata["contrast"] < config.min_contrast, f"contrast below {config.min_contrast}"),
    )


def _first_fault(count: int, *faults: tuple["pd.Series[bool]", str]) -> "pd.Series[str]":
    reason = np.full(count, "", dtype=object)
    for bad, text in faults:
        reason[bad.to_numpy() & (reason == "")] = text
    return pd.Series(reason, dtype="object")
