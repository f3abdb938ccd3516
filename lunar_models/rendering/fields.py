"""Blur square images and draw random fields through the Fourier transform."""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lunar_models.rendering.random_numbers import Chance, each


@functools.cache
def _wavenumbers(side: int, device: torch.device) -> Tensor:
    """(side, side // 2 + 1) cycles per pixel."""
    vertical = torch.fft.fftfreq(side, device=device)[:, None]
    return torch.hypot(vertical, torch.fft.rfftfreq(side, device=device)[None])


@functools.cache
def _log_wavenumbers(side: int, device: torch.device) -> Tensor:
    """(side, side // 2 + 1) natural logarithms of the cycles along a side, infinite of none."""
    wavenumbers = _wavenumbers(side, device).clone()
    wavenumbers[0, 0] = math.inf
    return (wavenumbers * side).log()


def blur(image: Tensor, sigma_px: Tensor) -> Tensor:
    """Blur (B, H, H) images by Gaussians of (B,) sigmas; the edges wrap around."""
    if not len(image):  # which no Fourier transform takes
        return image
    side = image.shape[-1]
    wavenumbers = _wavenumbers(side, image.device)
    passed = torch.exp(-2 * (math.pi * wavenumbers * each(sigma_px)).square())
    blurred: Tensor = torch.fft.irfft2(torch.fft.rfft2(image) * passed, s=(side, side))
    return blurred


def texture(chance: Chance, side: int, steepness: Tensor) -> Tensor:
    """Draw (B, side, side) random fields, unit deviation, amplitudes ~ wavenumber^-steepness."""
    amplitudes = _log_wavenumbers(side, steepness.device).mul(-each(steepness)).exp()
    noise = torch.fft.rfft2(chance.normal(1.0, side, side))
    field: Tensor = torch.fft.irfft2(noise * amplitudes, s=(side, side))
    return field / field.std((1, 2), keepdim=True)


def smoothstep(values: Tensor) -> Tensor:
    """0 below 0, 1 above 1, smooth between; any shape."""
    clipped = values.clamp(0, 1)
    return clipped * clipped * (3 - 2 * clipped)


@dataclass(frozen=True)
class Grid:
    """The square of ground that is simulated, lengths in radii of the central crater."""

    side: int
    """Pixels along each side."""
    pixel: float
    """Side of a pixel."""
    device: torch.device

    @functools.cached_property
    def axis(self) -> Tensor:
        """(H,) distance of each column east of the centre."""
        return (torch.arange(self.side, device=self.device) + 0.5 - self.side / 2) * self.pixel

    @functools.cached_property
    def east(self) -> Tensor:
        """(H, H)"""
        return self.axis.expand(self.side, self.side)

    @functools.cached_property
    def north(self) -> Tensor:
        """(H, H)"""
        return -self.axis[:, None].expand(self.side, self.side)
