"""Cut and resample stored crops to what an encoder takes."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lunar_models.errors import ConfigError

_TOLERANCE = 0.005
"""Relative difference of contexts that is not worth a resampling."""


@dataclass(frozen=True)
class CropGeometry:
    """Side of square crops, in pixels and in crater diameters."""

    size_px: int
    context_diameters: float

    def check_covers(self, wanted: "CropGeometry") -> None:
        """Raise ConfigError if crops like these show too little ground for `wanted`."""
        if self.context_diameters < wanted.context_diameters * (1 - _TOLERANCE):
            raise ConfigError(
                f"The encoder takes crops of {wanted.context_diameters:g} crater diameters, these "
                f"have {self.context_diameters:g}; run preprocess with "
                f"context_diameters={wanted.context_diameters:g}."
            )


def resampled(crops: Tensor, given: CropGeometry, wanted: CropGeometry) -> Tensor:
    """Cut the middle out of crops and resample it, bilinear and antialiased.

    Args:
        crops: (B, S, S) of any type, `given`.
        given: of these crops.
        wanted: of the result; shows no more ground.

    Returns:
        (B, S', S') float32.
    """
    side = given.size_px * min(1.0, wanted.context_diameters / given.context_diameters)
    values = crops.float()[:, None]
    if abs(side - given.size_px) > _TOLERANCE * given.size_px:
        # Enlarge first, so that the cut falls between pixels.
        whole = max(wanted.size_px, round(wanted.size_px * given.size_px / side))
        values = _resize(values, whole + (whole - wanted.size_px) % 2)
        edge = (values.shape[-1] - wanted.size_px) // 2
        values = values[:, :, edge : edge + wanted.size_px, edge : edge + wanted.size_px]
    elif given.size_px != wanted.size_px:
        values = _resize(values, wanted.size_px)
    return values[:, 0]


def _resize(values: Tensor, side: int) -> Tensor:
    return functional.interpolate(
        values, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )


def as_stored(crops: Tensor) -> Tensor:
    """Round to uint8, as crops are stored."""
    return crops.round().clamp(0, 255).to(torch.uint8)
