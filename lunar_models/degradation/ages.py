"""Compute model ages of a surface from its craters, with Poisson uncertainty.

Michael, Kneissl & Neesemann (2016, doi 10.1016/j.icarus.2016.05.019): k craters in a diameter
range on an area A occur with the Poisson probability of their expected number at age T. With
every age equally likely beforehand, that is the probability density of the age. The age is its
median; the interval lies between quantiles. A count of zero gives an upper limit.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaln
from scipy.stats import kstest

from lunar_models.arrays import Float64Array
from lunar_models.degradation.chronology import (
    OLDEST_GA,
    ChronologySystem,
)
from lunar_models.degradation.size_frequency import CountedArea, area_for
from lunar_models.errors import ConfigError

_GRID = 20_000
_YOUNGEST_GA = 1e-9
SIGMA_68 = 0.6826894921370859


@dataclass(frozen=True)
class ModelAge:
    """The age of a surface in billion years."""

    craters: int
    diameter_min_km: float
    diameter_max_km: float
    median_ga: float
    low_ga: float
    high_ga: float
    level: float
    """Probability between `low_ga` and `high_ga`."""
    n1_per_km2: float
    """Density of craters of 1 km and larger that goes with the median."""

    @classmethod
    def unknown(cls, low_km: float, high_km: float, level: float) -> "ModelAge":
        """Return an unknown age, where the production function knows none of the diameters."""
        return cls(0, low_km, high_km, np.nan, np.nan, np.nan, level, np.nan)

    @property
    def known(self) -> bool:
        """Whether there is an age."""
        return bool(np.isfinite(self.median_ga))

    @property
    def at_limit(self) -> bool:
        """Whether more craters were counted than a surface of the oldest age can have."""
        return self.high_ga > 0.99 * OLDEST_GA


def expected_craters(
    system: ChronologySystem,
    age_ga: Float64Array,
    area_km2: CountedArea,
    low_km: float,
    high_km: float,
) -> Float64Array:
    """Expected number of craters between two diameters, the shape of `age_ga`."""
    diameters = np.geomspace(low_km, high_km, 500 if callable(area_km2) else 2)
    shares = -np.diff(system.production.relative(diameters))
    areas = area_for(area_km2, np.sqrt(diameters[:-1] * diameters[1:]))
    return np.asarray(float((areas * shares).sum()) * system.chronology.density(age_ga))


def is_datable(system: ChronologySystem, low_km: float, high_km: float) -> bool:
    """Return whether the production function knows some of the diameters."""
    smallest, largest = system.production.range_km
    return max(low_km, smallest) < min(high_km, largest)


def model_age(
    system: ChronologySystem,
    diameters_km: Float64Array,
    area_km2: CountedArea,
    low_km: float,
    high_km: float,
    *,
    level: float = SIGMA_68,
) -> ModelAge:
    """Compute the age at which a surface has as many craters between two diameters as were counted.

    Args:
        system: production and chronology function.
        diameters_km: (N,) all craters counted on the area.
        area_km2: counting area.
        low_km: smallest diameter taken, inclusive; below the completeness limit the age is too
            young.
        high_km: largest diameter taken, exclusive; infinity takes all.
        level: probability of the interval; the default is that of one standard deviation.

    Raises:
        ConfigError: the area is not positive, or the range is empty or outside the production
            function's.
    """
    smallest, largest = system.production.range_km
    low, high = max(low_km, smallest), min(high_km, largest)
    size = float(area_for(area_km2, np.array([low_km]))[0])
    if not (np.isfinite(size) and size > 0):
        raise ConfigError(f"area={size} km² is not positive; give the counting area.")
    if not is_datable(system, low_km, high_km):
        raise ConfigError(
            f"The diameters {low_km:g}-{high_km:g} km hold nothing of the production function's "
            f"range {smallest:g}-{largest:g} km; widen them."
        )
    diameters = np.asarray(diameters_km, np.float64)
    count = int(((diameters >= low) & (diameters < high)).sum())
    half = (1.0 - level) / 2.0
    below, median, above = age_quantiles(
        system, count, area_km2, low, high, (half, 0.5, 1.0 - half)
    )
    return ModelAge(
        count, low, high, median, below, above, level, float(system.chronology.density(median))
    )


def production_fit(
    system: ChronologySystem,
    diameters_km: Float64Array,
    area_km2: CountedArea,
    low_km: float,
    high_km: float,
) -> float:
    """Test whether diameters follow the production function, by Kolmogorov and Smirnov.

    Args:
        system: production function.
        diameters_km: (N,) all craters counted on the area; at least one in the range.
        area_km2: counting area.
        low_km: smallest diameter, inclusive.
        high_km: largest diameter, exclusive.

    Returns:
        Probability, in [0, 1], of a distance as large as found or larger if they follow it. A
        small one says that no single age fits all diameters.
    """
    edges = np.geomspace(low_km, high_km, 2_000)
    shares = -np.diff(system.production.relative(edges))
    areas = area_for(area_km2, np.sqrt(edges[:-1] * edges[1:]))
    cumulative = np.r_[0.0, np.cumsum(areas * shares)]
    diameters = np.asarray(diameters_km, np.float64)
    taken = diameters[(diameters >= low_km) & (diameters < high_km)]
    result = kstest(taken, lambda d: np.interp(d, edges, cumulative / cumulative[-1]))
    return float(result.pvalue)


def age_quantiles(
    system: ChronologySystem,
    count: int,
    area_km2: CountedArea,
    low_km: float,
    high_km: float,
    quantiles: tuple[float, ...],
) -> tuple[float, ...]:
    """Ages in Ga at the `quantiles` of the age's probability, given `count` craters."""
    age = np.r_[0.0, np.geomspace(_YOUNGEST_GA, OLDEST_GA, _GRID)]
    expected = expected_craters(system, age, area_km2, low_km, high_km)
    with np.errstate(divide="ignore"):
        log_density = count * np.log(expected) if count else np.zeros_like(expected)
    log_density = log_density - expected - gammaln(count + 1.0)
    density = np.exp(log_density - log_density.max())
    steps = (density[1:] + density[:-1]) / 2.0 * np.diff(age)
    cumulative = np.r_[0.0, np.cumsum(steps)]
    return tuple(float(q) for q in np.interp(quantiles, cumulative / cumulative[-1], age))


