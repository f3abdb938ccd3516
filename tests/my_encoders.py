"""Encoders as a user's own package would hold them: see docs/howto-own-encoder.md."""

from typing import Any, Self

import torch
from torch import Tensor, nn

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import Encoder


class MyEncoder(Encoder):
    """A linear autoencoder."""

    name = "mine"

    def __init__(self, *, crop_size_px: int, embedding_dim: int) -> None:
        super().__init__()
        self.crop_size_px, self.embedding_dim = crop_size_px, embedding_dim
        self.down = nn.Linear(crop_size_px**2, embedding_dim)
        self.up = nn.Linear(embedding_dim, crop_size_px**2)

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(crop_size_px=crop_size_px, embedding_dim=config.latent_dim)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"crop_size_px": self.crop_size_px, "embedding_dim": self.embedding_dim}

    def _embed(self, crops: Tensor) -> Tensor:
        return self.down(crops.flatten(1))

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        flat = crops.flatten(1)
        return {"loss": (self.up(self.down(flat)) - flat).square().mean()}


NOT_AN_ENCODER = 3
