"""Render craters of random degradation, relief and light as a mosaic would show them.

Unlike `synthetic`, which makes a whole Moon, this makes single crops in batches, fast enough to
feed a training: the relief of one crater in the middle, of its neighbours and of the ground, lit
from the east. Everything that a network must not mistake for degradation varies: the relief's own
sharpness, incidence, albedo, slopes, neighbours, lava in the floor, blur and noise.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_models.degradation.crater_shape import PROFILE_STEP
from lunar_models.rendering.fields import Grid, blur, texture
from lunar_models.rendering.profiles import height_at, profile_at
from lunar_models.rendering.random_numbers import Chance, each

MARGIN_PX = 8
"""Rendered around the crop, because blurring by Fourier transform wraps around."""
NEIGHBOURS = 8
LIT_BRIGHTNESS = 90.0
"""Mean brightness of a crop before albedo, in crop units."""


@dataclass(frozen=True)
class RenderedCrops:
    """A batch of crops and the truth about the crater in the middle of each."""

    brightness: Tensor
    """(B, S, S) float32, positive, in crop units."""
    log_k_over_r2: Tensor
    """(B,) natural logarithm of K/R²."""
    log_depth: Tensor
    """(B,) natural logarithm of depth over diameter, lava included."""


@torch.no_grad()
def render_craters(
    count: int,
    *,
    crop_size_px: int,
    context_diameters: float,
    generator: torch.Generator | None = None,
) -> RenderedCrops:
    """Draw craters, Sun in the east (right), north up.

    Shapes and their decay are those of `crater_shape`; the shading is the lunar-Lambert law
    (McEwen 1996, doi 10.1029/91JE01580 for its form), with cast shadows in half of the crops.

    Args:
        count: B.
        crop_size_px: S.
        context_diameters: side of a crop in crater diameters.
        generator: of all randomness; its device is where the work is done. None: the CPU's.
    """
    chance = Chance(count, generator or torch.default_generator)
    side = crop_size_px + 2 * MARGIN_PX
    pixel = 2 * context_diameters / crop_size_px  # in radii of the central crater
    grid = Grid(side, pixel, chance.generator.device)

    relief, log_k, log_depth = _central_crater(chance, grid)
    for _ in range(NEIGHBOURS):
        relief += _neighbour(chance, grid, reach=4 / 3 * context_diameters)
    relief += _ground(chance, side, pixel)
    relief = blur(relief, chance.log_uniform(0.03, 0.35) / pixel)
    relief += each(chance.normal(0.03)) * grid.east + each(chance.normal(0.03)) * grid.north

    image = _shade(chance, relief, grid)
    albedo = texture(chance, side, chance.uniform(0.8, 2.0))[:, 1:-1, 1:-1]
    image *= (albedo * each(0.12 * chance.uniform(0, 1).square())).exp()
    image = blur(image, chance.log_uniform(0.3, 1.6))
    inside = slice(MARGIN_PX - 1, MARGIN_PX - 1 + crop_size_px)
    return RenderedCrops(_expose(chance, image[:, inside, inside]), log_k, log_depth)


def _central_crater(chance: Chance, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Relief, log K/R² and log depth of the crater that the crop is about."""
    root_k = chance.uniform(0.03, 0.5477)
    profile = profile_at(root_k)
    shallow = chance.log_uniform(0.15, 1.0)  # beyond what diffusion alone does to a fresh crater
    profile *= _sometimes(chance, 0.15, shallow, chance.uniform(0.8, 1.1))[:, None]
    profile = _fill(chance, profile)
    depth = (profile.amax(1) - profile[:, : round(1 / PROFILE_STEP)].amin(1)) / 2
    radius = _irregular_radius(chance, grid)
    return height_at(profile, radius), 2 * root_k.log(), depth.log()


def _fill(chance: Chance, profile: Tensor) -> Tensor:
    """Lava in the floor of some craters, level, up to nine tenths of the depth."""
    rim, floor = profile.amax(1), profile.amin(1)
    part = _sometimes(chance, 0.2, chance.uniform(0, 0.9) ** 1.5, 0.0)
    level = (floor + part * (rim - floor))[:, None]
    inside = torch.arange(profile.shape[1], device=profile.device) * PROFILE_STEP <= 1
    return torch.where(inside, profile.maximum(level), profile)


