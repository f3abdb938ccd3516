"""Compute polar harmonics: 56 hand-crafted features, a baseline for every network."""

import math
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.base import FittedEncoder

RADII = 14
INNER_RADIUS, OUTER_RADIUS = 0.1, 1.45
"""In crater radii."""
ANGLES = 48


class PolarHarmonicsEncoder(FittedEncoder):
    """Brightness in rings around the crater's centre, as harmonics of the angle from the Sun.

    At each of 14 radii: the mean, the Sun-phased first harmonic (crops are aligned, so the Sun
    is in the east), and the magnitudes of the first and the second harmonic. Nothing is learned.
    """

    name = "polar_harmonics"
    grid: Tensor
    waves: Tensor
    rings: Tensor

    def __init__(self, *, crop_size_px: int) -> None:
        super().__init__()
        self.crop_size_px = crop_size_px
        self.embedding_dim = 4 * RADII
        self.see_crops(normalisation=Normalisation(), context_diameters=1.5)

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(crop_size_px=crop_size_px)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"crop_size_px": self.crop_size_px}

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        self.context_diameters = context_diameters
        radii = torch.linspace(INNER_RADIUS, min(OUTER_RADIUS, context_diameters), RADII)
        angles = torch.arange(ANGLES) * (2 * math.pi / ANGLES)
        across = radii[:, None] / context_diameters  # 1 is the edge of the crop
        grid = torch.stack([across * angles.cos(), -across * angles.sin()], -1)
        waves = [
            torch.ones(ANGLES),
            angles.cos(),
            angles.sin(),
            (2 * angles).cos(),
            (2 * angles).sin(),
        ]
        # Derived from the context, so not part of the checkpoint's weights.
        self.register_buffer("grid", grid[None], persistent=False)
        self.register_buffer("waves", torch.stack(waves) / ANGLES, persistent=False)
        self.register_buffer("rings", self._rings(radii), persistent=False)

    def _rings(self, radii: Tensor) -> Tensor:
        """(2 * RADII, S, S): what each mean and each phased harmonic adds to each pixel."""
        side = self.crop_size_px
        axis = ((torch.arange(side) + 0.5) * 2 / side - 1) * self.context_diameters
        radius = torch.hypot(axis[:, None], axis).clamp(radii[0], radii[-1])
        step = radii[1] - radii[0]
        hats = (1 - (radius - radii[:, None, None]).abs() / step).clamp_min(0)
        east = axis / torch.hypot(axis[:, None], axis).clamp_min(1e-12)  # 0 in the very centre
        return torch.cat([hats, 2 * hats * east])

    def fit(self, crops: Tensor, generator: torch.Generator) -> None:
        pass

    def _embed(self, crops: Tensor) -> Tensor:
        polar = functional.grid_sample(
            crops,
            self.grid.expand(crops.shape[0], -1, -1, -1),
            padding_mode="border",
            align_corners=False,
        )[:, 0]
        mean, cosine, sine, cosine_2, sine_2 = (polar @ self.waves.T).unbind(-1)
        features = mean, cosine, _magnitude(cosine, sine), _magnitude(cosine_2, sine_2)
        return torch.cat(features, 1)

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        mean_and_phased = self._embed(crops)[:, : 2 * RADII]
        return torch.einsum("bk,kij->bij", mean_and_phased, self.rings)[:, None]

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        return {"loss": functional.mse_loss(self._reconstruct(crops, generator), crops)}


def _magnitude(cosine: Tensor, sine: Tensor) -> Tensor:
    """The correctly rounded `torch.hypot`, for which ONNX has no operator."""
    return (cosine.double().square() + sine.double().square()).sqrt().to(cosine.dtype)
