"""Describe a crop by the principal components of a network's last feature maps."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.errors import ConfigError

CELLS = 3
"""Along each side, to which maps are averaged: floor, walls and surroundings stay apart."""
LEAST_VARIANCE = 1e-4
"""Of a component, over the greatest: smaller ones are not amplified to unit variance."""


class MapComponents(nn.Module):
    """(B, C, H, H) feature maps -> (B, D): averages over cells, whitened principal components.

    What the network sees on its way to the quantities it was taught, without the last layer's
    choice among it. Buffers, not parameters: fitted (`fit`), not trained.
    """

    mean: Tensor
    weight: Tensor

    def __init__(self, *, channels: int, side: int, outputs: int) -> None:
        """Args:
            channels, side: C and H of the maps.
            outputs: D.

        Raises:
            ConfigError: there are not as many components.
        """
        super().__init__()
        self.cell = max(1, side // CELLS)
        inputs = channels * (side // self.cell) ** 2
        if outputs > inputs:
            raise ConfigError(f"latent_dim={outputs + 1} is too large; the most is {inputs + 1}.")
        self.register_buffer("mean", torch.zeros(inputs))
        self.register_buffer("weight", torch.eye(outputs, inputs))

    def pool(self, maps: Tensor) -> Tensor:
        """(B, C, H, H) -> (B, inputs)"""
        return functional.avg_pool2d(maps, self.cell).flatten(1)

    def forward(self, pooled: Tensor) -> Tensor:
        """(B, inputs) of `pool` -> (B, D), unit variance on what was fitted."""
        return functional.linear(pooled - self.mean, self.weight)

    @torch.no_grad()
    def fit(self, pooled: Tensor) -> None:
        """Take the components from (N, inputs) of `pool`."""
        mean = pooled.double().mean(0)
        centred = pooled.double() - mean
        variance, directions = torch.linalg.eigh(centred.T @ centred / len(pooled))
        chosen = variance.argsort(descending=True)[: len(self.weight)]
        variance, directions = variance[chosen], directions[:, chosen]
        # The sign of a component is free; the same one each time.
        largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
        scale = variance.clamp_min(LEAST_VARIANCE * variance[0]).clamp_min(1e-12).rsqrt()
        self.mean.copy_(mean)
        self.weight.copy_((directions * largest.sign() * scale).T)