def _irregular_radius(chance: Chance, grid: Grid) -> Tensor:
    """(B, H, W) distance in rim radii, of rims that are neither round nor quite in the middle."""
    x, y = grid.east - each(chance.normal(0.05)), grid.north - each(chance.normal(0.05))
    angle = torch.atan2(y, x)
    rim = each(chance.uniform(0.92, 1.08)).expand_as(x).clone()
    for order in (2, 3, 4, 5):
        swing = each(chance.normal(0.035 / math.sqrt(order - 1)))
        rim += swing * torch.cos(order * angle + chance.angle())
    return torch.hypot(x, y) / rim


def _neighbour(chance: Chance, grid: Grid, *, reach: float) -> Tensor:
    """Relief of one other crater, often small, sometimes none."""
    radius = chance.uniform(1e-3, 1.0).rsqrt() * 0.12
    radius = (radius * _sometimes(chance, 0.1, 3.0, 1.0)).clamp(max=2.5)
    x, y = (chance.uniform(-reach, reach) for _ in range(2))
    profile = profile_at(chance.log_uniform(2e-3, 0.3).sqrt())
    strength = _sometimes(chance, 0.7, radius * chance.uniform(0.5, 1.0), 0.0)
    distance = torch.hypot(grid.east - each(x), grid.north - each(y)) / each(radius)
    return height_at(profile * strength[:, None], distance)


def _ground(chance: Chance, side: int, pixel: float) -> Tensor:
    """Relief of the ground, a random field with slopes of a few degrees."""
    field = texture(chance, side, chance.uniform(1.5, 2.6))
    slope = ((field[:, :, 1:] - field[:, :, :-1]) / pixel).std((1, 2))
    wanted = (math.log(0.045) + chance.normal(0.6)).exp().clamp(max=0.16)
    return field * each(wanted / slope)


def _shade(chance: Chance, relief: Tensor, grid: Grid) -> Tensor:
    """(B, H - 2, W - 2) reflectance of (B, H, W) relief seen from above."""
    to_east = (relief[:, 1:-1, 2:] - relief[:, 1:-1, :-2]) / (2 * grid.pixel)
    to_north = (relief[:, :-2, 1:-1] - relief[:, 2:, 1:-1]) / (2 * grid.pixel)
    degrees = each(chance.uniform(56, 72))
    incidence, azimuth = degrees.deg2rad(), each(chance.normal(math.radians(8)))
    upright = torch.rsqrt(1 + to_east.square() + to_north.square())  # cosine of emission
    facing = incidence.sin() * (to_east * azimuth.cos() + to_north * azimuth.sin())
    cos_incidence = ((incidence.cos() - facing) * upright).clamp_min(1e-3)
    lunar = 1 - 0.019 * degrees + 2.42e-4 * degrees**2 - 1.46e-6 * degrees**3
    image = 2 * lunar * cos_incidence / (cos_incidence + upright) + (1 - lunar) * cos_incidence
    # In shadow is what lies below the ray over some point further east.
    ray = relief[:, 1:-1, 1:-1] - grid.axis[1:-1] / incidence.tan()
    horizon = ray.flip(2).cummax(2).values.flip(2)
    casts = each(chance.uniform(0, 1) < 0.5)
    return torch.where((ray < horizon - 1e-4) & casts, 0.03 * image, image)


def _expose(chance: Chance, image: Tensor) -> Tensor:
    """Noise and the brightness of a mosaic; contrast varies as the instrument's response may."""
    relative = image / image.mean((1, 2), keepdim=True)
    relative += chance.normal(1.0, *image.shape[1:]) * each(chance.uniform(0, 0.015))
    contrast = each(chance.normal(0.08)).exp()
    return (LIT_BRIGHTNESS * (1 + (relative - 1) * contrast)).clamp_min(0)


def _sometimes(
    chance: Chance, probability: float, value: Tensor | float, otherwise: Tensor | float
) -> Tensor:
    """(B,) `value` where it happens, else `otherwise`."""
    return torch.where(chance.happens(probability), value, otherwise)
