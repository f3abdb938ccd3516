"""Draw the crater that a crop is about: a simple bowl or a complex crater, fresh to worn."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_models.degradation.complex_craters import (
    central_peak_height_km,
    complex_depth_km,
    complex_floor_diameter_km,
    complex_rim_height_km,
)
from lunar_models.degradation.crater_shape import PROFILE_STEP
from lunar_models.rendering.fields import Grid, blur, smoothstep
from lunar_models.rendering.profiles import height_at, profile_at
from lunar_models.rendering.random_numbers import Chance, each

SIMPLE_ROOT_K = (0.03, 0.5477)
COMPLEX_ROOT_K = (0.02, 0.42)
"""Ranges of the square root of K/R²."""
COMPLEX_KM = (13.0, 180.0)
PEAK_RING_KM = 150.0
FRESH_DEPTH = 0.205
"""Depth over diameter of a simple crater before any diffusion."""
_RINGS, _RING_WIDTH = 25, 0.06


@dataclass(frozen=True)
class CentralCrater:
    """Relief and truth of the crater in the middle; lengths in its radii."""

    height: Tensor
    """(B, H, H)"""
    radius: Tensor
    """(B, H, H) distance from the centre over that of the rim in the same direction."""
    root_k: Tensor
    """(B,) square root of K/R²."""
    depth: Tensor
    """(B,) rim to floor over diameter, lava included."""
    relative_depth: Tensor
    """(B,) depth over that of a fresh crater of this diameter."""
    wear: Tensor
    """(B,) in [0, 1], from the least to the greatest `root_k` of its kind."""
    fill: Tensor
    """(B,) part of the depth filled with lava."""

    @classmethod
    def concatenate(cls, first: "CentralCrater", second: "CentralCrater") -> "CentralCrater":
        """Both batches as one."""
        return cls(**{k: torch.cat([v, getattr(second, k)]) for k, v in vars(first).items()})


def simple_crater(chance: Chance, grid: Grid) -> CentralCrater:
    """Draw simple craters: a diffused profile, some shallower from the start, some with lava."""
    low, high = SIMPLE_ROOT_K
    root_k = chance.uniform(low, high)
    shallow = torch.where(
        chance.happens(0.05), chance.log_uniform(0.15, 1.0), chance.uniform(0.8, 1.1)
    )
    profile = profile_at(root_k) * shallow[:, None]
    rim, floor = profile.amax(1), profile.amin(1)
    fill = torch.where(chance.happens(0.2), chance.uniform(0, 0.9) ** 1.5, 0.0)
    level = (floor + fill * (rim - floor))[:, None]
    inside = torch.arange(profile.shape[1], device=grid.device) * PROFILE_STEP <= 1
    profile = torch.where(inside, profile.maximum(level), profile)
    depth = (profile.amax(1) - torch.where(inside, profile, math.inf).amin(1)) / 2
    radius, _, _, _ = _irregular(chance, grid, polygonal=0.0)
    wear = (root_k - low) / (high - low)
    return CentralCrater(
        height_at(profile, radius), radius, root_k, depth, depth / FRESH_DEPTH, wear, fill
    )


def complex_crater(chance: Chance, grid: Grid) -> CentralCrater:
    """Draw complex craters: flat floor, terraced wall, central peak or peak ring, some with lava.

    Dimensions are those of `degradation.complex_craters`; diffusion is the Gaussian blur of the
    whole relief by sqrt(2 K).
    """
    low, high = COMPLEX_ROOT_K
    diameter_km = chance.log_uniform(*COMPLEX_KM)
    in_radii = 2 / diameter_km
    fresh = complex_depth_km(diameter_km) * in_radii
    depth = fresh * chance.normal(0.12).exp()
    rim = complex_rim_height_km(diameter_km) * in_radii * chance.normal(0.1).exp()
    radius, angle, x, y = _irregular(chance, grid, polygonal=0.05)
    height = _walls(chance, radius, angle, diameter_km, depth, rim)
    height += _peak(chance, radius, angle, x, y, diameter_km, depth)
    root_k = chance.uniform(low / 0.6, high)
    root_k = torch.where(chance.happens(0.5), 0.6 * root_k, root_k)
    height = blur(height, math.sqrt(2) * root_k / grid.pixel)
    rim, floor = _rim_and_floor(height, radius)
    fill = torch.where(chance.happens(0.3), chance.uniform(0, 0.95), 0.0)
    level = floor + fill * (rim - floor)
    flooded = (radius < 1.05) & each(fill > 0)
    height = torch.where(flooded, height.maximum(each(level)), height)
    wear = ((root_k - low) / (high - low)).clamp(0, 1)
    deep = rim - level
    return CentralCrater(height, radius, root_k, deep / 2, deep / fresh, wear, fill)


def _irregular(
    chance: Chance, grid: Grid, *, polygonal: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Distance in rim radii, angle, x and y, each (B, H, H), about rims that are not quite round.

    Up to `polygonal` of six-fold symmetry is added: large rims follow fractures.
    """
    x, y = grid.east - each(chance.normal(0.05)), grid.north - each(chance.normal(0.05))
    angle = torch.atan2(y, x)
    rim = each(chance.uniform(0.92, 1.08)).expand_as(x)
    for order in (2, 3, 4, 5):
        swing = each(chance.normal(0.035 / math.sqrt(order - 1)))
        rim = rim + swing * torch.cos(order * angle + chance.angle())
    if polygonal:
        rim = rim + each(chance.uniform(0, polygonal)) * torch.cos(6 * angle + chance.angle())
    return torch.hypot(x, y) / rim, angle, x, y


