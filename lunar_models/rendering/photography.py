"""Illuminate simulated relief and image it as an orbiter's mosaic would show it."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lunar_models.rendering.fields import Grid, blur
from lunar_models.rendering.jpeg import as_jpeg
from lunar_models.rendering.random_numbers import Chance, each

LOW_SUN = 0.3
"""Part of the mosaics with the low Sun of high latitudes."""
STRETCHED = 0.4
"""Part of the mosaics whose crops were stretched from black to white, all or some of the way."""
PSF_PX = (0.3, 2.2)
"""Sigma of the blur: sharp mosaics reduced, small craters enlarged."""
UNSHARP = 0.07
"""Fractions of the crops that are blurred further, by `UNSHARP_PSF_PX`, and that are enlarged from
`UNSHARP_NATIVE_PX` pixels: a network must tell them from worn craters."""
UNSHARP_PSF_PX, UNSHARP_NATIVE_PX = (1.5, 10.0), (4, 24)
SEAM, OCCLUSION, LOW_SUN_OCCLUSION = 0.08, 0.05, 0.25
"""Fractions of the crops with a seam of brightness, and with a shadow cast from outside where the
Sun stands high and where its incidence is above `LOW_SUN_DEG`."""
LOW_SUN_DEG = 78.0
"""Incidence."""
COMPRESSED = 0.3
"""Part of the crops that were compressed as JPEG before they were cut out and resampled."""
SCALE_DEVIATIONS = 6.5
"""Median standard deviations at which the contrast of a mosaic is clipped."""
SCALE_LIMITS = (0.05, 10.0)


@dataclass(frozen=True)
class Conditions:
    """Of the mosaic that each of B crops belongs to; (B,) each."""

    mosaic: Tensor
    """int64, number of the mosaic."""
    incidence: Tensor
    """Of the Sun, degrees; differs a little between crops of a mosaic."""
    photometry: Tensor
    """Factor on McEwen's weight of the Lommel-Seeliger part."""
    scattered: Tensor
    """Light in shadows over that of level ground."""
    contrast: Tensor
    """Factor on the contrast: calibration, sharpening."""
    kind: Tensor
    """In [0, 1]; stretched below `STRETCHED`."""


def draw_conditions(chance: Chance, mosaic: Tensor, count: int) -> Conditions:
    """Give each mosaic its light and processing.

    Args:
        chance: of B crops.
        mosaic: (B,) int64 in [0, count), which mosaic each crop belongs to.
        count: of mosaics.
    """
    each_mosaic = Chance(count, chance.generator)
    low_sun = each_mosaic.happens(LOW_SUN)
    incidence = torch.where(low_sun, each_mosaic.uniform(68, 84), each_mosaic.uniform(54, 74))
    spread = each_mosaic.log_uniform(1, 6)
    return Conditions(
        mosaic=mosaic,
        incidence=(incidence[mosaic] + chance.normal(1.0) * spread[mosaic]).clamp(48, 87),
        photometry=each_mosaic.uniform(0.6, 1.3)[mosaic],
        scattered=each_mosaic.log_uniform(0.004, 0.2)[mosaic] * chance.normal(0.3).exp(),
        contrast=each_mosaic.normal(0.08).exp()[mosaic] * chance.normal(0.04).exp(),
        kind=each_mosaic.uniform(0, 1)[mosaic],
    )


