"""Look up diffused profiles of simple craters, in batches and on any device."""

import functools

import torch
from torch import Tensor

from lunar_models.degradation.crater_shape import PROFILE_STEP, profile_table


@functools.cache
def _table(device: torch.device) -> tuple[Tensor, Tensor]:
    """Square roots of K/R², evenly spaced, and (T, X) profiles with heights in radii."""
    levels, heights = profile_table()
    roots = torch.from_numpy(levels).sqrt().float().to(device)
    return roots, (torch.from_numpy(heights).float() * 2).to(device)


def profile_at(root_k: Tensor) -> Tensor:
    """(B,) square roots of K/R² -> (B, X) heights in radii every `PROFILE_STEP` radii."""
    roots, heights = _table(root_k.device)
    place = (root_k.clamp(roots[0], roots[-1]) - roots[0]) / (roots[1] - roots[0])
    low = place.long().clamp(max=len(roots) - 2)
    return torch.lerp(heights[low], heights[low + 1], (place - low)[:, None])


def height_at(profile: Tensor, radius: Tensor) -> Tensor:
    """(B, X) profiles at (B, H, W) radii, linear between their points."""
    place = (radius.flatten(1) / PROFILE_STEP).clamp(max=profile.shape[1] - 1.001)
    low = place.long()
    below, above = profile.gather(1, low), profile.gather(1, low + 1)
    return torch.lerp(below, above, place - low).view_as(radius)
