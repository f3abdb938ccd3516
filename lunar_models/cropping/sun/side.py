"""Decide the Sun's side, east or west: evidence of each crop, then a vote along the longitude.

Inside a crater the half towards the Sun lies in shade and the other half faces the light; on the
outer flank of the rim it is the other way round. One crop may be wrong, but mosaics are lit in
bands of longitude with sharp seams, so neighbours decide together.
"""

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import FloatArray
from lunar_models.compiled import compiled

LOG_ODDS_PER_EVIDENCE = 20.0
"""Slope of the log-odds of the Sun's side against the evidence, fitted on synthetic craters."""

MAX_LOG_ODDS = 3.0
"""Limit on the log-odds of one crop: neighbouring craters, double rims or rilles mislead it."""

SEAM_SPACING_DEG = 20.0
"""Mean distance of seams that the vote expects beforehand."""

ZONE_DEG = 15.0
_ZONE_CRATERS = 400
"""The vote runs in zones of latitude (seams are not straight) that hold enough craters."""


@cache
def sun_side_template(crop_size_px: int, context_diameters: float) -> npt.NDArray[np.float32]:
    """Make the template of a crater lit from the east (right).

    Args:
        crop_size_px: S.
        context_diameters: crop side / crater diameter.

    Returns:
        (S, S) float32: sums to 0, blind to a uniform slope of brightness from west to east
        where the crop shows the surroundings (context above 1.2), squares sum to 1.
    """
    axis = (2.0 * np.arange(crop_size_px) + 1.0 - crop_size_px) / crop_size_px * context_diameters
    x, y = np.meshgrid(axis, axis)
    radius = np.hypot(x, y)
    east = x / np.maximum(radius, 1e-9)
    inside = np.where((radius > 0.15) & (radius < 0.95), -east, 0.0)
    outside = np.where((radius > 1.0) & (radius < 1.4), east, 0.0)
    lever = float((outside * x).sum())
    if context_diameters > 1.2 and lever > 0.0:
        inside -= outside * float((inside * x).sum()) / lever
    template: npt.NDArray[np.float32] = (inside / np.sqrt((inside**2).sum())).astype(np.float32)
    template.flags.writeable = False  # every caller has the same one
    return template


@cache
def sun_patterns(crop_size_px: int, context_diameters: float) -> npt.NDArray[np.float32]:
    """Stack `sun_side_template` and the same lit from the north (from above), (2, S, S) float32."""
    east = sun_side_template(crop_size_px, context_diameters)
    patterns = np.stack((east, np.rot90(east)))
    patterns.flags.writeable = False
    return patterns


def sun_side_evidence(
    crops: npt.NDArray[Any], *, context_diameters: float = 1.5
) -> npt.NDArray[np.float32]:
    """Correlate crops with the template of a crater lit from the east.

    Args:
        crops: (N, S, S) of any real dtype, north up or down, not aligned.
        context_diameters: crop side / crater diameter.

    Returns:
        (N,) float32 in [-1, 1]: positive where the Sun stands in the east (right).
    """
    size = crops.shape[1]
    template = sun_side_template(size, context_diameters).ravel()
    flat = crops.reshape(len(crops), -1)
    evidence = np.empty(len(crops), np.float32)
    for start in range(0, len(crops), 1024):
        values = flat[start : start + 1024].astype(np.float32)
        norm = np.maximum(values.std(axis=1), 1e-3) * size
        evidence[start : start + 1024] = values @ template / norm
    return evidence


def vote_sun_side(
    *, longitude_deg: FloatArray, latitude_deg: FloatArray, evidence: FloatArray
) -> npt.NDArray[np.float64]:
    """Compute the probability that the Sun stands in the east of each crop, given all crops.

    Within a zone of latitude the Sun's side is a two-state Markov process along the longitude
    that changes about every `SEAM_SPACING_DEG`; each crop is an observation of it. The exact
    posterior comes from the forward-backward recursion (Rabiner 1989, doi 10.1109/5.18626), so
    seams are found wherever they lie, and a lone crater falls back on its own evidence.

    Args:
        longitude_deg: (N,).
        latitude_deg: (N,).
        evidence: (N,) from `sun_side_evidence`.

    Returns:
        (N,) float64 in (0, 1).
    """
    log_odds = np.clip(
        LOG_ODDS_PER_EVIDENCE * np.asarray(evidence, np.float64), -MAX_LOG_ODDS, MAX_LOG_ODDS
    )
    longitude = (np.asarray(longitude_deg, np.float64) + 180.0) % 360.0
    zone = _zones(np.asarray(latitude_deg, np.float64))
    order = np.lexsort((longitude, zone))
    east = np.empty(len(order))
    for members in np.split(order, np.flatnonzero(np.diff(zone[order])) + 1):
        east[members] = _smooth(longitude[members], log_odds[members])
    return east


def _zones(latitude: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Zone of each crater: `ZONE_DEG` tall, joined to the next until it has enough craters."""
    zone = np.clip((latitude + 90.0) // ZONE_DEG, 0, 180.0 // ZONE_DEG - 1).astype(np.int64)
    counts = np.bincount(zone, minlength=int(180.0 // ZONE_DEG))
    joined = np.zeros(len(counts), np.int64)
    held = 0
    for n in range(1, len(counts)):
        held += counts[n - 1]
        enough = held >= _ZONE_CRATERS and counts[n:].sum() >= _ZONE_CRATERS
        joined[n] = joined[n - 1] + enough
        held = 0 if enough else held
    return joined[zone]


@compiled()
def _smooth(longitude: Any, log_odds: Any) -> Any:
    """Posterior probability of east; craters in ascending longitude (degrees), (n,) float64."""
    n = longitude.size
    ahead, behind = np.zeros(n), np.zeros(n)
    for i in range(1, n):
        ahead[i] = _carry(ahead[i - 1] + log_odds[i - 1], longitude[i] - longitude[i - 1])
    for i in range(n - 2, -1, -1):
        behind[i] = _carry(behind[i + 1] + log_odds[i + 1], longitude[i + 1] - longitude[i])
    return 1.0 / (1.0 + np.exp(-(ahead + behind + log_odds)))


@compiled()
def _carry(log_odds: float, distance_deg: float) -> float:
    """Log-odds of east a distance further on, when seams come at random."""
    change = 0.5 * (1.0 - np.exp(-2.0 * distance_deg / SEAM_SPACING_DEG))
    odds = np.exp(min(max(log_odds, -500.0), 500.0))
    carried: float = np.log((odds * (1.0 - change) + change) / (odds * change + 1.0 - change))
    return carried
