"""Tabulate published production, chronology and equilibrium functions of lunar craters.

A production function says how many craters of each size a surface collects; a chronology
function, how many craters of 1 km and larger a surface of a given age has. Together they date a
surface: Neukum (1983), Michael & Neukum (2010, doi 10.1016/j.epsl.2009.12.041).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.degradation.production import (
    PolynomialProduction,
    ProductionFunction,
    TabularProduction,
)
from lunar_models.degradation.references import Reference
from lunar_models.errors import ConfigError

OLDEST_GA = 4.6
"""No surface of the Moon is older, in 10⁹ years."""


NEUKUM_1983 = Reference(
    "neukum1983",
    "Neukum, G.",
    1983,
    "Meteoritenbombardement und Datierung planetarer Oberflächen",
    "habilitation thesis, Ludwig-Maximilians-Universität München, 186 pp. (NASA TM-77558)",
)
NEUKUM_2001 = Reference(
    "neukum2001",
    "Neukum, G., Ivanov, B. A., & Hartmann, W. K.",
    2001,
    "Cratering records in the inner solar system in relation to the lunar reference system",
    "Space Science Reviews, 96, 55-86",
    "10.1023/A:1011989004263",
)
YUE_2022 = Reference(
    "yue2022",
    "Yue, Z., Di, K., Wan, W., et al.",
    2022,
    "Updated lunar cratering chronology model with the radiometric age of Chang'e-5 samples",
    "Nature Astronomy, 6, 541-545",
)
MICHAEL_2013 = Reference(
    "michael2013",
    "Michael, G. G.",
    2013,
    "Planetary surface dating from crater size-frequency distribution measurements: Multiple "
    "resurfacing episodes and differential isochron fitting",
    "Icarus, 226, 885-890",
    "10.1016/j.icarus.2013.07.004",
)
HARTMANN_2010 = Reference(
    "hartmann2010",
    "Hartmann, W. K.",
    2010,
    "Lunar isochrons, 2010 iteration",
    "private communication to G. G. Michael, distributed with CraterStats",
)
TRASK_1966 = Reference(
    "trask1966",
    "Trask, N. J.",
    1966,
    "Size and spatial distribution of craters estimated from the Ranger photographs",
    "JPL Technical Report 32-800, 252-264",
)
HARTMANN_1984 = Reference(
    "hartmann1984",
    "Hartmann, W. K.",
    1984,
    "Does crater 'saturation equilibrium' occur in the solar system?",
    "Icarus, 60, 56-74",
    "10.1016/0019-1035(84)90138-6",
)


@dataclass(frozen=True)
class ChronologyFunction:
    """``N(1) = a (exp(b T) - 1) + c T``: craters of 1 km and larger per km² at T billion years."""

    a: float
    b: float
    c: float
    reference: Reference

    def density(self, age_ga: npt.ArrayLike) -> Float64Array:
        """Craters of 1 km and larger per km², same shape."""
        age = np.asarray(age_ga, np.float64)
        return np.asarray(self.a * np.expm1(self.b * age) + self.c * age)

    def age(self, density_per_km2: npt.ArrayLike) -> Float64Array:
        """Age in billion years of each N(1), same shape; NaN above `OLDEST_GA`."""
        density = np.asarray(density_per_km2, np.float64)
        age = np.minimum(density / self.c, OLDEST_GA)  # an upper bound; Newton falls from there
        for _ in range(60):
            rate = self.a * self.b * np.exp(self.b * age) + self.c
            age = age - (self.density(age) - density) / rate
        return np.asarray(np.where(density <= self.density(OLDEST_GA), age, np.nan))


@dataclass(frozen=True)
class EquilibriumFunction:
    """``log10 N(D) = a + b log10 D``: the density a surface cannot exceed for long."""

    name: str
    a: float
    b: float
    reference: Reference

    def density(self, diameter_km: npt.ArrayLike) -> Float64Array:
        """Craters of D km and larger per km², same shape."""
        return np.asarray(10.0**self.a * np.asarray(diameter_km, np.float64) ** self.b)


@dataclass(frozen=True)
class ChronologySystem:
    """A production function and the chronology function it goes with."""

    name: str
    craterstats: str
    """Its name in CraterStats."""
    production: ProductionFunction
    chronology: ChronologyFunction

    @property
    def references(self) -> tuple[Reference, ...]:
        """Works to cite."""
        return tuple(dict.fromkeys((self.production.reference, self.chronology.reference)))


_RANGE_KM = (0.01, 300.0)
_PRODUCTION_1983 = PolynomialProduction(
    # a0 as in the thesis; -3.0768 for 1 Ga
    (-2.5339, -3.6269, 0.43662, 0.79347, 0.086468, -0.26485, -0.066382, 0.037923, 0.010596,
     -0.0022496, -0.00051797, 0.0000397),
    _RANGE_KM, NEUKUM_1983,
)  # fmt: skip
_PRODUCTION_2001 = PolynomialProduction(
    # Table 1 prints a0 = -3.0876; the chronology function gives -3.0768 for 1 Ga
    (-3.0876, -3.557528, 0.781027, 1.021521, -0.156012, -0.444058, 0.019977, 0.086850, -0.005874,
     -0.006809, 8.25e-4, 5.54e-5),
    _RANGE_KM, NEUKUM_2001,
)  # fmt: skip
_PRODUCTION_HARTMANN = TabularProduction(
    (3.66e4, 9.87e3, 2.63e3, 6.99e2, 1.86e2, 4.98e1, 1.33e1, 3.49, 0.940, 0.250, 6.65e-2, 1.76e-2,
     4.69e-3, 1.25e-3, 4.73e-4, 2.53e-4, 1.36e-4, 7.26e-5, 3.90e-5, 2.08e-5, 1.12e-5, 5.98e-6,
     3.21e-6, 1.72e-6, 9.22e-7, 3.80e-7, 1.50e-7),
    13, HARTMANN_2010,
)  # fmt: skip

SYSTEMS = {
    "neukum1983": ChronologySystem(
        "Neukum (1983)",
        "Moon, Neukum (1983)",
        _PRODUCTION_1983,
        ChronologyFunction(5.44e-14, 6.93, 8.38e-4, NEUKUM_1983),
    ),
    "neukum2001": ChronologySystem(
        "Neukum et al. (2001)",
        "Moon, Neukum et al. (2001)",
        _PRODUCTION_2001,
        ChronologyFunction(5.44e-14, 6.93, 8.38e-4, NEUKUM_2001),
    ),
    "yue2022": ChronologySystem(
        "Yue et al. (2022)",
        "Moon, Yue et al. (2022)",
        _PRODUCTION_2001,
        ChronologyFunction(1.089e-13, 6.757, 7.660e-4, YUE_2022),
    ),
    "hartmann2010": ChronologySystem(
        "Hartmann (2010 iteration)",
        "Moon, Hartmann 2010 iteration",
        _PRODUCTION_HARTMANN,
        ChronologyFunction(2.57e-14, 6.93, 3.97e-4, MICHAEL_2013),
    ),
}
"""Chronology systems by the name a user gives."""

TRASK = EquilibriumFunction("equilibrium (Trask 1966)", -1.1, -2.0, TRASK_1966)
HARTMANN = EquilibriumFunction("saturation (Hartmann 1984)", -1.14, -1.83, HARTMANN_1984)
"""The cumulative form of Hartmann's incremental line -1.33 - 1.83 log10 D for √2 bins."""


def chronology_system(name: str) -> ChronologySystem:
    """Return the system called `name`.

    Raises:
        ConfigError: there is none.
    """
    if name not in SYSTEMS:
        raise ConfigError(f"chronology={name!r} is not one of {', '.join(SYSTEMS)}.")
    return SYSTEMS[name]
