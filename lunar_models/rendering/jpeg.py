"""Simulate the loss of JPEG compression in brightness, in batches and on any device."""

import functools
import math

import torch
from torch import Tensor

from lunar_models.rendering.random_numbers import each

_BLOCK = 8
_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
"""Quantisation of luminance at quality 50 (ITU-T T.81, table K.1)."""


@functools.cache
def _transform(device: torch.device) -> tuple[Tensor, Tensor]:
    """(8, 8) orthonormal discrete cosine transform, type II, and the steps."""
    n = torch.arange(_BLOCK, dtype=torch.float64)
    matrix = torch.cos(math.pi / _BLOCK * (n + 0.5) * n[:, None]) * math.sqrt(2 / _BLOCK)
    matrix[0] /= math.sqrt(2)
    return matrix.float().to(device), torch.tensor(_STEPS, dtype=torch.float32, device=device)


def as_jpeg(brightness: Tensor, step: Tensor) -> Tensor:
    """Quantise the cosine transform of 8 x 8 blocks, as JPEG does.

    Args:
        brightness: (B, S, S) from 0 to 255; S needs not be a multiple of 8.
        step: (B,) factor on the steps of quality 50; 0.2 is quality 90.

    Returns:
        (B, S, S), may exceed the range a little.
    """
    matrix, steps = _transform(brightness.device)
    side = brightness.shape[-1]
    missing = -side % _BLOCK
    padded = torch.nn.functional.pad(brightness[:, None], (0, missing) * 2, mode="replicate")[:, 0]
    count = padded.shape[-1] // _BLOCK
    tiled = padded.reshape(-1, count, _BLOCK, count, _BLOCK).transpose(2, 3)
    width = (each(step)[..., None, None] * steps).clamp_min(1.0)
    cosines = matrix @ (tiled - 128) @ matrix.T
    restored = matrix.T @ ((cosines / width).round() * width) @ matrix + 128
    return restored.transpose(2, 3).reshape(padded.shape)[:, :side, :side]
