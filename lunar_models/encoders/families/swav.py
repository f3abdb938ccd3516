"""Train SwAV: predict the prototype assignment of one view from another (arXiv 2006.09882)."""

from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.layers.convolutions import ConvolutionalNetwork, projector
from lunar_models.joint_batch import gather, own

PROJECTION_DIM = 64
TEMPERATURE = 0.1
SMOOTHNESS = 0.05
"""The entropy's weight in the assignment, epsilon in the paper."""
SINKHORN_ROUNDS = 3


@torch.no_grad()
def sinkhorn(
    scores: Tensor, *, smoothness: float = SMOOTHNESS, rounds: int = SINKHORN_ROUNDS
) -> Tensor:
    """Compute soft assignments with equal shares of all prototypes (Sinkhorn-Knopp).

    Cuturi 2013, arXiv 1306.0895, in logarithms, where no score overflows.

    Args:
        scores: (B, K) similarities.
        smoothness: small is close to one prototype per crop.
        rounds: alternations between equal prototypes and whole crops, the latter last.

    Returns:
        (B, K) float32; each row sums to 1, each column to about B / K.
    """
    log = scores.float() / smoothness
    for _ in range(rounds):
        log = log - log.logsumexp(0, keepdim=True)
        log = log - log.logsumexp(1, keepdim=True)
    return log.exp()


class SwavEncoder(Encoder):
    """A small convolutional network trained to swap the prototype assignments of two views."""

    name = "swav"
    stays_on_device = True

    def __init__(self, *, crop_size_px: int, latent_dim: int, prototypes: int) -> None:
        super().__init__()
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim
        self.network = ConvolutionalNetwork(crop_size_px=crop_size_px, outputs=latent_dim)
        self.projector = projector(latent_dim, PROJECTION_DIM)
        self.prototypes = nn.Parameter(torch.randn(prototypes, PROJECTION_DIM))

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(
            crop_size_px=crop_size_px, latent_dim=config.latent_dim, prototypes=config.prototypes
        )

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.crop_size_px,
            "latent_dim": self.embedding_dim,
            "prototypes": len(self.prototypes),
        }

    def _embed(self, crops: Tensor) -> Tensor:
        features: Tensor = self.network(crops)
        return features

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        views = torch.cat(
            [
                lunar_view(crops, generator, context_diameters=self.context_diameters)
                for _ in range(2)
            ]
        )
        projections = functional.normalize(self.projector(self.network(views)).float())
        first, second = (projections @ functional.normalize(self.prototypes).T).chunk(2)
        swapped = (_disagreement(first, _assign(second)), _disagreement(second, _assign(first)))
        return {"loss": torch.stack(swapped).mean()}


@torch.no_grad()
def _assign(scores: Tensor) -> Tensor:
    """(B, K) -> (B, K) with equal shares of the prototypes in the joint batch of all processes."""
    return own(sinkhorn(gather(scores)))


def _disagreement(scores: Tensor, assignment: Tensor) -> Tensor:
    return functional.cross_entropy(scores / TEMPERATURE, assignment)
