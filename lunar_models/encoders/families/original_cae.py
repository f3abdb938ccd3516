"""The encoder half of the original pipeline's autoencoder, so that its models live on."""

from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import Encoder
from lunar_models.errors import ConfigError

WIDTHS = (1, 16, 32, 64, 128)


class OriginalEncoder(Encoder):
    """Four stride-2 convolutions with rectifiers, flatten, and a linear layer to the latent.

    Comes from `import_checkpoint` and is not trained again: its decoder is left behind.
    """

    name = "original_cae"

    def __init__(
        self, *, crop_size_px: int, latent_dim: int, kernel_px: int, batch_norm: bool
    ) -> None:
        super().__init__()
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim
        self.kernel_px, self.batch_norm = kernel_px, batch_norm
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(WIDTHS):
            layers.append(nn.Conv2d(inputs, outputs, kernel_px, stride=2, padding=1))
            layers += [nn.BatchNorm2d(outputs)] if batch_norm else []
            layers.append(nn.ReLU())
        features = WIDTHS[-1] * side_after_convolutions(crop_size_px, kernel_px) ** 2
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
        }

    def _embed(self, crops: Tensor) -> Tensor:
        latent: Tensor = self.encoder(crops)
        return latent

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        raise ConfigError("original_cae was imported without its decoder and has no loss.")


def side_after_convolutions(crop_size_px: int, kernel_px: int) -> int:
    """Side of the last convolution's output, padding 1, stride 2."""
    side = crop_size_px
    for _ in WIDTHS[1:]:
        side = (side + 2 - kernel_px) // 2 + 1
    return side
