"""Compute the position embeddings of vision transformers."""

import torch
from torch import Tensor
from torch.nn import functional


def sinusoids(side: int, width: int) -> Tensor:
    """Compute sinusoidal positions (1, 1 + side², D), ordered as in the published MAE weights."""
    from transformers.models.vit_mae.modeling_vit_mae import (
        build_2d_sinusoidal_position_embedding,
    )

    positions: Tensor = build_2d_sinusoidal_position_embedding(side, side, width, cls_token=True)
    return positions.roll(width // 2, dims=1)[None]


def interpolate_positions(positions: Tensor, count: int) -> Tensor:
    """Interpolate positions of one square grid, (1, 1 + T, D), to another, (1, count, D)."""
    if positions.shape[1] == count:
        return positions
    old, new = (round((n - 1) ** 0.5) for n in (positions.shape[1], count))
    grid = positions[:, 1:].view(1, old, old, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, [new, new], mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], 1)
