"""Regress the quantities of the simulation from crops, one by one."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lunar_models.config.pretrain import NetworkSize
from lunar_models.crops.normalisation import Normalisation, split_brightness
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.families.vicreg import PROJECTION_DIM
from lunar_models.encoders.layers.convolutions import ContrastNetwork, ResidualNetwork, projector
from lunar_models.encoders.layers.map_components import MapComponents
from lunar_models.encoders.mosaic_light import interior_contrast
from lunar_models.errors import ConfigError
from lunar_models.rendering.simulation import QUANTITIES

MEAN = (-3.1, -2.9, -0.93, 1.39, 0.085, 68.0, -0.2)
DEVIATION = (1.35, 0.9, 0.73, 0.93, 0.21, 9.4, 0.6)
"""Of the simulated `QUANTITIES`: the network works on unit scales."""
K_OVER_R2, DEPTH, INCIDENCE = 0, 1, QUANTITIES.index("incidence")
"""Positions in `QUANTITIES`."""
NETWORKS: dict[NetworkSize, type[ContrastNetwork] | type[ResidualNetwork]] = {
    "small": ContrastNetwork,
    "large": ResidualNetwork,
}


class Look(NamedTuple):
    """What is seen in B crops, averages of upright and upside down."""

    features: Tensor
    """(B, F)"""
    pooled: Tensor
    """(B, ·) of `MapComponents.pool`; the features where there are no components."""
    mean: Tensor
    """(B, Q) of the standardised `QUANTITIES`."""
    variance: Tensor
    """(B, Q)"""
    brightness: Tensor
    """(B,) over the mosaic's."""
    contrast: Tensor
    """(B,) of `interior_contrast`."""


class QuantityRegression(Encoder):
    """A network with a head that predicts `QUANTITIES`, each with its own variance.

    What it knows of a crop does not depend on the others of the mosaic, but for their contrast and
    brightness, by which `Normalisation` divides.
    """

    target_mean: Tensor
    target_deviation: Tensor

    def __init__(
        self,
        *,
        crop_size_px: int,
        latent_dim: int,
        model_size: NetworkSize,
        sees_brightness: bool,
        embeds_maps: bool,
    ) -> None:
        """Args:
            crop_size_px: S.
            latent_dim: F + 1, one more than features of the network.
            model_size: of the network.
            sees_brightness: see `Encoder.sees_brightness`.
            embeds_maps: whether it has components of the feature maps, F, too.

        Raises:
            ConfigError: latent_dim is too small, or too large for the maps.
        """
        super().__init__()
        if latent_dim < 2:
            raise ConfigError(f"latent_dim={latent_dim} is too small; the least is 2.")
        features = latent_dim - 1
        self.crop_size_px, self.latent_dim = crop_size_px, latent_dim
        self.contrast, self.has_level, self.sees_brightness = 1.0, False, sees_brightness
        self.model_size: NetworkSize = model_size
        network = NETWORKS[model_size](crop_size_px=crop_size_px, outputs=features)
        self.network = network
        self.components = MapComponents(
            channels=network.map_channels, side=network.map_side, outputs=features
        ) if embeds_maps else None  # fmt: skip
        self.head = nn.Sequential(
            nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 2 * len(QUANTITIES))
        )
        self.projector = projector(features, PROJECTION_DIM)
        self.register_buffer("target_mean", torch.tensor(MEAN), persistent=False)
        self.register_buffer("target_deviation", torch.tensor(DEVIATION), persistent=False)

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        super().see_crops(normalisation=normalisation, context_diameters=context_diameters)
        self.contrast, self.has_level = normalisation.clip, normalisation.level is not None
        if normalisation.kind != "ratio":
            raise ConfigError(
                f"encoder={self.name} takes crops with normalisation=ratio, these have "
                f"normalisation={normalisation.kind}; run preprocess with normalisation=ratio."
            )

    def _split(self, crops: Tensor, contrast: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Crops relative to their own mean, and (B,) that mean over their mosaic's brightness."""
        if not self.has_level:
            return crops, crops.new_ones(crops.shape[0])
        clip = crops.new_full((1,), self.contrast) if contrast is None else contrast
        return split_brightness(crops, clip)

    def predict(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, Q) means and log variances of the standardised `QUANTITIES`."""
        mean, log_variance = self.head(features).float().chunk(2, 1)
        return mean, log_variance.clamp(-6, 3)

    def _look(self, crops: Tensor, contrast: Tensor | None = None) -> Look:
        """See crops one by one, as if nothing were known of their mosaic."""
        if contrast is None:
            contrast = torch.full((crops.shape[0],), self.contrast, device=crops.device)
        crops, brightness = self._split(crops, contrast)
        maps = self.network.maps(torch.cat([crops, crops.flip(2)]), contrast.repeat(2))
        features = self.network.linear(maps).float()
        mean, log_variance = self.predict(features)
        pooled = features if self.components is None else self.components.pool(maps).float()

        def average(values: Tensor) -> Tensor:
            return values.view(2, -1, *values.shape[1:]).mean(0)

        return Look(
            features=average(features),
            pooled=average(pooled),
            mean=average(mean),
            variance=average(log_variance.exp()),
            brightness=brightness,
            contrast=interior_contrast(crops, contrast, self.context_diameters),
        )
