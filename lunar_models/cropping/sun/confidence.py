"""Calibrate how far the Sun's azimuth or side is trusted once neighbours have voted.

Beside a seam, and where a crop contradicts its neighbours, the votes are right less often than
they say. Platt's scaling (Platt 1999), fitted on half of the synthetic Moons and of the
photographs, corrects that. It only ever lowers what is stated: that synthetic Moons are right more
often than the votes say at the upper end proves nothing for photographs, whose rims and ground are
less regular.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, logit

from lunar_models.arrays import Float64Array


class Calibration(NamedTuple):
    """Platt's scaling: logit of the calibrated probability = offset + slope * stated logit."""

    offset: float
    slope: float


AZIMUTH = Calibration(-1.04, 1.79)
"""Of a vote among neighbours' azimuths, to be right to 15 degrees."""
SIDE = Calibration(-1.61, 0.97)
"""Of a vote on east or west."""

_CERTAIN = 1e-9


def calibrate(confidence: Float64Array, calibration: Calibration) -> Float64Array:
    """Lower a stated probability to the part that is right.

    Args:
        confidence: (N,) in [0, 1].
        calibration: of what voted.

    Returns:
        (N,) in [0, 1], nowhere above the given one, in the same order.
    """
    odds = logit(np.clip(confidence, _CERTAIN, 1.0 - _CERTAIN))
    lowered = expit(calibration.offset + calibration.slope * odds)
    return np.asarray(np.minimum(confidence, lowered), np.float64)
