"""Embed crops with the encoder half of an autoencoder of the original pipeline."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import Encoder
from lunar_models.errors import ConfigError

WIDTHS = (16, 32, 64, 128)
"""Channels after each convolution, in the published form."""


class OriginalEncoder(Encoder):
    """Stride-2 convolutions with rectifiers, flatten, and a linear layer to the latent.

    Comes from `import_checkpoint` and is not trained again: its decoder is left behind.
    """

    name = "original_cae"

    def __init__(
        self,
        *,
        crop_size_px: int,
        latent_dim: int,
        kernel_px: int,
        batch_norm: bool,
        widths: Sequence[int] = WIDTHS,
        padding_px: int = 1,
    ) -> None:
        super().__init__()
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim
        self.kernel_px, self.batch_norm, self.padding_px = kernel_px, batch_norm, padding_px
        self.widths = tuple(widths)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((1, *self.widths)):
            layers.append(nn.Conv2d(inputs, outputs, kernel_px, stride=2, padding=padding_px))
            layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
            layers.append(nn.ReLU())
        side = side_after_convolutions(crop_size_px, kernel_px, padding_px, len(self.widths))
        features = self.widths[-1] * side**2
        self.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(features, latent_dim))

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        raise ConfigError("original_cae is imported, not trained; encoder=cae is its successor.")

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.crop_size_px,
            "latent_dim": self.embedding_dim,
            "kernel_px": self.kernel_px,
            "batch_norm": self.batch_norm,
            "widths": list(self.widths),
            "padding_px": self.padding_px,
        }

    def _embed(self, crops: Tensor) -> Tensor:
        latent: Tensor = self.encoder(crops)
        return latent

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        raise ConfigError("original_cae was imported without its decoder and has no loss.")


def side_after_convolutions(crop_size_px: int, kernel_px: int, padding_px: int, count: int) -> int:
    """Side of the last of `count` stride-2 convolutions' output; 0 where nothing is left."""
    side = crop_size_px
    for _ in range(count):
        side = max((side + 2 * padding_px - kernel_px) // 2 + 1, 0)
    return side
