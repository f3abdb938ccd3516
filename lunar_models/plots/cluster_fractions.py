"""Draw the fraction of each group by latitude and longitude, which reveals mosaic seams."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from lunar_models.arrays import FloatArray
from lunar_models.plots.groups import Groups
from lunar_models.plots.style import new_figure, subplots

_BINS = 12
_FEWEST = 5


def wilson_interval(count: FloatArray, total: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Compute the 95 % interval of a fraction (Wilson 1927, doi 10.1080/01621459.1927.10502953).

    Args:
        count: successes, any shape.
        total: trials, at least 1, same shape.
    """
    z = 1.959963984540054
    centre = (count + z**2 / 2) / (total + z**2)
    half = z / (total + z**2) * np.sqrt(count * (total - count) / total + z**2 / 4)
    return centre - half, centre + half


def fractions_by_place(lonlat: FloatArray, groups: Groups) -> Figure:
    """Draw the fraction of each group by latitude and longitude with 95 % Wilson intervals.

    The bands are intervals for counting alone; craters near one another are not independent.

    Args:
        lonlat: (N, 2) longitude and latitude in degrees.
        groups: N craters.
    """
    groups.require(len(lonlat))
    figure = new_figure(12, 4.8)
    axes = subplots(figure, 1, 2, sharey=True)[0]
    _fractions(axes[0], lonlat[:, 1], groups)
    _fractions(axes[1], lonlat[:, 0], groups)
    axes[0].set(xlabel="latitude (°)", ylabel="fraction of the craters in the bin", ylim=(0, None))
    axes[1].set(xlabel="longitude (°, east positive)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def _fractions(axes: Any, coordinate: FloatArray, groups: Groups) -> None:
    edges = np.linspace(coordinate.min(), coordinate.max(), _BINS + 1)
    total = np.histogram(coordinate, edges)[0]
    enough = total >= _FEWEST
    middles = ((edges[1:] + edges[:-1]) / 2)[enough]
    for group, style in groups.styles.items():
        count = np.histogram(coordinate[groups.members(group)], edges)[0][enough]
        low, high = wilson_interval(count, total[enough])
        axes.plot(middles, count / total[enough], marker=style.marker, ms=5,
                  color=style.colour, label=style.name)  # fmt: skip
        axes.fill_between(middles, low, high, color=style.colour, alpha=0.2, lw=0)
    axes.grid(alpha=0.3)