def illuminate(grid: Grid, relief: Tensor, conditions: Conditions) -> Tensor:
    """Light relief by a Sun in the east (right).

    Lunar-Lambert (McEwen 1996, LPSC 27, 841) at the phase of a nadir view; cast shadows, into
    which sunlit ground scatters some light.

    Args:
        grid: of the relief.
        relief: (B, H, H) heights in radii.
        conditions: of the B crops.

    Returns:
        (B, H - 2, H - 2) reflectance.
    """
    to_east = (relief[:, 1:-1, 2:] - relief[:, 1:-1, :-2]) / (2 * grid.pixel)
    to_north = (relief[:, :-2, 1:-1] - relief[:, 2:, 1:-1]) / (2 * grid.pixel)
    incidence = each(conditions.incidence).deg2rad()
    upright = torch.rsqrt(1 + to_east.square() + to_north.square())  # cosine of emission
    facing = ((incidence.cos() - incidence.sin() * to_east) * upright).clamp_min(1e-3)
    phase = each(conditions.incidence.clamp(max=85))
    lunar = 1 - 0.019 * phase + 2.42e-4 * phase**2 - 1.46e-6 * phase**3
    lunar = (lunar * each(conditions.photometry)).clamp(0, 1)
    image = 2 * lunar * facing / (facing + upright) + (1 - lunar) * facing
    # In shadow is what lies below the ray over some point further east.
    ray = relief[:, 1:-1, 1:-1] - grid.axis[1:-1] / incidence.tan()
    shadowed = ray < ray.flip(2).cummax(2).values.flip(2) - 1e-4
    level = 2 * lunar * incidence.cos() / (incidence.cos() + 1) + (1 - lunar) * incidence.cos()
    scattered = each(conditions.scattered) * level * (1 + 0.5 * to_east).clamp(0.3, 2)
    return torch.where(shadowed, scattered, image + 0.3 * scattered)


def photograph(
    chance: Chance, grid: Grid, image: Tensor, conditions: Conditions, *, size_px: int
) -> tuple[Tensor, Tensor]:
    """Blur, cut out and digitise a lit image.

    Args:
        chance: of B crops.
        grid: of the relief that was lit.
        image: (B, H - 2, H - 2) reflectance times albedo.
        conditions: of the B crops.
        size_px: S, side of the crop in the middle.

    Returns:
        brightness: (B, S, S) float32, whole numbers from 0 to 255.
        sigma: (B,) of the blur in pixels.
    """
    image = _with_edges(chance, grid, image, conditions.incidence)
    sigma = chance.log_uniform(*PSF_PX)
    image = blur(image, sigma)
    start = (image.shape[-1] - size_px) // 2
    inside = slice(start, start + size_px)
    image = image.clamp_min(0)
    crop = image[:, inside, inside]
    # The picture that was stretched shows more than the crop in half of the cases.
    black = torch.where(chance.happens(0.5), image.amin((1, 2)), crop.amin((1, 2)))
    digital, more = _unsharp(chance, _digitised(chance, crop, black, conditions))
    return digital.clamp(0, 255).round(), torch.hypot(sigma, more)