def _walls(
    chance: Chance,
    radius: Tensor,
    angle: Tensor,
    diameter_km: Tensor,
    depth: Tensor,
    rim: Tensor,
) -> Tensor:
    """Floor, terraced wall, a rim of uneven height, and ejecta that fall as radius^-3."""
    uneven = torch.ones_like(radius)
    for order, swing in ((1, 0.5), (2, 0.4), (3, 0.25)):
        uneven = uneven + each(chance.uniform(0, swing)) * torch.cos(order * angle + chance.angle())
    crest = each(rim) * uneven.clamp_min(0)
    floor_radius = complex_floor_diameter_km(diameter_km) / diameter_km
    edge = each((floor_radius * chance.normal(0.12).exp()).clamp(0.25, 0.78))
    wall = _terraces(chance, ((radius - edge) / (1 - edge)).clamp(0, 1), angle)
    inside = each(rim - depth) + (each(depth - rim) + crest) * wall
    return torch.where(radius < 1, inside, crest * radius.clamp_min(1e-3) ** -3)


def _terraces(chance: Chance, up: Tensor, angle: Tensor) -> Tensor:
    """Height of the wall (0 floor, 1 crest) at `up` of the way: a staircase, steep at the top."""
    count, phase = each(chance.uniform(1.5, 5.0)), chance.angle()
    for order in (1, 2, 3):
        phase = phase + each(chance.normal(1.2 / order)) * torch.cos(order * angle + chance.angle())
    steps = torch.sin(2 * math.pi * count * up + phase) / (2 * math.pi * count)
    sharpness = each(chance.uniform(0, 0.9)) * smoothstep(4 * up) * smoothstep(4 * (1 - up))
    stairs = (up - sharpness * steps).clamp_min(0)
    scarp = each(chance.uniform(0.2, 0.7))
    return (1 - scarp) * stairs + scarp * stairs**3


def _peak(
    chance: Chance,
    radius: Tensor,
    angle: Tensor,
    x: Tensor,
    y: Tensor,
    diameter_km: Tensor,
    depth: Tensor,
) -> Tensor:
    """A cluster of central peaks; in the largest craters a ring of them."""
    top = central_peak_height_km(diameter_km).clamp(max=2.0) * 2 / diameter_km
    present = chance.happens(0.85) & (diameter_km > 18)
    top = (top * chance.log_uniform(0.4, 1.5) * present).minimum(0.7 * depth)
    is_ring = diameter_km > PEAK_RING_KM
    relief = torch.exp(-((radius - 0.45) ** 2) / 0.006) * each(0.8 * top * is_ring)
    relief = relief * (1 + 0.5 * torch.cos(2 * angle + chance.angle()))
    for _ in range(3):
        width = each(chance.uniform(0.06, 0.14))
        east, north = each(chance.normal(0.08)), each(chance.normal(0.08))
        bump = torch.exp(-((x - east) ** 2 + (y - north) ** 2) / (2 * width**2))
        relief = relief + each(top * chance.uniform(0.3, 1.0) * ~is_ring) * bump
    return relief


def _rim_and_floor(height: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """(B,) greatest and least of the means over rings near the rim and inside it."""
    ring = (radius / _RING_WIDTH).long().clamp(max=_RINGS - 1).flatten(1)
    empty = torch.zeros(len(height), _RINGS, device=height.device)
    counts = empty.scatter_add(1, ring, torch.ones_like(height).flatten(1))
    means = empty.scatter_add(1, ring, height.flatten(1)) / counts  # NaN in rings without a pixel
    rim, floor = means[:, 10:22].nan_to_num(-math.inf), means[:, :15].nan_to_num(math.inf)
    return rim.amax(1), floor.amin(1)
