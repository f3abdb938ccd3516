"""Compute the Gaussian likelihood of predicted means and variances."""

import torch
from torch import Tensor


def gaussian_loss(mean: Tensor, truth: Tensor, log_variance: Tensor) -> Tensor:
    """Compute minus the logarithm of the Gaussian likelihood, but for a constant.

    Nix and Weigend 1994. As `torch.nn.functional.gaussian_nll_loss`, which waits for the device to
    see whether a variance is negative.

    Args:
        mean: predicted, of any shape, as are the others.
        truth: what was predicted.
        log_variance: natural logarithm of the predicted variance.

    Returns:
        A value for each prediction.
    """
    variance = log_variance.exp()
    return 0.5 * (torch.log(variance) + (mean - truth) ** 2 / variance)


def residual_levels() -> Tensor:
    """(199,) cumulative probabilities 0.005, 0.010 … 0.995 at which residuals are tabulated."""
    return torch.linspace(0.005, 0.995, 199)
