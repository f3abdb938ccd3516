"""Simulate the terrain around a crater, before and after the impact."""

import math

import torch
from torch import Tensor

from lunar_models.rendering.central_crater import CentralCrater
from lunar_models.rendering.fields import Grid, blur, smoothstep, texture
from lunar_models.rendering.profiles import height_at, profile_at
from lunar_models.rendering.random_numbers import Chance, each

OLDER_NEIGHBOURS, YOUNGER_NEIGHBOURS = 4, 2
LARGE_RADII = (0.8, 6.0)
"""Of the large neighbours, on whose floor, wall or rim the central crater may lie."""
GROUND_SLOPE, GROUND_SLOPE_MAX = 0.07, 0.3
"""Median and greatest root-mean-square slope of the ground: from maria to highlands (Rosenburg
et al. 2011, doi 10.1029/2010JE003716)."""
SMALL_RADII = (0.06, 0.35)
"""Of the small craters, in radii of the central one."""
SMALL_SLOPE = 2.2
"""Of their cumulative size distribution."""
_SMALL_EXTENT = 2.2
"""Radii of a small crater beyond which its ejecta are left out."""


def surrounded(
    chance: Chance,
    grid: Grid,
    crater: CentralCrater,
    *,
    is_complex: Tensor,
    absent: Tensor,
    rounded: Tensor,
) -> tuple[Tensor, Tensor]:
    """Put a crater into terrain.

    Emplacement levels what was there, the more so the less worn the crater is; younger craters
    then lie on top of it, and the more of them the older it is.

    Args:
        chance: of B craters.
        grid: of the relief.
        crater: the crater in the middle.
        is_complex: (B,) bool; large craters are old enough to collect many small ones.
        absent: (B,) bool, where there shall be no crater at all.
        rounded: (B,) sigma in radii by which all but the younger small craters is rounded.

    Returns:
        relief: (B, H, H) heights in radii.
        superposed: (B,) expected number of younger small craters on the square.
    """
    older = torch.zeros_like(crater.height)
    for _ in range(OLDER_NEIGHBOURS):
        older += _neighbour(chance, grid, probability=0.7)
    for _ in range(2):
        older += _large_neighbour(chance, grid, probability=0.45)
    _add_small_craters(chance, grid, older, chance.poisson(chance.log_uniform(0.5, 14.0)))
    ground = texture(chance, grid.side, chance.uniform(1.7, 2.8))
    slope = ((ground[:, :, 1:] - ground[:, :, :-1]) / grid.pixel).std((1, 2))
    wanted = (math.log(GROUND_SLOPE) + chance.normal(0.7)).exp().clamp(max=GROUND_SLOPE_MAX)
    ground *= each(wanted / slope)

    levelling = each((1 - 0.85 * crater.wear) * ~absent)
    levelled = levelling * smoothstep((1.35 - crater.radius) / 0.35)
    relief = crater.height * each(~absent) + older * (1 - levelled)
    relief += ground * (1 - 0.6 * levelled)
    for _ in range(YOUNGER_NEIGHBOURS):
        relief += _neighbour(chance, grid, probability=0.5)
    relief += _large_neighbour(chance, grid, probability=0.08)
    relief = blur(relief, rounded / grid.pixel)
    superposed = torch.where(is_complex, 1 + 22 * crater.wear**1.3, 0.7 + 7 * crater.wear**1.5)
    superposed = superposed * chance.normal(0.35).exp()
    _add_small_craters(chance, grid, relief, chance.poisson(superposed))
    return relief, superposed


def _neighbour(chance: Chance, grid: Grid, *, probability: float) -> Tensor:
    """(B, H, H) relief of one other crater of any size, sometimes none."""
    radius = chance.uniform(1e-3, 1.0).rsqrt() * 0.12
    radius = (radius * torch.where(chance.happens(0.1), 3.0, 1.0)).clamp(max=2.5)
    reach = grid.side * grid.pixel / 2
    x, y = chance.uniform(-reach, reach), chance.uniform(-reach, reach)
    profile = profile_at(chance.log_uniform(2e-3, 0.3).sqrt())
    strength = radius * chance.uniform(0.5, 1.0) * chance.happens(probability)
    distance = torch.hypot(grid.east - each(x), grid.north - each(y)) / each(radius)
    return height_at(profile * strength[:, None], distance)


def _large_neighbour(chance: Chance, grid: Grid, *, probability: float) -> Tensor:
    """(B, H, H) relief of a crater larger than the central one, sometimes none."""
    radius = chance.log_uniform(*LARGE_RADII)
    distance, angle = radius * chance.uniform(0.2, 1.5) + 0.5, chance.angle()
    x, y = each(distance) * angle.cos(), each(distance) * angle.sin()
    profile = profile_at(chance.log_uniform(5e-3, 0.3).sqrt())
    strength = radius * chance.uniform(0.3, 1.0) * chance.happens(probability)
    there = torch.hypot(grid.east - x, grid.north - y) / each(radius)
    return height_at(profile * strength[:, None], there)


def _add_small_craters(chance: Chance, grid: Grid, relief: Tensor, counts: Tensor) -> None:
    """Add (B,) numbers of small craters to (B, H, H) relief, in place.

    Each is computed on its own small square only: there are many of them.
    """
    where = torch.repeat_interleave(torch.arange(len(counts), device=grid.device), counts)
    if not len(where):
        return
    small = Chance(len(where), chance.generator)
    low, high = SMALL_RADII
    radius = (low * small.uniform(1e-3, 1.0) ** (-1 / SMALL_SLOPE)).clamp(max=high)
    profile = profile_at(small.uniform(0.02, 0.5)) * (radius * small.uniform(0.6, 1.05))[:, None]
    half = math.ceil(high * _SMALL_EXTENT / grid.pixel)
    offsets = torch.arange(-half, half + 1, device=grid.device)
    x, y = small.uniform(0, grid.side), small.uniform(0, grid.side)
    columns, rows = x.long()[:, None] + offsets, y.long()[:, None] + offsets
    east, south = (columns + 0.5 - x[:, None]) * grid.pixel, (rows + 0.5 - y[:, None]) * grid.pixel
    distance = torch.hypot(east[:, None, :], south[:, :, None]) / each(radius)
    height = height_at(profile, distance) * smoothstep(2 * (_SMALL_EXTENT - distance))
    within = ((columns >= 0) & (columns < grid.side))[:, None, :]
    within = within & ((rows >= 0) & (rows < grid.side))[:, :, None]
    columns, rows = columns.clamp(0, grid.side - 1), rows.clamp(0, grid.side - 1)
    place = (where[:, None, None] * grid.side + rows[:, :, None]) * grid.side + columns[:, None, :]
    relief.view(-1).index_add_(0, place.flatten(), (height * within).flatten())
