"""Train a convolutional autoencoder, like that of the original pipeline, for any crop size."""

import math
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import Encoder

WIDTHS = (16, 32, 64, 128)


def _down(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _up(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class ConvolutionalAutoencoder(Encoder):
    """Four stride-2 convolutions (16-32-64-128), a linear bottleneck, and the mirror image.

    The loss is the mean squared error of the normalised brightness.
    """

    name = "cae"
    stays_on_device = True

    def __init__(self, *, crop_size_px: int, latent_dim: int) -> None:
        super().__init__()
        self.crop_size_px = crop_size_px
        self.embedding_dim = latent_dim
        # Each stride-2 convolution halves, rounding up; the decoder overshoots and is cropped.
        self._side = math.ceil(crop_size_px / 2 ** len(WIDTHS))
        features = WIDTHS[-1] * self._side**2
        down, up = (1, *WIDTHS), (*WIDTHS[::-1],)
        self.convolutions = nn.Sequential(*(_down(a, b) for a, b in pairwise(down)))
        self.to_latent = nn.Linear(features, latent_dim)
        self.from_latent = nn.Linear(latent_dim, features)
        self.deconvolutions = nn.Sequential(
            *(_up(a, b) for a, b in pairwise(up)),
            nn.ConvTranspose2d(up[-1], 1, 4, stride=2, padding=1),
        )

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(crop_size_px=crop_size_px, latent_dim=config.latent_dim)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"crop_size_px": self.crop_size_px, "latent_dim": self.embedding_dim}

    def _embed(self, crops: Tensor) -> Tensor:
        latent: Tensor = self.to_latent(self.convolutions(crops).flatten(1))
        return latent

    def _decode(self, latent: Tensor) -> Tensor:
        features = self.from_latent(latent).view(-1, WIDTHS[-1], self._side, self._side)
        crops: Tensor = self.deconvolutions(features)
        return crops[:, :, : self.crop_size_px, : self.crop_size_px]

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        return self._decode(self._embed(crops))

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return {"loss": functional.mse_loss(self._decode(self._embed(crops)), crops)}
