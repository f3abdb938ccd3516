"""Render craters of random degradation, relief and light as a mosaic would show them.

Unlike `synthetic`, which makes a whole Moon, this makes single crops in batches, fast enough to
feed a training: the relief of one crater in the middle, of its neighbours and of the ground, lit
from the east. Everything that a network must not mistake for degradation varies: the relief's own
sharpness, incidence, albedo, slopes, neighbours, lava in the floor, blur and noise.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_models.degradation.crater_shape import PROFILE_STEP, profile_table
from lunar_models.joint_batch import draw

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


class _Chance:
    """Random numbers for a batch, from one generator."""

    def __init__(self, count: int, generator: torch.Generator | None) -> None:
        self.count, self.generator = count, generator

    def uniform(self, low: float, high: float) -> Tensor:
        return draw(torch.rand, self.count, generator=self.generator) * (high - low) + low

    def log_uniform(self, low: float, high: float) -> Tensor:
        return self.uniform(math.log(low), math.log(high)).exp()

    def normal(self, spread: float, *shape: int) -> Tensor:
        return draw(torch.randn, self.count, *shape, generator=self.generator) * spread

    def sometimes(self, probability: float, value: Tensor, otherwise: Tensor) -> Tensor:
        return torch.where(self.uniform(0, 1) < probability, value, otherwise)


@torch.no_grad()
def render_craters(
    count: int,
    *,
    crop_size_px: int,
    context_diameters: float,
    generator: torch.Generator | None = None,
) -> RenderedCrops:
    """Draw craters, Sun in the east (right), north up.

    Shapes and their decay are those of `synthetic.profiles`; the shading is the lunar-Lambert law
    (McEwen 1996, doi 10.1029/91JE01580 for its form), with cast shadows in half of the crops.
    """
    chance = _Chance(count, generator)
    side = crop_size_px + 2 * MARGIN_PX
    pixel = 2 * context_diameters / crop_size_px  # in radii of the central crater
    axis = (torch.arange(side) + 0.5 - side / 2) * pixel
    east, north = axis.expand(side, side), -axis[:, None].expand(side, side)

    relief, log_k, log_depth = _central_crater(chance, east, north)
    for _ in range(NEIGHBOURS):
        relief += _neighbour(chance, east, north, reach=4 / 3 * context_diameters)
    relief += _ground(chance, side, pixel)
    relief = _blur(relief, chance.log_uniform(0.03, 0.35) / pixel)
    relief += _each(chance.normal(0.03)) * east + _each(chance.normal(0.03)) * north

    image = _shade(chance, relief, pixel, axis)
    albedo = _texture(chance, side, chance.uniform(0.8, 2.0))[:, 1:-1, 1:-1]
    image *= (albedo * _each(0.12 * chance.uniform(0, 1).square())).exp()
    image = _blur(image, chance.log_uniform(0.3, 1.6))
    inside = slice(MARGIN_PX - 1, MARGIN_PX - 1 + crop_size_px)
    return RenderedCrops(_expose(chance, image[:, inside, inside]), log_k, log_depth)


def _each(values: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1)"""
    return values[:, None, None]


@functools.cache
def _profiles() -> tuple[Tensor, Tensor]:
    """Square roots of K/R², evenly spaced, and profiles with heights in radii."""
    levels, heights = profile_table()
    return torch.from_numpy(levels).sqrt().float(), torch.from_numpy(heights).float() * 2


def _profile(root_k: Tensor) -> Tensor:
    """(B,) square roots of K/R² -> (B, X) heights in radii every `PROFILE_STEP` radii."""
    roots, heights = _profiles()
    place = (root_k.clamp(roots[0], roots[-1]) - roots[0]) / (roots[1] - roots[0])
    low = place.long().clamp(max=len(roots) - 2)
    return torch.lerp(heights[low], heights[low + 1], (place - low)[:, None])


def _height(profile: Tensor, radius: Tensor) -> Tensor:
    """(B, X) profiles at (B, H, W) radii, linear between their points."""
    place = (radius.flatten(1) / PROFILE_STEP).clamp(max=profile.shape[1] - 1.001)
    low = place.long()
    return torch.lerp(profile.gather(1, low), profile.gather(1, low + 1), place - low).view_as(
        radius
    )


