"""Estimate the Sun's azimuth from crops: evidence of each crop, combined with its neighbours'.

Azimuths are measured on the ground, clockwise from north. A crop's evidence is a vector: how well
the crop matches the pattern of a bowl lit from the east, and of one lit from the north
(`side.sun_side_template`). It points to the Sun, and its length measures the certainty.

Each crater's belief is a distribution over `BINS` azimuths. Neighbours are lit alike, unless a
seam of the mosaic runs between them; so the belief of a crater is its own evidence times a power
of the mixture of its neighbours' beliefs, and this is repeated until it settles. A mixture, unlike
a product, has one peak for each scene beside a seam, between which the own evidence decides.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from lunar_models.arrays import Float64Array, FloatArray
from lunar_models.compiled import compiled
from lunar_models.cropping.sun.confidence import AZIMUTH, calibrate
from lunar_models.cropping.sun.side import sun_patterns
from lunar_models.moon import unit_vectors

BINS = 36
EVIDENCE_NOISE = 0.09
"""Standard deviation of one component of the evidence, from terrain, neighbours and noise;
photographs and synthetic craters lie between 0.05 and 0.1."""
MOST_CONCENTRATION = 25.0
"""A single crop is trusted to 12 degrees at most: rims are not round, ground is not level."""
STRAY = 0.05
"""Share of crops whose evidence says nothing: a larger crater's wall, a rille, a shadow."""
STRAY_AMONG_NEIGHBOURS = 0.1
"""The same where neighbours vote: with 0.05, a photographed crater that contradicts them all is
believed, wrongly in most cases. A single crop states too little confidence even with 0.05."""
NEIGHBOURS = 16
WEIGHTS = (1.0, 2.0)
"""Power of the neighbours' mixture. A power of 2 reinforces agreement among neighbours, so it is
used only where their own evidence agrees; otherwise noise alone would produce an azimuth."""
AGREEMENT = (2.0, 3.0)
"""Peak of the mixture of the neighbours' own evidence, relative to a uniform one, at which the
power has its least and greatest value. One scene makes it 5, two scenes 2.5, chance below 2."""
UNSEEN = 0.05
"""Share of the mixture for a scene that no neighbour belongs to."""
DRIFT_DEG = 6.0
"""How much the azimuth differs between neighbours of one scene."""
ROUNDS = 5
CLOSE_DEG = 15.0
"""A belief's confidence is its share so close to the stated azimuth."""

_PEAK_BINS = 3
_SLICE = 20_000


class AzimuthBelief(NamedTuple):
    """The posterior of N azimuths, summarised."""

    azimuth_deg: Float64Array
    """(N,) in [0, 360): the mean around the peak of each belief."""
    std_deg: Float64Array
    """(N,) circular standard deviation of the belief."""
    confidence: Float64Array
    """(N,) in [0, 1]: probability that the azimuth is right to `CLOSE_DEG`."""


def azimuth_evidence(
    crops: npt.NDArray[Any], *, context_diameters: float = 1.5
) -> npt.NDArray[np.float32]:
    """Correlate crops with the patterns of a crater lit from the east and from the north.

    Args:
        crops: (N, S, S) of any real dtype, row 0 north, column 0 west.
        context_diameters: crop side / crater diameter.

    Returns:
        (N, 2) float32: east and north component, of length 1 at most.
    """
    size = crops.shape[1]
    patterns = sun_patterns(size, context_diameters).reshape(2, -1).T
    flat = crops.reshape(len(crops), -1)
    evidence = np.empty((len(crops), 2), np.float32)
    for start in range(0, len(crops), 1024):
        values = flat[start : start + 1024].astype(np.float32)
        norm = np.maximum(values.std(axis=1, keepdims=True), 1e-3) * size
        evidence[start : start + 1024] = values @ patterns / norm
    return evidence


def own_azimuth(evidence: FloatArray) -> AzimuthBelief:
    """Estimate azimuths from each crop's own evidence alone, (N, 2) from `azimuth_evidence`."""
    return _summarise(_shares(_own_log_belief(np.asarray(evidence, np.float64), STRAY)))


def vote_azimuth(
    *, longitude_deg: FloatArray, latitude_deg: FloatArray, evidence: FloatArray, workers: int = 1
) -> AzimuthBelief:
    """Estimate azimuths from each crop's evidence and that of its nearest neighbours.

    Args:
        longitude_deg: (N,).
        latitude_deg: (N,).
        evidence: (N, 2) from `azimuth_evidence`.
        workers: threads; the result does not depend on them.
    """
    own = _own_log_belief(np.asarray(evidence, np.float64), STRAY_AMONG_NEIGHBOURS)
    if len(own) < 2:
        return own_azimuth(evidence)
    near, share, turn = neighbourhood(longitude_deg, latitude_deg, workers=workers)
    offsets = 360.0 / BINS * np.arange(-2, 3)
    drift = np.exp(-0.5 * (offsets / DRIFT_DEG) ** 2)
    drift /= drift.sum()
    belief = _shares(own)
    weight = np.zeros(len(own), np.float32)
    with ThreadPoolExecutor(workers, "azimuth") as pool:
        for _ in range(ROUNDS):
            updated = np.empty_like(belief)

            def work(start: int, old: Any = belief, new: Any = updated) -> None:
                s = slice(start, start + _SLICE)
                _update(old, own[s], weight[s], near[s], share[s], turn[s], drift, new[s])

            list(pool.map(work, range(0, len(own), _SLICE)))
            belief = updated
    found = _summarise(belief)
    return found._replace(confidence=calibrate(found.confidence, AZIMUTH))


