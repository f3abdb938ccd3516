"""Test whether a mosaic is lit from the east and west only, as equatorial ones are."""

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import FloatArray
from lunar_models.cropping.sun.azimuth import BINS, CLOSE_DEG, EVIDENCE_NOISE, neighbourhood

_CELLS_DEG = (5.0, 10.0, 20.0, 40.0)
_USUAL_CRATERS = 30
"""Cells are as large as it takes for so many craters in most of them."""
_LEAST_CRATERS = 16
_SIGNIFICANCE = 4.0
_MIXED = 0.5
_COHERENT = 0.3
_SAMPLE = 4000
_TILTED_SHARE = 0.02


def is_lit_from_the_side(
    *, longitude_deg: FloatArray, latitude_deg: FloatArray, evidence: FloatArray, east: FloatArray
) -> bool:
    """Tell whether the Sun stands in the east or west throughout, to 15 degrees.

    The evidence is summed in cells of 5 degrees, or larger ones if few craters lie in these, after
    those lit from the west are mirrored. The answer is no where more than 2 % of the craters lie
    in cells of 16 craters or more whose sum points elsewhere, by more than chance allows, or
    whose evidence is nearly as strong from north to south as from east to west, as around a pole,
    and agrees with that of the neighbours;
    or where there are too few craters to tell.

    Args:
        longitude_deg: (N,).
        latitude_deg: (N,).
        evidence: (N, 2) from `azimuth_evidence`.
        east: (N,) probability that the Sun stands in the east, from `vote_sun_side`.
    """
    cell, count = _cells(np.asarray(longitude_deg), np.asarray(latitude_deg))
    if count.max() < _LEAST_CRATERS:
        return False
    side = np.where(np.asarray(east) < 0.5, -evidence[:, 0], evidence[:, 0])
    sideways, upwards = np.bincount(cell, side), np.bincount(cell, evidence[:, 1])
    power = [np.bincount(cell, evidence[:, n].astype(np.float64) ** 2) for n in (0, 1)]
    tilt = np.degrees(np.arctan2(np.abs(upwards), sideways))
    tilted = (tilt > CLOSE_DEG) & (np.abs(upwards) > _SIGNIFICANCE * np.sqrt(power[1] + 1e-12))
    mixed = (power[1] > _MIXED * power[0]) & (power[1] > 2.0 * EVIDENCE_NOISE**2 * count)
    tilted &= count >= _LEAST_CRATERS
    mixed &= count >= _LEAST_CRATERS
    if mixed[cell].mean() > _TILTED_SHARE:
        mixed &= coherence(longitude_deg, latitude_deg, evidence) > _COHERENT
    return bool((tilted | mixed)[cell].mean() <= _TILTED_SHARE)


def coherence(longitude_deg: FloatArray, latitude_deg: FloatArray, evidence: FloatArray) -> float:
    """Correlate the evidence of craters with the mean of their neighbours', in [-1, 1].

    Neighbours share their Sun; texture that looks like light but is none agrees with nobody.
    Judged on `_SAMPLE` craters at most.
    """
    step = max(1, len(evidence) // _SAMPLE)
    chosen = np.arange(0, len(evidence), step)
    near, share, turn = neighbourhood(longitude_deg, latitude_deg, rows=chosen)
    vectors = np.asarray(evidence[:, 1] + 1j * evidence[:, 0])  # north is the real axis
    turned = vectors[near] * np.exp(1j * turn * (2.0 * np.pi / BINS))
    around, own = (turned * share).sum(axis=1), vectors[chosen]
    product = float((own * around.conj()).real.sum())
    return product / max(float((np.abs(own) * np.abs(around)).sum()), 1e-12)


def _cells(
    longitude: FloatArray, latitude: FloatArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(N,) cell of each crater, and how many craters each cell holds; cells are about square."""
    across = np.maximum(np.cos(np.radians(latitude)), 0.02).round(1)
    for side_deg in _CELLS_DEG:
        row = np.floor(latitude / side_deg)
        column = np.floor((longitude + 180.0) % 360.0 * across / side_deg)
        _, cell = np.unique(row * 1000.0 + column, return_inverse=True)
        count = np.bincount(cell)
        if np.median(count[cell]) >= _USUAL_CRATERS:
            break
    return cell, count
