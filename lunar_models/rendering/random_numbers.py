"""Draw random numbers for a batch of simulated craters, on the device of their generator."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_models.joint_batch import draw


@dataclass(frozen=True)
class Chance:
    """Random numbers for `count` craters, all from one generator and on its device."""

    count: int
    generator: torch.Generator

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Draw `(count, *shape)` values, uniform between the two limits."""
        return draw(torch.rand, self.count, *shape, generator=self.generator) * (high - low) + low

    def log_uniform(self, low: float, high: float) -> Tensor:
        """Draw (count,) values, uniform in the logarithm."""
        return self.uniform(math.log(low), math.log(high)).exp()

    def normal(self, deviation: float, *shape: int) -> Tensor:
        """Draw `(count, *shape)` Gaussian values of mean 0."""
        return draw(torch.randn, self.count, *shape, generator=self.generator) * deviation

    def poisson(self, mean: Tensor) -> Tensor:
        """Draw (count,) int64 Poisson counts of the given (count,) means."""
        return torch.poisson(mean, generator=self.generator).long()

    def angle(self) -> Tensor:
        """Draw (count, 1, 1) angles, uniform in [0, 2 pi), radians."""
        return each(self.uniform(0, 2 * math.pi))

    def happens(self, probability: float) -> Tensor:
        """Draw (count,) bool, each true with the given probability."""
        return self.uniform(0, 1) < probability


def each(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1), to meet (B, H, W)."""
    return values[:, None, None]
