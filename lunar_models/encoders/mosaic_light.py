"""Estimate a mosaic's light from the incidences that a network predicts crop by crop."""

import math
from dataclasses import dataclass

from torch import Tensor

INCIDENCE_NOISE = 0.3
"""Spread of predicted incidences, in standard units (2.8 deg), on a mosaic under one Sun."""
SLOPE_DEVIATION = 0.5
"""Of slopes expected before any crop is seen: few crops tell little."""
LEAST_SPREAD = 0.02
"""Of log brightness: below it, all crops are equally bright."""
MOST_SPREADS = 3.0
"""At which brightness is clipped: pictures that were exposed otherwise must not rule the rest."""


@dataclass(frozen=True)
class MosaicLight:
    """Incidence of the Sun in standard units, as a line over log brightness in its spreads."""

    mosaic_incidence: float | None = None
    """Where brightness is the mosaic's; None where no mosaic was seen."""
    incidence_share: float = 1.0
    """Part of the variance about the line that is error of the predictions, in (0, 1]."""
    brightness_slope: float = 0.0
    """Not positive: darker ground is lit more obliquely. 0 where brightness tells nothing."""
    brightness_spread: float = 1.0
    """Half of the distance between the 16 % and 84 % quantiles of log brightness."""

    def in_spreads(self, brightness: Tensor) -> Tensor:
        """(B,) brightness over the mosaic's -> its logarithm over the spread, clipped."""
        units = brightness.clamp_min(1e-3).log() / self.brightness_spread
        return units.clamp(-MOST_SPREADS, MOST_SPREADS)

    @property
    def brightness_limits(self) -> tuple[float, float]:
        """Brightness over the mosaic's beyond which it is clipped."""
        most = math.exp(MOST_SPREADS * self.brightness_spread)
        return 1.0 / most, most

    def expected(self, brightness: Tensor) -> Tensor:
        """Incidence where a crop is so bright: (B,) over the mosaic's -> (B,)."""
        return (self.mosaic_incidence or 0.0) + self.brightness_slope * self.in_spreads(brightness)


def fit_light(incidence: Tensor, brightness: Tensor) -> MosaicLight:
    """Fit the light of a mosaic, without a label.

    On level ground of one albedo, brightness falls as the Sun gets lower. Where albedo makes the
    brightness instead, predicted incidences do not follow it, and the slope, of a ridge regression
    (Hoerl and Kennard 1970), stays near 0.

    Args:
        incidence: (N,) predicted, standard units, N at least 1.
        brightness: (N,) mean brightness over the mosaic's.
    """
    spread = max(_half_width(brightness.clamp_min(1e-3).log()), LEAST_SPREAD)
    units = MosaicLight(brightness_spread=spread).in_spreads(brightness)
    centred = units - units.mean()
    ridge = (INCIDENCE_NOISE / SLOPE_DEVIATION) ** 2
    slope = min(float((centred * incidence).sum() / (centred.square().sum() + ridge)), 0.0)
    level = incidence - slope * units
    # The part of the predictions' variance that is error, not a difference of the Sun.
    noise = max(_half_width(level), INCIDENCE_NOISE)
    return MosaicLight(float(level.median()), (INCIDENCE_NOISE / noise) ** 2, slope, spread)


def _half_width(values: Tensor) -> float:
    low, high = (float(values.quantile(level)) for level in (0.16, 0.84))
    return (high - low) / 2