def _central_crater(chance: _Chance, east: Tensor, north: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Relief, log K/R² and log depth of the crater that the crop is about."""
    root_k = chance.uniform(0.03, 0.5477)
    profile = _profile(root_k)
    shallow = chance.log_uniform(0.15, 1.0)  # beyond what diffusion alone does to a fresh crater
    profile *= chance.sometimes(0.15, shallow, chance.uniform(0.8, 1.1))[:, None]
    profile = _fill(chance, profile)
    depth = (profile.amax(1) - profile[:, : round(1 / PROFILE_STEP)].amin(1)) / 2
    radius = _irregular_radius(chance, east, north)
    return _height(profile, radius), 2 * root_k.log(), depth.log()


def _fill(chance: _Chance, profile: Tensor) -> Tensor:
    """Lava in the floor of some craters, level, up to nine tenths of the depth."""
    rim, floor = profile.amax(1), profile.amin(1)
    part = chance.sometimes(0.2, chance.uniform(0, 0.9) ** 1.5, torch.zeros(chance.count))
    level = (floor + part * (rim - floor))[:, None]
    inside = torch.arange(profile.shape[1]) * PROFILE_STEP <= 1
    return torch.where(inside, profile.maximum(level), profile)


def _irregular_radius(chance: _Chance, east: Tensor, north: Tensor) -> Tensor:
    """(B, H, W) distance in rim radii, of rims that are neither round nor quite in the middle."""
    x, y = east - _each(chance.normal(0.05)), north - _each(chance.normal(0.05))
    angle = torch.atan2(y, x)
    rim = _each(chance.uniform(0.92, 1.08)).expand_as(x).clone()
    for order in (2, 3, 4, 5):
        swing = _each(chance.normal(0.035 / math.sqrt(order - 1)))
        rim += swing * torch.cos(order * angle + _each(chance.uniform(0, 2 * math.pi)))
    return torch.hypot(x, y) / rim


def _neighbour(chance: _Chance, east: Tensor, north: Tensor, *, reach: float) -> Tensor:
    """Relief of one other crater, often small, sometimes none."""
    radius = chance.uniform(1e-3, 1.0).rsqrt() * 0.12
    radius = (radius * chance.sometimes(0.1, torch.tensor(3.0), torch.tensor(1.0))).clamp(max=2.5)
    x, y = (chance.uniform(-reach, reach) for _ in range(2))
    profile = _profile(chance.log_uniform(2e-3, 0.3).sqrt())
    strength = chance.sometimes(0.7, radius * chance.uniform(0.5, 1.0), torch.zeros(chance.count))
    distance = torch.hypot(east - _each(x), north - _each(y)) / _each(radius)
    return _height(profile * strength[:, None], distance)


def _ground(chance: _Chance, side: int, pixel: float) -> Tensor:
    """Relief of the ground, a random field with slopes of a few degrees."""
    field = _texture(chance, side, chance.uniform(1.5, 2.6))
    slope = ((field[:, :, 1:] - field[:, :, :-1]) / pixel).std((1, 2))
    wanted = (math.log(0.045) + chance.normal(0.6)).exp().clamp(max=0.16)
    return field * _each(wanted / slope)


@functools.cache
def _wavenumbers(side: int) -> Tensor:
    """(side, side // 2 + 1) cycles per pixel."""
    return torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None])


def _texture(chance: _Chance, side: int, steepness: Tensor) -> Tensor:
    """(B, side, side) random field, unit spread, amplitudes ~ wavenumber^-steepness."""
    wavenumbers = _wavenumbers(side).clone()
    wavenumbers[0, 0] = math.inf
    amplitudes = (wavenumbers * side).log().mul(-_each(steepness)).exp()
    noise = torch.fft.rfft2(chance.normal(1.0, side, side))
    field: Tensor = torch.fft.irfft2(noise * amplitudes, s=(side, side))
    return field / field.std((1, 2), keepdim=True)


def _blur(image: Tensor, sigma_px: Tensor) -> Tensor:
    """Gaussian blur of (B, H, H) images, each with its own sigma."""
    side = image.shape[-1]
    passed = torch.exp(-2 * (math.pi * _wavenumbers(side) * _each(sigma_px)).square())
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * passed, s=(side, side))
    return blurred


def _shade(chance: _Chance, relief: Tensor, pixel: float, axis: Tensor) -> Tensor:
    """(B, H - 2, W - 2) reflectance of (B, H, W) relief seen from above."""
    to_east = (relief[:, 1:-1, 2:] - relief[:, 1:-1, :-2]) / (2 * pixel)
    to_north = (relief[:, :-2, 1:-1] - relief[:, 2:, 1:-1]) / (2 * pixel)
    degrees = _each(chance.uniform(56, 72))
    incidence, azimuth = degrees.deg2rad(), _each(chance.normal(math.radians(8)))
    upright = torch.rsqrt(1 + to_east.square() + to_north.square())  # cosine of emission
    facing = incidence.sin() * (to_east * azimuth.cos() + to_north * azimuth.sin())
    cos_incidence = ((incidence.cos() - facing) * upright).clamp_min(1e-3)
    lunar = 1 - 0.019 * degrees + 2.42e-4 * degrees**2 - 1.46e-6 * degrees**3
    image = 2 * lunar * cos_incidence / (cos_incidence + upright) + (1 - lunar) * cos_incidence
    # In shadow is what lies below the ray over some point further east.
    ray = relief[:, 1:-1, 1:-1] - axis[1:-1] / incidence.tan()
    horizon = ray.flip(2).cummax(2).values.flip(2)
    casts = _each(chance.uniform(0, 1) < 0.5)
    return torch.where((ray < horizon - 1e-4) & casts, 0.03 * image, image)


def _expose(chance: _Chance, image: Tensor) -> Tensor:
    """Noise and the brightness of a mosaic; contrast varies as the instrument's response may."""
    relative = image / image.mean((1, 2), keepdim=True)
    relative += chance.normal(1.0, *image.shape[1:]) * _each(chance.uniform(0, 0.015))
    contrast = _each(chance.normal(0.08)).exp()
    return (LIT_BRIGHTNESS * (1 + (relative - 1) * contrast)).clamp_min(0)
