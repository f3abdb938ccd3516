"""Simulate crops of craters whose degradation, depth and age are known.

Everything that a network must not mistake for degradation varies: incidence, photometry, albedo,
slopes, neighbours, lava, seams, shadows from outside, sharpness, noise, contrast and offset.
"""

import functools
from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_models.rendering.central_crater import CentralCrater, complex_crater, simple_crater
from lunar_models.rendering.fields import Grid, smoothstep, texture
from lunar_models.rendering.photography import (
    contrast_scale,
    draw_conditions,
    illuminate,
    photograph,
)
from lunar_models.rendering.random_numbers import Chance, each
from lunar_models.rendering.terrain import surrounded

MARGIN_PX = 8
"""Simulated around the crop, because blurring by Fourier transform wraps around."""
COMPLEX = 0.6
"""Greatest part of the craters of a batch that are complex; the square root of the part is
uniform, so that most batches are of small craters, as most crop sets are."""
ABSENT = 0.04
"""Part of the crops without a crater: their truth is drawn at random, so that a network learns
to be uncertain where there is nothing to see."""
BRIGHT = 0.3
"""Greatest logarithmic excess of the albedo of soil that a fresh crater has dug up."""
SMOOTH = 0.4
"""Part of the relief that is as smooth as a digital terrain model; the rest is sharp."""
QUANTITIES = (
    "log_k_over_r2",  # natural logarithm of K/R²
    "log_depth",  # of depth over diameter, lava included
    "log_relative_depth",  # of depth over that of a fresh crater of the same diameter
    "log_superposed",  # of the expected number of younger small craters
    "fill",  # part of the depth filled with lava
    "incidence",  # of the Sun, degrees
    "log_blur",  # of the blur's sigma in pixels
)


@dataclass(frozen=True)
class SimulatedCrops:
    """Two photographs of each of B craters, and the truth about them."""

    brightness: Tensor
    """(B, 2, S, S) float32, whole numbers from 0 to 255, Sun in the east."""
    scale: Tensor
    """(B, 2) contrast of the mosaic that each belongs to, see `photography.contrast_scale`."""
    truth: Tensor
    """(B, 2, 7) float32, `QUANTITIES` of each photograph."""


@torch.no_grad()
def simulate_crops(
    count: int,
    *,
    crop_size_px: int,
    context_diameters: float,
    generator: torch.Generator,
    mosaics: int = 1,
) -> SimulatedCrops:
    """Draw craters and photograph each twice: the second time upside down in other light.

    In the first photographs all craters stand in one mosaic; in the second ones the simple and the
    complex ones have a mosaic each, as crop sets of small or of large craters do.

    Args:
        count: B, at least 2 for each mosaic.
        crop_size_px: S.
        context_diameters: side of a crop in crater diameters.
        generator: of all randomness; its device is where the work is done.
        mosaics: of the first photographs, with equally many craters each; a divisor of `count`.
            A GPU is busy only with the crops of several at once.
    """
    side, pixel = crop_size_px + 2 * MARGIN_PX, 2 * context_diameters / crop_size_px
    grid = Grid(side, pixel, generator.device)
    chance = Chance(count, generator)
    complex_counts = _complex_counts(count // mosaics, mosaics, generator)
    complex_count = sum(complex_counts)
    crater = CentralCrater.concatenate(
        simple_crater(Chance(count - complex_count, generator), grid),
        complex_crater(Chance(complex_count, generator), grid),
    )
    is_complex = torch.arange(count, device=grid.device) >= count - complex_count
    absent = chance.happens(ABSENT)
    relief, albedo, superposed = _ground(chance, grid, crater, is_complex, absent)
    truth = _truth(crater, superposed)
    shuffled = truth[torch.randperm(count, generator=generator, device=grid.device)]
    truth = torch.where(absent[:, None], shuffled, truth)
    made = []
    together = _mosaic_of(count // mosaics, complex_counts, grid.device)
    apart = together + mosaics * is_complex
    for ground, surface, mosaic, number in (
        (relief, albedo, together, mosaics),
        (relief.flip(1), albedo.flip(1), apart, 2 * mosaics),
    ):
        light = draw_conditions(chance, mosaic, number)
        image = illuminate(grid, ground, light) * surface
        brightness, sigma = photograph(chance, grid, image, light, size_px=crop_size_px)
        scale = contrast_scale(brightness, mosaic, number) * chance.normal(0.1).exp()
        both = torch.stack([light.incidence, sigma.log()], 1)
        made.append((brightness, scale, torch.cat([truth, both], 1)))
    return SimulatedCrops(*(torch.stack(parts, 1) for parts in zip(*made, strict=True)))


def normalised(brightness: Tensor, scale: Tensor) -> Tensor:
    """(B, S, S) brightness and (B,) scales -> (B, 1, S, S) as the ratio normalisation has it."""
    mean = brightness.float().mean((1, 2), keepdim=True).clamp_min(1e-6)
    return ((brightness / mean - 1) / each(scale)).clamp(-1, 1)[:, None]


def _complex_counts(each_count: int, mosaics: int, generator: torch.Generator) -> tuple[int, ...]:
    """How many of the `each_count` craters of each mosaic are complex, at least one.

    Of several mosaics the numbers are quantiles of what that of one is drawn from: being the same
    each time they need not be fetched from the device.
    """
    if mosaics == 1:
        levels = [float(Chance(1, generator).uniform(0, 1))]
    else:
        levels = [(n + 0.5) / mosaics for n in range(mosaics)]
    return tuple(max(1, round(each_count * COMPLEX * level**2)) for level in levels)


@functools.lru_cache(16)
def _mosaic_of(each_count: int, complex_counts: tuple[int, ...], device: torch.device) -> Tensor:
    """(B,) int64, the mosaic of each crater: first of the simple ones, then of the complex ones."""
    simple = [each_count - number for number in complex_counts]
    numbers = torch.arange(len(simple)).repeat(2)
    return numbers.repeat_interleave(torch.tensor([*simple, *complex_counts])).to(device)


def _ground(
    chance: Chance, grid: Grid, crater: CentralCrater, is_complex: Tensor, absent: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Heights and albedo of the ground around B craters, and what was superposed on each."""
    smooth = torch.where(is_complex, chance.log_uniform(0.015, 0.07), chance.log_uniform(0.02, 0.3))
    rounded = torch.where(chance.happens(SMOOTH), smooth, chance.log_uniform(0.005, 0.03))
    relief, superposed = surrounded(
        chance, grid, crater, is_complex=is_complex, absent=absent, rounded=rounded
    )
    relief += each(chance.normal(0.03)) * grid.east + each(chance.normal(0.03)) * grid.north
    albedo = texture(chance, grid.side, chance.uniform(0.8, 2.0))[:, 1:-1, 1:-1]
    albedo = albedo * each(0.2 * chance.uniform(0, 1).square())
    fresh_soil = torch.where(chance.happens(0.5), chance.uniform(0, BRIGHT), 0.0)
    fresh_soil = fresh_soil * (1 - crater.wear) ** 2 * ~absent
    halo = smoothstep((1.8 - crater.radius[:, 1:-1, 1:-1]) / 0.8)
    return relief, (albedo + each(fresh_soil) * halo).exp(), superposed


def _truth(crater: CentralCrater, superposed: Tensor) -> Tensor:
    """(B, 5) the first of `QUANTITIES`, which do not depend on the photograph."""
    return torch.stack(
        [
            2 * crater.root_k.log(),
            crater.depth.clamp_min(0.003).log(),
            crater.relative_depth.clamp_min(0.02).log(),
            superposed.log(),
            crater.fill,
        ],
        1,
    )