def _own_log_belief(evidence: Float64Array, stray: float) -> npt.NDArray[np.float32]:
    """(N, BINS) log of a von Mises distribution, contaminated with strays; uniform is 0.

    Gaussian noise of standard deviation s on both components makes the direction of a vector of
    length z a von Mises variable of concentration (z / s)² (Mardia & Jupp 2000, Directional
    Statistics).
    """
    concentration = _concentration(evidence)
    azimuth = np.arctan2(evidence[:, 0], evidence[:, 1])
    away = azimuth[:, None] - _bin_azimuths()
    density = np.exp(concentration[:, None] * (np.cos(away) - 1.0))
    density *= BINS / density.sum(axis=1, keepdims=True)
    return np.asarray(np.log((1.0 - stray) * density + stray), np.float32)


def _concentration(evidence: Float64Array) -> Float64Array:
    concentration = (evidence**2).sum(axis=1) / EVIDENCE_NOISE**2
    return np.asarray(np.minimum(concentration, MOST_CONCENTRATION), np.float64)


def _bin_azimuths() -> Float64Array:
    return np.asarray(np.arange(BINS) * (2.0 * np.pi / BINS), np.float64)


def _shares(log_belief: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    shares = np.exp(log_belief)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def neighbourhood(
    longitude_deg: FloatArray,
    latitude_deg: FloatArray,
    *,
    rows: npt.NDArray[np.int64] | None = None,
    workers: int = 1,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Find the nearest craters, their weights, and by how many bins north turns.

    The Sun stands (nearly) in one direction of space for a scene, but north does not: around a
    pole meridians run in all directions. A neighbour's azimuth plus the turn is the crater's.

    Args:
        longitude_deg: (N,) at least 2.
        latitude_deg: (N,).
        rows: (M,) craters whose neighbours are wanted; all by default.
        workers: threads.

    Returns:
        Rows, weights and turns, (M, K) each.
    """
    chosen = np.arange(len(longitude_deg)) if rows is None else rows
    place = unit_vectors(longitude_deg=longitude_deg, latitude_deg=latitude_deg)
    count = min(NEIGHBOURS, len(place) - 1)
    distance, near = cKDTree(place).query(place[chosen], count + 1, workers=workers)
    distance, near = distance[:, 1:], near[:, 1:].astype(np.int32)
    share = np.exp(-2.0 * (distance / np.maximum(distance[:, -1:], 1e-12)) ** 2)
    share /= share.sum(axis=1, keepdims=True)
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    step = longitude[chosen, None] - longitude[near]
    turn = np.arctan2(np.sin(latitude[chosen])[:, None] * np.sin(step), np.cos(step))
    turn *= BINS / (2.0 * np.pi)
    return near, share.astype(np.float32), turn.astype(np.float32)


@compiled(fast=True)
def _update(
    belief: Any, own: Any, weight: Any, near: Any, share: Any, turn: Any, drift: Any, out: Any
) -> None:
    """One round for n craters: all (N, BINS) beliefs and own (n, BINS) log evidence -> out.

    The first round also sets the weights, (n,), which are 0 before.
    """
    mixture, blurred = np.empty(BINS), np.empty(BINS)
    half = drift.size // 2
    for i in range(own.shape[0]):
        mixture[:] = 0.0
        for k in range(near.shape[1]):
            whole = int(np.floor(turn[i, k]))
            part = turn[i, k] - whole
            source = belief[near[i, k]]
            for b in range(BINS):
                at = (b - whole) % BINS
                mixture[b] += share[i, k] * ((1.0 - part) * source[at] + part * source[at - 1])
        peak = 0.0
        for b in range(BINS):
            blurred[b] = 0.0
            for d in range(drift.size):
                blurred[b] += drift[d] * mixture[(b + d - half) % BINS] * BINS
            peak = max(peak, blurred[b])
        if weight[i] == 0.0:
            agreed = (peak - AGREEMENT[0]) / (AGREEMENT[1] - AGREEMENT[0])
            weight[i] = WEIGHTS[0] + min(max(agreed, 0.0), 1.0) * (WEIGHTS[1] - WEIGHTS[0])
        largest = -1e9
        for b in range(BINS):
            blurred[b] = weight[i] * np.log((1.0 - UNSEEN) * blurred[b] + UNSEEN) + own[i, b]
            largest = max(largest, blurred[b])
        total = 0.0
        for b in range(BINS):
            blurred[b] = np.exp(blurred[b] - largest)
            total += blurred[b]
        for b in range(BINS):
            out[i, b] = blurred[b] / total


def _summarise(belief: npt.NDArray[np.float32]) -> AzimuthBelief:
    """Mean around the peak, circular standard deviation, and the share close to the mean."""
    width = 360.0 / BINS
    bins = _bin_azimuths()
    phasors = np.exp(1j * bins)
    around = (belief.argmax(axis=1)[:, None] + np.arange(-_PEAK_BINS, _PEAK_BINS + 1)) % BINS
    peak = (np.take_along_axis(belief, around, 1) * phasors[around]).sum(axis=1)
    azimuth = np.degrees(np.angle(peak)) % 360.0
    length = np.clip(np.abs(belief @ phasors), 1e-9, 1.0)
    away = np.abs((np.degrees(bins) - azimuth[:, None] + 180.0) % 360.0 - 180.0)
    within = np.clip((CLOSE_DEG - away) / width + 0.5, 0.0, 1.0)
    return AzimuthBelief(
        azimuth,
        np.degrees(np.sqrt(-2.0 * np.log(length))),
        (belief * within).sum(axis=1).astype(np.float64),
    )
