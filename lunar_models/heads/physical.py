"""Turn predicted logarithms of K/R² and depth/diameter into quantities with intervals.

An encoder predicts a mean and a standard deviation for each crater. How far truths really lie
from the mean, in standard deviations, is tabulated on craters of known truth: an interval takes
its ends from these quantiles (normalised conformal prediction; Papadopoulos et al. 2008), so a
crater that the encoder is unsure of has a wide one.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import spearmanr

from lunar_models.errors import LabelsError

Floats = npt.NDArray[np.floating]

QUANTITIES = ("k_over_r2", "depth_over_diameter")
LEAST_MEASURED = 20
"""Measured depths below which there is no recalibration."""
_DEX = np.log(10.0)


@dataclass(frozen=True)
class ResidualTable:
    """Quantiles of (truth - mean) / deviation, the truth being a natural logarithm."""

    levels: Floats
    """(L,) cumulative probabilities, ascending."""
    values: Floats
    """(2, L) quantiles for each of `QUANTITIES`."""

    def at(self, probability: float) -> Floats:
        """Return (2,) quantiles at one cumulative probability."""
        return np.array([np.interp(probability, self.levels, row) for row in self.values])


@dataclass(frozen=True)
class DepthCorrection:
    """A line from predicted to measured depths in the logarithm, and how these lie about it."""

    slope: float
    """Positive: the order of the depths stays."""
    offset: float
    residuals: Floats
    """(L,) the row of `ResidualTable.values` for the corrected depths, whose deviation is `slope`
    times what it was."""


@dataclass(frozen=True)
class PhysicalPrediction:
    """K/R² and depth over diameter of N craters, as distributions of their logarithms."""

    mean: Floats
    """(N, 2) natural logarithms of `QUANTITIES`."""
    deviation: Floats
    """(N, 2) predicted standard deviations."""
    residuals: ResidualTable

    @classmethod
    def of(cls, physics: Floats, residuals: ResidualTable) -> "PhysicalPrediction":
        """From (N, 2, 2) quantity by (mean, deviation), as `Encoder.physics` gives them."""
        physics = np.asarray(physics, np.float64)
        return cls(physics[:, :, 0], physics[:, :, 1], residuals)

    def take(self, rows: npt.NDArray[np.integer]) -> "PhysicalPrediction":
        """Return the predictions of some craters."""
        return replace(self, mean=self.mean[rows], deviation=self.deviation[rows])

    def interval(self, level: float) -> tuple[Floats, Floats]:
        """Return (N, 2) lower and upper ends, natural logarithms, of central intervals.

        Args:
            level: part of the craters whose truth lies inside, in (0, 0.99].
        """
        low, high = (self.residuals.at(0.5 + side * level / 2) for side in (-1, 1))
        return self.mean + low * self.deviation, self.mean + high * self.deviation

    def probability_below(self, quantity: str, log_value: Floats) -> Floats:
        """Tell how probable it is that a quantity is below given values.

        Args:
            quantity: one of `QUANTITIES`.
            log_value: (N, V) natural logarithms.

        Returns:
            (N, V); below the least and above the greatest tabulated quantile 0 and 1.
        """
        n = QUANTITIES.index(quantity)
        standard = (log_value - self.mean[:, n, None]) / self.deviation[:, n, None]
        quantiles, levels = self.residuals.values[n], self.residuals.levels
        return np.asarray(np.interp(standard, quantiles, levels, left=0.0, right=1.0))

    def table(self, diameter_km: Floats, levels: tuple[float, ...]) -> pd.DataFrame:
        """N rows: `k_over_r2`, `k_m2` and `depth_over_diameter`, each with its intervals.

        K = kappa t in m² is K/R² times the squared radius. Ends of the 68 % interval are in
        columns such as `k_m2_low_68` and `k_m2_high_68`.

        Args:
            diameter_km: (N,).
            levels: of the intervals.
        """
        values = {name: np.exp(self.mean[:, n]) for n, name in enumerate(QUANTITIES)}
        for level in levels:
            for end, logs in zip(("low", "high"), self.interval(level), strict=True):
                for n, name in enumerate(QUANTITIES):
                    values[f"{name}_{end}_{100 * level:g}"] = np.exp(logs[:, n])
        square = (500.0 * np.asarray(diameter_km, np.float64)) ** 2
        of_k = {n: v for n, v in values.items() if n.startswith("k_over_r2")}
        values |= {n.replace("k_over_r2", "k_m2"): v * square for n, v in of_k.items()}
        order = ("k_over_r2", "k_m2", "depth_over_diameter")
        columns = [n for first in order for n in values if n.startswith(first)]
        return pd.DataFrame({n: values[n].astype(np.float32) for n in columns})

    def depth_correction(self, depth: Floats) -> DepthCorrection:
        """Fit a correction of the predicted depths to the measured ones of the same craters.

        Args:
            depth: (N,) measured depth over diameter, positive.

        Raises:
            LabelsError: fewer than `LEAST_MEASURED` depths, one is not positive, or they do not
                grow with the predicted ones.
        """
        if len(depth) < LEAST_MEASURED:
            raise LabelsError(
                f"{len(depth)} measured depths of these craters are too few to recalibrate; give "
                f"at least {LEAST_MEASURED}, or leave out calibrate."
            )
        if not (np.isfinite(depth) & (depth > 0)).all():
            raise LabelsError(
                f"A measured depth over diameter is {np.min(depth)}; leave out craters without a "
                "positive depth."
            )
        slope, offset = np.polyfit(self.mean[:, 1], np.log(depth), 1)
        if not slope > 0:
            raise LabelsError(
                f"The {len(depth)} measured depths do not grow with the predicted ones (slope "
                f"{slope:.2g}); check that their CRATER_ID are those of the crops, or leave out "
                "calibrate."
            )
        line = offset + slope * self.mean[:, 1]
        residual = np.sort((np.log(depth) - line) / (slope * self.deviation[:, 1]))
        # The k-th of N residuals has the level k / (N + 1): the intervals' coverage holds for a
        # new crater.
        own = np.arange(1, len(residual) + 1) / (len(residual) + 1)
        quantiles = np.interp(self.residuals.levels, own, residual)
        return DepthCorrection(float(slope), float(offset), quantiles)

    def corrected(self, correction: DepthCorrection) -> "PhysicalPrediction":
        """Correct the depths; K/R² stays as it is: a depth does not tell how it came about."""
        mean, deviation = self.mean.copy(), self.deviation.copy()
        mean[:, 1] = correction.offset + correction.slope * mean[:, 1]
        deviation[:, 1] *= correction.slope
        values = self.residuals.values.copy()
        values[1] = correction.residuals
        return PhysicalPrediction(mean, deviation, replace(self.residuals, values=values))

    def scores(self, truth: Floats) -> dict[str, float]:
        """Compare with (N, 2) natural logarithms of known `QUANTITIES`; NaN where unknown.

        Returns:
            for each quantity with a truth: bias and median absolute error in dex, Spearman's
            correlation, and the coverage of the 68 % and the 95 % interval.
        """
        metrics: dict[str, float] = {}
        for n, name in enumerate(QUANTITIES):
            known = np.isfinite(truth[:, n])
            if not known.any():
                continue
            error = self.mean[known, n] - truth[known, n]
            metrics[f"physics/{name}_bias_dex"] = float(np.median(error) / _DEX)
            metrics[f"physics/{name}_error_dex"] = float(np.median(np.abs(error)) / _DEX)
            rank = spearmanr(self.mean[known, n], truth[known, n]).statistic
            metrics[f"physics/{name}_spearman"] = float(rank)
            for level in (0.68, 0.95):
                low, high = (end[known, n] for end in self.interval(level))
                inside = (truth[known, n] >= low) & (truth[known, n] <= high)
                metrics[f"physics/{name}_coverage_{100 * level:g}"] = float(inside.mean())
        return metrics
