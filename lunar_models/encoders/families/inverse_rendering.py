"""Infer K/R², depth and illumination from a crop: the inverse of the simulation of crops."""

import math
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from lunar_models.config.pretrain import NetworkSize
from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation, split_brightness
from lunar_models.encoders.base import Encoder, evaluating
from lunar_models.encoders.families.vicreg import PROJECTION_DIM
from lunar_models.encoders.layers.convolutions import ContrastNetwork, ResidualNetwork, projector
from lunar_models.encoders.layers.likelihood import residual_levels
from lunar_models.encoders.mosaic_light import INCIDENCE_NOISE, MosaicLight, fit_light
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import DepthCorrection, ResidualTable
from lunar_models.rendering.simulation import QUANTITIES

FEATURE_SCALE = 0.05
"""Standard deviation of a feature in the embedding; that of the degradation is 1, so it leads."""
RANKS = 65
MEAN = (-3.1, -2.9, -0.93, 1.39, 0.085, 68.0, -0.2)
DEVIATION = (1.35, 0.9, 0.73, 0.93, 0.21, 9.4, 0.6)
"""Of the simulated `QUANTITIES`: the network works on unit scales."""
K_OVER_R2, DEPTH, INCIDENCE = 0, 1, QUANTITIES.index("incidence")
"""Positions in `QUANTITIES`."""
INCIDENCE_WEIGHT = 0.3
"""What of a crop's predicted incidence that differs from its mosaic's is taken for depth, both in
standard units. Chosen on half of the blocks of measured craters; see the model card."""
NETWORKS = {"small": ContrastNetwork, "large": ResidualNetwork}


