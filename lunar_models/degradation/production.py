"""Evaluate crater production functions: how many craters of each size a surface collects."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.degradation.references import Reference


@dataclass(frozen=True)
class PolynomialProduction:
    """``log10 N(D) = sum of a_j (log10 D)^j``: craters of D km and larger, per km²."""

    coefficients: tuple[float, ...]
    """a0 … a11. a0 scales N to one billion years; only the ratios N(D1)/N(D2) are used, because
    the chronology function gives N(1)."""
    range_km: tuple[float, float]
    """Diameters for which it was derived."""
    reference: Reference

    def relative(self, diameter_km: npt.ArrayLike) -> Float64Array:
        """Compute ``N(D) / N(1 km)``, same shape; `diameter_km` is clipped to `range_km`."""
        x = np.log10(np.clip(np.asarray(diameter_km, np.float64), *self.range_km))
        shape = np.polynomial.polynomial.polyval(x, (0.0, *self.coefficients[1:]))
        return np.asarray(10.0**shape)

    def slope(self, diameter_km: npt.ArrayLike) -> Float64Array:
        """Compute ``d log N / d log D`` at each diameter, same shape: negative."""
        x = np.log10(np.clip(np.asarray(diameter_km, np.float64), *self.range_km))
        derivative = np.polynomial.polynomial.polyder((0.0, *self.coefficients[1:]))
        return np.asarray(np.polynomial.polynomial.polyval(x, derivative))


@dataclass(frozen=True)
class TabularProduction:
    """Numbers of craters in √2 bins with an edge at 1 km, as Hartmann tabulates them.

    Cumulative numbers are interpolated as power laws between the lower edges of the bins, as
    CraterStats does (Michael 2013, doi 10.1016/j.icarus.2013.07.004).
    """

    increments: tuple[float, ...]
    """Craters per bin and km², ascending in diameter; their scale is not used."""
    index_1km: int
    """Bin that begins at 1 km."""
    reference: Reference

    @property
    def range_km(self) -> tuple[float, float]:
        """From the first to the last lower edge of a bin."""
        log_edges = self._log_edges()
        return float(10.0 ** log_edges[0]), float(10.0 ** log_edges[-1])

    def relative(self, diameter_km: npt.ArrayLike) -> Float64Array:
        """Compute ``N(D) / N(1 km)``, same shape; `diameter_km` is clipped to `range_km`."""
        x = np.log10(np.asarray(diameter_km, np.float64))
        return np.asarray(10.0 ** np.interp(x, self._log_edges(), self._log_cumulative()))

    def slope(self, diameter_km: npt.ArrayLike) -> Float64Array:
        """Compute ``d log N / d log D`` at each diameter, same shape: negative.

        That of each bin holds at its centre and is interpolated between.
        """
        edges = self._log_edges()
        steepness = np.diff(self._log_cumulative()) / np.diff(edges)
        x = np.log10(np.asarray(diameter_km, np.float64))
        return np.asarray(np.interp(x, (edges[:-1] + edges[1:]) / 2.0, steepness))

    def _log_edges(self) -> Float64Array:
        bins = np.arange(len(self.increments)) - self.index_1km
        return np.asarray(bins * np.log10(2.0) / 2.0)

    def _log_cumulative(self) -> Float64Array:
        larger = np.log10(np.cumsum(self.increments[::-1])[::-1])
        return np.asarray(larger - larger[self.index_1km])


ProductionFunction = PolynomialProduction | TabularProduction
"""Has `range_km`, `reference`, and the methods `relative` and `slope`."""
