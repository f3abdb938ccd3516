"""Compute crater size-frequency distributions: bins, densities, Poisson intervals and slopes.

Definitions: Crater Analysis Techniques Working Group (1979, Icarus 37, 467-474),
also cited as Arvidson et al.; pseudo-log bins: Neukum (1983), Michael (2013, doi
10.1016/j.icarus.2013.07.004).
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import chi2

from lunar_models.arrays import Float64Array
from lunar_models.errors import ConfigError

CountedArea = float | Callable[[Float64Array], Float64Array]
"""km²: one area for all craters, or that on which craters of each diameter in km are counted."""

Binning = Literal["root2", "pseudo-log", "10/decade", "20/decade"]

_PSEUDO_LOG = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0,
               9.0)  # fmt: skip
_PER_DECADE = {"root2": 2.0 / np.log10(2.0), "10/decade": 10.0, "20/decade": 20.0}
_STEEPEST = (-100.0, 50.0)


def area_for(area_km2: CountedArea, diameter_km: Float64Array) -> Float64Array:
    """Counting area of each diameter, same shape."""
    if callable(area_km2):
        return area_km2(diameter_km)
    return np.full(np.shape(diameter_km), float(area_km2))


def bin_edges(smallest_km: float, largest_km: float, binning: Binning) -> Float64Array:
    """Edges in km of the bins from the one with the smallest to the one with the largest diameter.

    ``root2``: powers of √2 with an edge at 1 km. ``pseudo-log``: 18 bins a decade (Neukum 1983).
    Any other: equal bins of log10 D.

    Returns:
        (B + 1,) float64, ascending.
    """
    if not 0 < smallest_km <= largest_km:
        raise ConfigError(
            f"Diameters from {smallest_km} to {largest_km} km make no bins; give a larger range."
        )
    if binning == "pseudo-log":
        decades = np.arange(np.floor(np.log10(smallest_km)) - 1, np.ceil(np.log10(largest_km)) + 2)
        edges = np.outer(10.0**decades, _PSEUDO_LOG).ravel()
    else:
        width = _PER_DECADE[binning]
        first = np.floor(np.log10(smallest_km) * width) - 1
        edges = 10.0 ** (np.arange(first, np.ceil(np.log10(largest_km) * width) + 3) / width)
    edges = np.round(edges, 12)
    low = np.searchsorted(edges, smallest_km, side="right") - 1
    high = np.searchsorted(edges, largest_km, side="right")
    return np.asarray(edges[low : high + 1])


def poisson_interval(
    count: npt.ArrayLike, level: float = 0.6827
) -> tuple[Float64Array, Float64Array]:
    """Exact central interval of a Poisson mean, given counts (Garwood 1936); same shape."""
    n = np.asarray(count, np.float64)
    tail = (1.0 - level) / 2.0
    with np.errstate(invalid="ignore"):
        low = np.where(n > 0, chi2.ppf(tail, 2 * n) / 2.0, 0.0)
    return np.asarray(low), np.asarray(chi2.ppf(1.0 - tail, 2 * n + 2) / 2.0)


def size_frequency(
    diameters_km: Float64Array,
    area_km2: CountedArea,
    edges_km: Float64Array,
    *,
    level: float = 0.6827,
) -> pd.DataFrame:
    """Count craters in bins, in the three standard forms.

    Args:
        diameters_km: (N,) all craters on the area; those above the last edge count as larger ones.
        area_km2: counting area.
        edges_km: (B + 1,) ascending.
        level: probability of the intervals.

    Returns:
        B rows: d_low_km, d_high_km, d_mean_km (geometric), count; then per km²
        cumulative (craters of d_low_km and larger), differential (count / bin width, per km³), and
        R (differential × d_mean³, dimensionless), each with _low and _high. Every crater counts,
        so the errors of neighbouring cumulative values are not independent.
    """
    low, high = edges_km[:-1], edges_km[1:]
    ordered = np.sort(np.asarray(diameters_km, np.float64))
    larger = len(ordered) - np.searchsorted(ordered, edges_km, side="left")
    count = larger[:-1] - larger[1:]
    mean = np.sqrt(low * high)
    table = pd.DataFrame({"d_low_km": low, "d_high_km": high, "d_mean_km": mean, "count": count})
    # The sum over larger craters of one over their areas; one over the area itself without any.
    sums = np.r_[0.0, np.cumsum(1.0 / area_for(area_km2, ordered[::-1]))][larger]
    empty = 1.0 / area_for(area_km2, mean)
    above = np.where(larger[:-1] > 0, sums[:-1] / np.maximum(larger[:-1], 1), empty)
    within = np.where(count > 0, (sums[:-1] - sums[1:]) / np.maximum(count, 1), empty)
    forms = {
        "cumulative": (larger[:-1], above),
        "differential": (count, within / (high - low)),
        "r": (count, within * mean**3 / (high - low)),
    }
    for name, (number, scale) in forms.items():
        least, most = poisson_interval(number, level)
        table[name] = number * scale
        table[f"{name}_low"], table[f"{name}_high"] = least * scale, most * scale
    return table


def density_at(
    diameters_km: Float64Array, area_km2: CountedArea, diameter_km: float, *, level: float = 0.6827
) -> tuple[int, float, float, float]:
    """N(D): craters of D km and larger, their density per km², and the interval of the density."""
    counted = np.asarray(diameters_km, np.float64)
    counted = counted[counted >= diameter_km]
    low, high = poisson_interval(len(counted), level)
    shown = counted if len(counted) else np.array([diameter_km])
    scale = float((1.0 / area_for(area_km2, shown)).mean())
    return len(counted), len(counted) * scale, float(low) * scale, float(high) * scale


def power_law_slope(
    diameters_km: Float64Array, low_km: float, high_km: float = np.inf, *, level: float = 0.6827
) -> tuple[int, float, float, float]:
    """Slope b of ``N(>= D) ~ D^b`` by maximum likelihood, with its likelihood-ratio interval.

    For a power law between two limits (Aban, Meerschaert & Panorska 2006, doi
    10.1198/016214505000000411). Least squares on binned cumulative counts is biased and has no
    valid error, because the counts are not independent.

    Args:
        diameters_km: (N,) craters.
        low_km: smallest diameter, the completeness limit.
        high_km: largest diameter looked for; infinity if none was set.
        level: of the interval.

    Returns:
        Number of craters used, slope, low, high; NaN with fewer than three craters.
    """
    d = np.asarray(diameters_km, np.float64)
    d = d[(d >= low_km) & (d < high_km)]
    if len(d) < 3 or d.max() <= low_km:
        return len(d), np.nan, np.nan, np.nan
    x, span = np.log(d / low_km).mean(), np.log(high_km / low_km)
    best = -1.0 / x if np.isinf(span) else _root(lambda b: _score(b, x, span))
    if best is None:
        return len(d), np.nan, np.nan, np.nan
    ends = (100.0 * best, 1e-6 * best) if np.isinf(span) else _STEEPEST
    drop = chi2.ppf(level, 1) / (2.0 * len(d))
    top = _log_likelihood(best, x, span)

    def deficit(b: float) -> float:
        return float(_log_likelihood(b, x, span) - top + drop)

    low, high = (_crossing(deficit, best, end) for end in ends)
    return len(d), float(best), low, high


def _log_likelihood(b: float, x: float, span: float) -> float:
    """Mean log-likelihood of ``log(D / low)``, exponential with rate -b up to `span`."""
    if np.isinf(span):
        return float(np.log(-b) + b * x)
    if abs(b * span) < 1e-9:
        return float(-np.log(span))
    return float(np.log(b / np.expm1(b * span)) + b * x)


def _score(b: float, x: float, span: float) -> float:
    """Derivative of the mean log-likelihood for a finite `span`."""
    if abs(b * span) < 1e-6:
        return float(x - span / 2.0 - b * span**2 / 12.0)
    return float(1.0 / b - span / -np.expm1(-b * span) + x)


def _crossing(deficit: Callable[[float], float], best: float, end: float) -> float:
    """Where the likelihood has fallen enough between `best` and `end`; infinite if nowhere."""
    if deficit(end) >= 0:
        return float(np.copysign(np.inf, end))
    return float(brentq(deficit, min(best, end), max(best, end)))


def _root(score: Callable[[float], float]) -> float | None:
    for top in (-1e-9, _STEEPEST[1]):
        if score(_STEEPEST[0]) * score(top) < 0:
            return float(brentq(score, _STEEPEST[0], top))
    return None
