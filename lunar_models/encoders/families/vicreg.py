"""Train VICReg: features that two views of a crater share, without collapse."""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.layers.convolutions import ConvolutionalNetwork, projector
from lunar_models.joint_batch import gather

PROJECTION_DIM = 256
INVARIANCE, VARIANCE, COVARIANCE = 25.0, 25.0, 1.0
_EPSILON = 1e-4


def vicreg_terms(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """Compute the invariance, variance and covariance terms of two views and their weighted sum.

    Bardes, Ponce & LeCun 2022, arXiv 2105.04906, equations 1 to 6; the sum is divided by 25.

    Of the batches of all processes, where several train together.

    Args:
        first: (B, P) projections of one view.
        second: (B, P) of the other, in the same order.
    """
    first, second = gather(first), gather(second)
    invariance = functional.mse_loss(first, second)
    spreads = [_spread(view) for view in (first, second)]
    variance = torch.stack([hinge for hinge, _ in spreads]).mean()
    covariance = torch.stack([correlated for _, correlated in spreads]).sum()
    weighted = INVARIANCE * invariance + VARIANCE * variance + COVARIANCE * covariance
    return {
        "loss": weighted / INVARIANCE,
        "invariance": invariance,
        "variance": variance,
        "covariance": covariance,
    }


def _spread(view: Tensor) -> tuple[Tensor, Tensor]:
    """How far the standard deviations fall short of one, and how correlated the dimensions are."""
    centred = view - view.mean(0)
    short = functional.relu(1 - (centred.square().mean(0) + _EPSILON).sqrt()).mean()
    covariance = centred.T @ centred / max(len(view) - 1, 1)
    off_diagonal = covariance.square().sum() - covariance.diagonal().square().sum()
    return short, off_diagonal / view.shape[1]


class VicregEncoder(Encoder):
    """A small convolutional network trained by VICReg with lunar views.

    With a `reconstruction_weight` a decoder must also rebuild the crop from the features.
    """

    name = "vicreg"
    stays_on_device = True

    def __init__(
        self, *, crop_size_px: int, latent_dim: int, reconstruction_weight: float = 0.0
    ) -> None:
        super().__init__()
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim
        self.reconstruction_weight = reconstruction_weight
        self.network = ConvolutionalNetwork(crop_size_px=crop_size_px, outputs=latent_dim)
        self.projector = projector(latent_dim, PROJECTION_DIM)
        self.decoder = (
            nn.Sequential(nn.Linear(latent_dim, 256), nn.ReLU(), nn.Linear(256, crop_size_px**2))
            if reconstruction_weight
            else None
        )

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(
            crop_size_px=crop_size_px,
            latent_dim=config.latent_dim,
            reconstruction_weight=config.reconstruction_weight,
        )

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.crop_size_px,
            "latent_dim": self.embedding_dim,
            "reconstruction_weight": self.reconstruction_weight,
        }

    def _embed(self, crops: Tensor) -> Tensor:
        features: Tensor = self.network(crops)
        return features

    @property
    def can_reconstruct(self) -> bool:
        return self.decoder is not None

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.decoder is None:
            return super()._reconstruct(crops, generator)
        return self._rebuild(self.network(crops))

    def _rebuild(self, features: Tensor) -> Tensor:
        assert self.decoder is not None
        pixels: Tensor = self.decoder(features)
        return pixels.view(-1, 1, self.crop_size_px, self.crop_size_px)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        views = torch.cat(
            [
                lunar_view(crops, generator, context_diameters=self.context_diameters)
                for _ in range(2)
            ]
        )
        features = self.network(views)
        first, second = self.projector(features).float().chunk(2)
        terms = vicreg_terms(first, second)
        if self.decoder is not None:
            terms["reconstruction"] = functional.mse_loss(self._rebuild(features).float(), views)
            terms["loss"] = terms["loss"] + self.reconstruction_weight * terms["reconstruction"]
        return terms