def contrast_scale(brightness: Tensor, mosaic: Tensor, count: int) -> Tensor:
    """Measure the contrast of each crop's mosaic, to scale crops of different light alike.

    The median over a mosaic's crops is steadier than the extreme that `Normalisation.fit` freezes.

    Args:
        brightness: (B, S, S), not negative.
        mosaic: (B,) int64, which mosaic each crop belongs to; none is without crops.
        count: M, of mosaics.

    Returns:
        (B,) `SCALE_DEVIATIONS` times the median standard deviation of brightness over its mean.
    """
    values = brightness.float()
    mean = values.mean((1, 2)).clamp_min(1e-6)
    deviation = values.std((1, 2)) / mean
    # Sorted by mosaic, within it by deviation: no shape depends on values, nothing is waited for.
    order = deviation.argsort()
    order = order[mosaic[order].argsort(stable=True)]
    crops = torch.zeros(count, dtype=torch.int64, device=mosaic.device)
    crops = crops.index_add(0, mosaic, torch.ones_like(mosaic))
    medians = deviation[order][crops.cumsum(0) - crops + (crops - 1) // 2]
    return (SCALE_DEVIATIONS * medians).clamp(*SCALE_LIMITS)[mosaic]


def _with_edges(chance: Chance, grid: Grid, image: Tensor, incidence: Tensor) -> Tensor:
    """Brightness jumps at some seams of the mosaic, and some crops lie partly in deep shadow."""
    east, north = grid.east[1:-1, 1:-1], grid.north[1:-1, 1:-1]

    def side(limit: float, roughness: float) -> Tensor:
        """(B, H, H) what lies on one side of a random line."""
        angle = chance.angle()
        across = east * angle.cos() + north * angle.sin()
        wave = each(chance.normal(roughness)) * torch.sin(3 * east + chance.angle())
        return across + wave > each(chance.uniform(-1.2, limit))

    seam = side(1.2, 0.0) & each(chance.happens(SEAM))
    image = image * torch.where(seam, each(chance.uniform(0.75, 1.3)), 1.0)
    occluded = torch.where(
        incidence > LOW_SUN_DEG, chance.happens(LOW_SUN_OCCLUSION), chance.happens(OCCLUSION)
    )
    dark = side(0.9, 0.25) & each(occluded)
    return image * torch.where(dark, each(chance.log_uniform(0.01, 0.15)), 1.0)


def _digitised(chance: Chance, image: Tensor, black: Tensor, conditions: Conditions) -> Tensor:
    """Stretch, add noise, scale the contrast, saturate some, compress some."""
    fully = conditions.kind < 0.9 * STRETCHED
    partly = torch.where(conditions.kind < STRETCHED, chance.uniform(0, 1), 0.0)
    image = image - each(torch.where(fully, 1.0, partly) * black)
    relative = image / image.mean((1, 2), keepdim=True).clamp_min(1e-6)
    noise = each(18 * chance.uniform(0, 0.03).square())
    relative = relative + chance.normal(1.0, *image.shape[1:]) * noise
    relative = 1 + (relative - 1) * each(conditions.contrast)
    clipped = torch.where(chance.happens(0.2), chance.uniform(0.6, 1.0), 1.0)
    white = relative.amax((1, 2), keepdim=True) * each(clipped)
    top = torch.where(fully, 255.0, 255 * chance.log_uniform(0.25, 1.0))
    digital = relative.clamp_min(0).minimum(white) / white * each(top)
    compressed = chance.happens(COMPRESSED)
    step = chance.log_uniform(0.1, 0.8)
    return torch.where(each(compressed), as_jpeg(digital, step), digital)


def _unsharp(chance: Chance, digital: Tensor) -> tuple[Tensor, Tensor]:
    """Blur some crops and enlarge others from few pixels; the images and the sigmas of that blur.

    Noise and compression are blurred with them: nothing else tells that these crops are unsharp.
    """
    side, kind = digital.shape[-1], chance.uniform(0, 1)
    sigma = chance.log_uniform(*UNSHARP_PSF_PX)
    native = chance.log_uniform(*UNSHARP_NATIVE_PX).round().long()
    blurred = (kind < UNSHARP).nonzero()[:, 0]
    few = ((kind >= UNSHARP) & (kind < 2 * UNSHARP)).nonzero()[:, 0]
    edge = min(math.ceil(2 * UNSHARP_PSF_PX[1]), side - 1)
    # Mirrored at the edges, so that nothing wraps around.
    wide = functional.pad(digital[blurred][:, None], (edge,) * 4, mode="reflect")[:, 0]
    soft = blur(wide, sigma[blurred])[:, edge : edge + side, edge : edge + side]
    enlarge = _enlarging(side, digital.device)[native[few] - UNSHARP_NATIVE_PX[0]]
    coarse = enlarge @ digital[few] @ enlarge.mT
    digital = digital.index_copy(0, blurred, soft).index_copy(0, few, coarse)
    more = torch.zeros_like(sigma).index_copy(0, blurred, sigma[blurred])
    # Of a pixel's square and of the interpolation between pixels together.
    return digital, more.index_copy(0, few, 0.5 * side / native[few])


@functools.cache
def _enlarging(side: int, device: torch.device) -> Tensor:
    """(N, side, side) along one axis: means over n pixels, bilinearly enlarged to `side` again."""
    low, high = UNSHARP_NATIVE_PX
    unit = torch.eye(side, device=device)[None]
    few = (functional.interpolate(unit, size=n, mode="area") for n in range(low, high + 1))
    return torch.cat([functional.interpolate(each, size=side, mode="linear").mT for each in few])
