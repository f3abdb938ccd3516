"""Compute the loss of a network on simulated craters: against their truth and its teacher."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.encoders.families.vicreg import vicreg_terms
from lunar_models.rendering.simulation import QUANTITIES

QUANTITY_WEIGHTS = dict(zip(QUANTITIES, (1.0, 1.0, 0.5, 0.7, 0.5, 0.3, 0.3), strict=True))
INVARIANCE_WEIGHT = 1.25
IMITATION_WEIGHT = 1.0
"""Of the squared distance of a student's features from its teacher's."""


class Batch(NamedTuple):
    """Two photographs of each of B craters."""

    first: Tensor
    """(B, 1, S, S) normalised."""
    second: Tensor
    """(B, 1, S, S)"""
    scale: Tensor
    """(B, 2) contrast that both were divided by."""
    truth: Tensor
    """(B, 2, Q) `QUANTITIES` of both."""


class Look(NamedTuple):
    """What a network makes of the photographs of a batch, the first of all craters first."""

    features: Tensor
    """(2 B, D - 1)"""
    mean: Tensor
    """(2 B, Q) of the standardised `QUANTITIES`."""
    log_variance: Tensor
    """(2 B, Q)"""


def look_at(encoder: InverseRenderingEncoder, batch: Batch) -> Look:
    """Compute the features of a batch and what they say of the quantities."""
    crops, scale = torch.cat([batch.first, batch.second]), batch.scale.T.flatten()
    features = encoder.network(crops, scale).float()
    return Look(features, *encoder.predict(features))


def simulation_loss(
    encoder: InverseRenderingEncoder,
    look: Look,
    truth: Tensor,
    weights: Tensor,
    teacher: Look | None = None,
) -> dict[str, Tensor]:
    """Compute the Gaussian likelihood of the truth, and VICReg between photographs of a crater.

    A student also learns what its teacher makes of the same photographs: in half of the
    likelihood the teacher's distributions stand for the truth (Hinton et al. 2015), and its
    features are imitated.

    Args:
        encoder: whose loss it is.
        look: its own.
        truth: (B, 2, Q) `QUANTITIES` of both photographs.
        weights: (Q,) of the quantities.
        teacher: its look at the same batch.
    """
    wanted = ((truth - encoder.target_mean) / encoder.target_deviation).transpose(0, 1)
    regression = _surprise(look, wanted.flatten(0, 1), 0.0, weights)
    invariance = vicreg_terms(*encoder.projector(look.features).float().chunk(2))["loss"]
    losses = {"regression": regression, "invariance": invariance}
    loss = regression + INVARIANCE_WEIGHT * invariance
    if teacher is not None:
        told = _surprise(look, teacher.mean, teacher.log_variance.exp(), weights)
        imitation = functional.mse_loss(look.features, teacher.features)
        loss = loss + (told - regression) / 2 + IMITATION_WEIGHT * imitation
        losses |= {"told": told, "imitation": imitation}
    return losses | {"loss": loss}


def _surprise(look: Look, wanted: Tensor, variance: Tensor | float, weights: Tensor) -> Tensor:
    """Mean negative log likelihood of (2 B, Q) values that are themselves uncertain by `variance`.

    Twice the Gaussian one (Nix and Weigend 1994), less its constant.
    """
    squared = (look.mean - wanted).square() + variance
    each = look.log_variance + squared * (-look.log_variance).exp()
    return (each * weights).sum(1).mean() / weights.sum()