class InverseRenderingEncoder(Encoder):
    """Regresses the physics of simulated craters; VICReg ties two photographs of each together.

    Each quantity of `rendering.simulation.QUANTITIES` is predicted with its own variance
    (Gaussian likelihood; Nix and Weigend 1994). No label and no photograph is needed.

    Embedding, D = `latent_dim`: the degradation score, as the part of simulated craters that
    are deeper for their diameter, spread to unit variance; then D - 1 features, standardised and
    scaled by `FEATURE_SCALE`. Each crop is seen upright and upside down; the two are averaged.
    With `sees_brightness` a column follows: brightness (`MosaicLight.in_spreads`), scaled alike.

    The Sun stands nearly alike over many a mosaic. Where a crop seems to be lit more obliquely than
    the others of its mosaic that are as bright (`mosaic_light.fit_light`), that is partly read as
    depth: the less, the more the incidences of the mosaic differ in truth.
    """

    name = "inverse_rendering"
    adapts = True
    ranks: Tensor
    residuals: Tensor
    target_mean: Tensor
    target_deviation: Tensor

    def __init__(
        self,
        *,
        crop_size_px: int,
        latent_dim: int,
        model_size: NetworkSize = "small",
        incidence_weight: float = INCIDENCE_WEIGHT,
        sees_brightness: bool = False,
        **light: Any,
    ) -> None:
        """`light`: fields of `MosaicLight`, of the mosaic that was seen."""
        super().__init__()
        if latent_dim < 2:
            raise ConfigError(f"latent_dim={latent_dim} is too small; the least is 2.")
        features = latent_dim - 1
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim + sees_brightness
        self.contrast, self.has_level, self.sees_brightness = 1.0, False, sees_brightness
        self.incidence_weight, self.light = incidence_weight, MosaicLight(**light)
        self.model_size: NetworkSize = model_size
        self.network = NETWORKS[model_size](crop_size_px=crop_size_px, outputs=features)
        self.head = nn.Sequential(
            nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 2 * len(QUANTITIES))
        )
        self.projector = projector(features, PROJECTION_DIM)
        self.standardise = nn.BatchNorm1d(features, affine=False)
        # Of simulated craters: quantiles of minus the log depth, fresh to worn, and
        # quantiles of the standardised residuals of log K/R² and log depth.
        self.register_buffer("ranks", torch.linspace(-2, 2, RANKS))
        self.register_buffer("residuals", torch.special.ndtri(residual_levels()).repeat(2, 1))
        self.register_buffer("target_mean", torch.tensor(MEAN), persistent=False)
        self.register_buffer("target_deviation", torch.tensor(DEVIATION), persistent=False)

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        raise ConfigError(
            "inverse_rendering is trained on simulated craters by the pretrain step; "
            "use encoder_uri=pretrained:… instead."
        )

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.crop_size_px,
            "latent_dim": self.embedding_dim - self.sees_brightness,
            "model_size": self.model_size,
            "incidence_weight": self.incidence_weight,
            "sees_brightness": self.sees_brightness,
            **asdict(self.light),
        }

    @property
    def mosaic_incidence(self) -> float | None:
        return self.light.mosaic_incidence

    @property
    def incidence_share(self) -> float:
        return self.light.incidence_share

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        super().see_crops(normalisation=normalisation, context_diameters=context_diameters)
        self.contrast, self.has_level = normalisation.clip, normalisation.level is not None
        if normalisation.kind != "ratio":
            raise ConfigError(
                f"encoder={self.name} takes crops with normalisation=ratio, these have "
                f"normalisation={normalisation.kind}; run preprocess with normalisation=ratio."
            )

    @property
    def brightness_limits(self) -> tuple[float, float] | None:
        return self.light.brightness_limits if self.has_level else None

    def see_mosaic(self, crops: Tensor) -> None:
        parts = torch.split(crops, 256)
        with torch.inference_mode(), evaluating(self):
            incidence = torch.cat([self._look(part)[1][:, INCIDENCE] for part in parts])
            brightness = torch.cat([self._split(part)[1] for part in parts])
        self.light = fit_light(incidence, brightness)

    def _embed(self, crops: Tensor) -> Tensor:
        return self.outputs(crops)["embedding"]

    def degradation(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), evaluating(self):
            told = self.outputs(crops)
            return told["score"], told["score_deviation"]

    def physics(self, crops: Tensor, contrast: Tensor | None = None) -> Tensor:
        """As `Encoder.physics`; (B,) `contrast` where crops come from several mosaics."""
        with torch.inference_mode(), evaluating(self):
            return self.outputs(crops, contrast)["physics"]

    def outputs(self, crops: Tensor, contrast: Tensor | None = None) -> dict[str, Tensor]:
        """As `Encoder.outputs`, with (B,) `contrast` that the crops were divided by."""
        features, mean, variance = self._look(crops, contrast)
        shallowness, spread = -mean[:, DEPTH], variance[:, DEPTH].sqrt()
        score = self._rank(shallowness)
        low, high = self._rank(shallowness - spread), self._rank(shallowness + spread)
        degradation = (score - 0.5) * math.sqrt(12)
        both = slice(K_OVER_R2, DEPTH + 1)
        parts = [degradation[:, None], FEATURE_SCALE * self.standardise(features)]
        if self.sees_brightness:
            brightness = self.light.in_spreads(self._split(crops, contrast)[1])
            parts.append(FEATURE_SCALE * brightness[:, None])
        values = mean[:, both] * self.target_deviation[both] + self.target_mean[both]
        deviations = variance[:, both].sqrt() * self.target_deviation[both]
        return {
            "embedding": torch.cat(parts, 1),
            "score": score,
            "score_deviation": (high - low) / 2,
            "physics": torch.stack([values, deviations], 2),
        }

    def residual_table(self) -> ResidualTable:
        return ResidualTable(residual_levels().numpy(), self.residuals.cpu().numpy())

    @torch.no_grad()
    def correct_depth(self, correction: DepthCorrection) -> None:
        """As `Encoder.correct_depth`; the embedding and the score do not change.

        The line goes into the last layer of the head: depths are linear in its outputs.
        """
        slope = correction.slope
        centre, unit = self.target_mean[DEPTH], self.target_deviation[DEPTH]
        offset = (slope * centre + correction.offset - centre) / unit
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        last.weight[DEPTH] *= slope
        last.bias[DEPTH] = slope * last.bias[DEPTH] + offset
        last.bias[len(QUANTITIES) + DEPTH] += 2 * math.log(slope)  # of the variance
        self.incidence_weight *= slope
        self.ranks.copy_(slope * self.ranks - offset)
        self.residuals[DEPTH] = torch.from_numpy(np.asarray(correction.residuals)).to(
            self.residuals
        )

    def _look(self, crops: Tensor, contrast: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """(B, D - 1) features, (B, Q) means and variances: averages of upright and upside down."""
        if contrast is None:
            contrast = torch.full((crops.shape[0],), self.contrast, device=crops.device)
        crops, brightness = self._split(crops, contrast)
        features = self.network(torch.cat([crops, crops.flip(2)]), contrast.repeat(2)).float()
        mean, log_variance = self.predict(features)
        mean = mean.view(2, -1, len(QUANTITIES)).mean(0)
        variance = log_variance.exp().view(2, -1, len(QUANTITIES)).mean(0)
        if self.light.mosaic_incidence is not None:
            weight = self.incidence_weight * self.light.incidence_share
            light, uncertain = torch.zeros_like(mean), torch.zeros_like(variance)
            light[:, DEPTH] = weight * (mean[:, INCIDENCE] - self.light.expected(brightness))
            # The difference that is read is itself as uncertain as predicted incidences are.
            uncertain[:, DEPTH] = (weight * INCIDENCE_NOISE) ** 2
            mean, variance = mean + light, variance + uncertain
        return features.view(2, -1, features.shape[1]).mean(0), mean, variance

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

    def _rank(self, shallowness: Tensor) -> Tensor:
        """(B,) -> (B,) part of the simulated craters that are fresher, by linear interpolation."""
        low, high = self.ranks[:-1], self.ranks[1:]
        passed = (shallowness[:, None] - low) / (high - low).clamp_min(1e-6)
        return passed.clamp(0, 1).mean(1)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        raise ConfigError("inverse_rendering learns from simulated craters; use the pretrain step.")

    @torch.no_grad()
    def calibrate(self, crops: Tensor, scale: Tensor, truth: Tensor) -> None:
        """Take the statistics of the embedding and of the intervals from simulated craters.

        Args:
            crops: (N, 1, S, S) normalised, simulated and not trained on.
            scale: (N,) contrast that they were divided by.
            truth: (N, Q) `QUANTITIES`.
        """
        with evaluating(self):
            parts = zip(torch.split(crops, 512), torch.split(scale, 512), strict=True)
            looks = [self._look(*part) for part in parts]
        features, mean, variance = (torch.cat(parts) for parts in zip(*looks, strict=True))
        self.standardise.running_mean = features.mean(0)
        # A feature that hardly varies here must not amplify rounding elsewhere.
        self.standardise.running_var = features.var(0).clamp_min(1e-3)
        levels = torch.linspace(0, 1, RANKS, device=crops.device)
        self.ranks.copy_(torch.quantile(-mean[:, DEPTH], levels))
        residual = ((truth - self.target_mean) / self.target_deviation - mean) / variance.sqrt()
        both = residual[:, [K_OVER_R2, DEPTH]]
        self.residuals.copy_(torch.quantile(both, residual_levels().to(crops.device), dim=0).T)
