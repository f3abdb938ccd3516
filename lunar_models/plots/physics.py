"""Draw predicted depths against measured ones."""

import numpy as np
from matplotlib.figure import Figure

from lunar_models.arrays import FloatArray
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.plots.style import BLACK, BLUE, ORANGE, VERMILION, new_figure, subplots

_DEPTH = 1
_BARS = 60
"""Craters whose interval is drawn."""
_LEVELS = np.linspace(0.05, 0.95, 19)


def depth_figure(prediction: PhysicalPrediction, measured: FloatArray, *, seed: int = 0) -> Figure:
    """Predicted against measured depth over diameter, and the intervals' coverage.

    Args:
        prediction: of N craters.
        measured: (N,) depth over diameter.
        seed: of the choice of craters whose 68 % interval is drawn.
    """
    figure = new_figure(10, 4.6)
    left, right = subplots(figure, 1, 2)[0]
    predicted = np.exp(prediction.mean[:, _DEPTH])
    low, high = (np.exp(end[:, _DEPTH]) for end in prediction.interval(0.68))
    left.plot(measured, predicted, ".", color=BLUE, markersize=3, alpha=0.4, label="crater")
    some = np.random.default_rng(seed).permutation(len(measured))[:_BARS]
    left.vlines(measured[some], low[some], high[some], color=ORANGE, lw=1, label="68 % interval")
    ends = [min(measured.min(), predicted.min()), max(measured.max(), predicted.max())]
    left.plot(ends, ends, color=BLACK, lw=1, label="equal")
    left.set(
        xscale="log",
        yscale="log",
        xlabel="measured depth / diameter",
        ylabel="predicted depth / diameter",
    )
    left.legend(loc="lower right")
    right.plot([0, 1], [0, 1], color=BLACK, lw=1, label="as promised")
    right.plot(_LEVELS, _coverage(prediction, measured), "o-", color=VERMILION, label="found")
    right.set(
        xlabel="level of the interval",
        ylabel="part of the craters inside",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    right.legend(loc="upper left")
    return figure


def _coverage(prediction: PhysicalPrediction, measured: FloatArray) -> list[float]:
    truth, found = np.log(measured), []
    for level in _LEVELS:
        low, high = (end[:, _DEPTH] for end in prediction.interval(float(level)))
        found.append(float(((truth >= low) & (truth <= high)).mean()))
    return found