def retention_ages(
    system: ChronologySystem,
    craters: pd.DataFrame,
    area_km2: CountedArea,
    low_km: float,
    high_km: float,
    *,
    level: float = SIGMA_68,
) -> pd.DataFrame:
    """Compute how long craters stay in the degradation states up to each one.

    The craters of states 1 … s are those younger than the time a crater needs to leave state s.
    Their density is that of a surface of that age, so its model age is that time (crater retention;
    Trask 1971, USGS Professional Paper 750-D; Moore et al. 1980). It grows with the diameter: for
    a range of diameters it is a mean, weighted to the smallest.

    Args:
        system: production and chronology function.
        craters: diameter_km and state (1 is the freshest) of those counted on the area.
        area_km2: counting area.
        low_km: smallest diameter, the completeness limit of all states.
        high_km: largest diameter.
        level: of the interval.

    Returns:
        A row per state: state, craters (of this and fresher states), age_ga, age_low_ga,
        age_high_ga, n1_per_km2. The last row is the age of the whole population. No rows where
        the production function knows none of the diameters.
    """
    rows = []
    names = ["state", "craters", "age_ga", "age_low_ga", "age_high_ga", "n1_per_km2"]
    if not is_datable(system, low_km, high_km):
        return pd.DataFrame(columns=names)
    for state in sorted(craters["state"].dropna().astype(int).unique()):
        counted = craters.loc[craters["state"] <= state, "diameter_km"].to_numpy(np.float64)
        age = model_age(system, counted, area_km2, low_km, high_km, level=level)
        rows.append((state, age.craters, age.median_ga, age.low_ga, age.high_ga, age.n1_per_km2))
    return pd.DataFrame(rows, columns=names)
