"""Embed crops with the principal components of their pixels, a baseline for every network."""

from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import FittedEncoder
from lunar_models.errors import ConfigError

_OVERSAMPLING = 16
_POWER_ITERATIONS = 6


class PcaEncoder(FittedEncoder):
    """Projection on the first principal components, by randomised SVD.

    Halko, Martinsson & Tropp 2011, doi 10.1137/090771806.
    """

    name = "pca"
    mean: Tensor
    components: Tensor

    def __init__(self, *, crop_size_px: int, latent_dim: int) -> None:
        super().__init__()
        if latent_dim > crop_size_px**2:
            raise ConfigError(
                f"latent_dim={latent_dim} is more than the {crop_size_px**2} pixels of a crop."
            )
        self.crop_size_px = crop_size_px
        self.embedding_dim = latent_dim
        self.register_buffer("mean", torch.zeros(crop_size_px**2))
        self.register_buffer("components", torch.zeros(latent_dim, crop_size_px**2))

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(crop_size_px=crop_size_px, latent_dim=config.latent_dim)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"crop_size_px": self.crop_size_px, "latent_dim": self.embedding_dim}

    def fit(self, crops: Tensor, generator: torch.Generator) -> None:
        if len(crops) <= self.embedding_dim:
            raise ConfigError(
                f"latent_dim={self.embedding_dim} needs more than that many training crops; "
                f"there are {len(crops)}."
            )
        pixels = crops.flatten(1)
        self.mean.copy_(pixels.mean(0))
        self.components.copy_(_principal_components(pixels - self.mean, self, generator))

    def _embed(self, crops: Tensor) -> Tensor:
        return (crops.flatten(1) - self.mean) @ self.components.T

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        return (self._embed(crops) @ self.components + self.mean).view_as(crops)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return {"loss": functional.mse_loss(self._reconstruct(crops, generator), crops)}


def _principal_components(
    pixels: Tensor, encoder: PcaEncoder, generator: torch.Generator
) -> Tensor:
    """(N, P) centred pixels -> (D, P) orthonormal rows, largest variance first.

    Each row's largest entry is positive, so that the sign does not depend on the machine.
    """
    width = min(encoder.embedding_dim + _OVERSAMPLING, *pixels.shape)
    probe = torch.randn(pixels.shape[1], width, generator=generator).to(pixels)
    for _ in range(_POWER_ITERATIONS):
        probe = torch.linalg.qr(pixels.T @ (pixels @ probe)).Q
    rows: Tensor = torch.linalg.svd(pixels @ probe, full_matrices=False).Vh @ probe.T
    rows = rows[: encoder.embedding_dim]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    return rows * largest.sign()
