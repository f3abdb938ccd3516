"""Estimate a mosaic's light from what a network predicts crop by crop, without a label."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

INCIDENCE_NOISE = 0.3
"""Spread of predicted incidences, in standard units (2.8 deg), on a mosaic under one Sun."""
SLOPE_DEVIATION = 0.5
"""Of slopes expected before any crop is seen: few crops tell little."""
LEAST_SPREAD = 0.02
"""Of log brightness: below it, all crops are equally bright."""
MOST_SPREADS = 3.0
"""At which brightness is clipped: pictures that were exposed otherwise must not rule the rest."""
INTERIOR_RADII = 1.2
"""Of the disc, rim included, whose contrast is measured."""
INTERIOR_CELLS = 12
"""Along a crop, over which brightness is averaged before: slopes of the crater, not texture."""
CONTRAST_NOISE = 0.3
"""Spread of the log contrast of craters that are predicted to be equally deep."""
CONTRAST_SLOPE, CONTRAST_SLOPE_DEVIATION, LEAST_CONTRAST_SLOPE = 0.5, 0.3, 0.1
"""Of log contrast over predicted depth (standard units), expected before any crop is seen."""


@dataclass(frozen=True)
class MosaicLight:
    """The Sun and the contrast it makes, over log brightness in its spreads.

    Incidence and depth are in standard units, contrast is that of `interior_contrast`.
    """

    mosaic_incidence: float | None = None
    """Where brightness is the mosaic's; None where no mosaic was seen."""
    incidence_share: float = 1.0
    """Part of the variance about the line that is error of the predictions, in (0, 1]."""
    brightness_slope: float = 0.0
    """Not positive: darker ground is lit more obliquely. 0 where brightness tells nothing."""
    brightness_spread: float = 1.0
    """Half of the distance between the 16 % and 84 % quantiles of log brightness."""
    contrast_level: float | None = None
    """Contrast of a crater of depth 0 where brightness is the mosaic's; None: no mosaic seen."""
    contrast_per_depth: float = CONTRAST_SLOPE
    contrast_per_brightness: float = 0.0
    """Not positive: a lower Sun makes ground darker and slopes differ more from it."""
    contrast_share: float = 1.0
    """As `incidence_share`, of contrasts; smaller where albedo or the Sun make them differ."""

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

    def oblique(self, incidence: Tensor, brightness: Tensor) -> Tensor:
        """Incidence beyond that of the mosaic's crops of such brightness: (B,) each.

        0 where no mosaic was seen.
        """
        if self.mosaic_incidence is None:
            return torch.zeros_like(incidence)
        return incidence - self.expected(brightness)

    def with_depths(self, slope: float, offset: float) -> "MosaicLight":
        """Return the same light for depths that are ``slope * depth + offset``."""
        if self.contrast_level is None:
            return self
        per_depth = self.contrast_per_depth / slope
        level = self.contrast_level - per_depth * offset
        return replace(self, contrast_level=level, contrast_per_depth=per_depth)

    def contrast_gain(self, variance: Tensor) -> Tensor:
        """Depth per excess of contrast, by the Kalman gain: (B,) variances of depth -> (B,).

        The surer the depth and the more contrasts spread, the less they change it.
        """
        slope = self.contrast_per_depth
        return variance * slope / (variance * slope**2 + CONTRAST_NOISE**2 / self.contrast_share)

    def excess(self, contrast: Tensor, depth: Tensor, brightness: Tensor) -> Tensor:
        """Contrast beyond that of the mosaic's craters of such depth and brightness: (B,) each.

        0 where no mosaic was seen.
        """
        if self.contrast_level is None:
            return torch.zeros_like(contrast)
        expected = self.contrast_level + self.contrast_per_depth * depth
        return contrast - expected - self.contrast_per_brightness * self.in_spreads(brightness)


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


def fit_contrast(
    light: MosaicLight, contrast: Tensor, depth: Tensor, brightness: Tensor
) -> MosaicLight:
    """Fit how the contrast of a mosaic's craters depends on their depth and brightness.

    A plane by a ridge regression towards `CONTRAST_SLOPE` and 0 (few crops tell little) through
    the crops that are no outliers: black or empty ones must not turn it. Contrast grows with depth
    and falls with brightness, or does not depend on it.

    Args:
        light: of this mosaic.
        contrast: (N,) of `interior_contrast`, N at least 1.
        depth: (N,) predicted, standard units.
        brightness: (N,) mean brightness over the mosaic's.

    Returns:
        `light` with its fields of contrast.
    """
    units = light.in_spreads(brightness)
    left = contrast - CONTRAST_SLOPE * depth
    usual = _usual(left)
    inputs = torch.stack([depth, units], 1)[usual].double()
    inputs, left = inputs - inputs.mean(0), left[usual].double()
    more, per_brightness = _ridge(inputs, left)
    if per_brightness > 0:
        (more,), per_brightness = _ridge(inputs[:, :1], left), 0.0
    per_depth = max(CONTRAST_SLOPE + more, LEAST_CONTRAST_SLOPE)
    level = (contrast - per_depth * depth - per_brightness * units)[usual]
    noise = max(_half_width(level), CONTRAST_NOISE)
    return replace(
        light,
        contrast_level=float(level.median()),
        contrast_per_depth=per_depth,
        contrast_per_brightness=per_brightness,
        contrast_share=(CONTRAST_NOISE / noise) ** 2,
    )


def interior_contrast(crops: Tensor, contrast: Tensor, context_diameters: float) -> Tensor:
    """Measure the contrast inside the rim, which slopes make there under one Sun.

    Args:
        crops: (B, 1, S, S) brightness over its mean, less 1, over `contrast`.
        contrast: (B,)
        context_diameters: side of a crop in crater diameters.

    Returns:
        (B,) natural logarithm of the standard deviation of brightness over its mean.
    """
    cell = max(1, crops.shape[-1] // INTERIOR_CELLS)
    coarse = functional.avg_pool2d(crops, cell)[:, 0]
    count = coarse.shape[-1]
    axis = (torch.arange(count, device=crops.device) + 0.5) / count - 0.5
    squared = (2 * context_diameters) ** 2 * (axis[:, None].square() + axis.square())
    inside = (squared < INTERIOR_RADII**2).to(crops.dtype)
    inside = inside / inside.sum()
    mean = (coarse * inside).sum((1, 2), keepdim=True)
    variance = ((coarse - mean).square() * inside).sum((1, 2))
    return (variance.sqrt() * contrast + 1e-3).log()


def _usual(values: Tensor) -> Tensor:
    """(N,) whether values are near the median: within five deviations, told from the median one.

    As robust as that: half of the values may be anything.
    """
    distance = (values - values.median()).abs()
    return distance <= 5 * max(1.4826 * float(distance.median()), CONTRAST_NOISE)


def _ridge(inputs: Tensor, outputs: Tensor) -> list[float]:
    """Slopes of (N,) `outputs` over (N, K) centred `inputs`, shrunk towards 0."""
    ridge = (CONTRAST_NOISE / CONTRAST_SLOPE_DEVIATION) ** 2
    normal = inputs.T @ inputs + ridge * torch.eye(inputs.shape[1]).to(inputs)
    slopes: list[float] = torch.linalg.solve(normal, inputs.T @ outputs).tolist()
    return slopes


def _half_width(values: Tensor) -> float:
    low, high = (float(values.quantile(level)) for level in (0.16, 0.84))
    return (high - low) / 2
