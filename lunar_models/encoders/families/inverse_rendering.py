"""Infer K/R², depth and illumination from a crop: the inverse of the simulation of crops."""

import math
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from lunar_models.config.pretrain import NetworkSize
from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import evaluating
from lunar_models.encoders.families.quantity_regression import (
    DEPTH,
    INCIDENCE,
    K_OVER_R2,
    Look,
    QuantityRegression,
)
from lunar_models.encoders.layers.likelihood import residual_levels
from lunar_models.encoders.mosaic_light import (
    CONTRAST_NOISE,
    CONTRAST_SLOPE,
    INCIDENCE_NOISE,
    MosaicLight,
    fit_contrast,
    fit_light,
)
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import DepthCorrection, ResidualTable
from lunar_models.rendering.simulation import QUANTITIES

FEATURE_SCALE = 0.05
"""Standard deviation of a feature in the embedding; that of the degradation is 1, so it leads."""
RANKS = 65
INCIDENCE_WEIGHT = 0.3
"""What of a crop's predicted incidence that differs from its mosaic's is taken for depth, both in
standard units. Chosen on half of the blocks of measured craters; see the model card."""
RECIPE = dict[str, Any](reads_contrast=True, sees_brightness=True, embeds_maps=True)
"""Arguments of what is trained today; the defaults are those of the first encoders."""
EXCESSES = (-2 * CONTRAST_NOISE, 3 * CONTRAST_NOISE)
"""Limits of what is taken for depth."""


class InverseRenderingEncoder(QuantityRegression):
    """Regresses the physics of simulated craters; VICReg ties two photographs of each together.

    Each quantity of `rendering.simulation.QUANTITIES` is predicted with its own variance
    (Gaussian likelihood; Nix and Weigend 1994). No label and no photograph is needed.

    Embedding, D = `latent_dim`: the degradation score, as the part of simulated craters that
    are deeper for their diameter, spread to unit variance; then D - 1 features, standardised and
    scaled by `FEATURE_SCALE`. Each crop is seen upright and upside down; the two are averaged.
    With `embeds_maps` these are components of the feature maps (`MapComponents`), and a column
    follows, the contrast inside the rim in excess of the mosaic's (`MosaicLight.excess`); with
    `sees_brightness` another, brightness (`MosaicLight.in_spreads`): both scaled alike.

    The Sun stands nearly alike over many a mosaic. Where a crop seems to be lit more obliquely than
    the others of its mosaic that are as bright (`mosaic_light.fit_light`), that is partly read as
    depth: the less, the more the incidences of the mosaic differ in truth. So is contrast inside
    the rim that others of its predicted depth do not have (`fit_contrast`), with `reads_contrast`.
    """

    name = "inverse_rendering"
    adapts = True
    ranks: Tensor
    residuals: Tensor

    def __init__(
        self,
        *,
        crop_size_px: int,
        latent_dim: int,
        model_size: NetworkSize = "small",
        incidence_weight: float = INCIDENCE_WEIGHT,
        reads_contrast: bool = False,
        sees_brightness: bool = False,
        embeds_maps: bool = False,
        **light: Any,
    ) -> None:
        """`light`: fields of `MosaicLight`, of the mosaic that was seen."""
        super().__init__(
            crop_size_px=crop_size_px,
            latent_dim=latent_dim,
            model_size=model_size,
            sees_brightness=sees_brightness,
            embeds_maps=embeds_maps,
        )
        self.embedding_dim = latent_dim + sees_brightness + embeds_maps
        self.incidence_weight, self.reads_contrast = incidence_weight, reads_contrast
        self.light = MosaicLight(**light)
        self.standardise = nn.BatchNorm1d(latent_dim - 1, affine=False)
        # Of simulated craters: quantiles of minus the log depth, fresh to worn, and
        # quantiles of the standardised residuals of log K/R² and log depth.
        self.register_buffer("ranks", torch.linspace(-2, 2, RANKS))
        self.register_buffer("residuals", torch.special.ndtri(residual_levels()).repeat(2, 1))

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
            "latent_dim": self.latent_dim,
            "model_size": self.model_size,
            "incidence_weight": self.incidence_weight,
            "reads_contrast": self.reads_contrast,
            "sees_brightness": self.sees_brightness,
            "embeds_maps": self.components is not None,
            **asdict(self.light),
        }

    @property
    def brightness_limits(self) -> tuple[float, float] | None:
        return self.light.brightness_limits if self.has_level else None

    def see_mosaic(self, crops: Tensor) -> None:
        with torch.inference_mode(), evaluating(self):
            looks = [self._look(part) for part in torch.split(crops, 256)]
        mean, brightness, contrast = (
            torch.cat([getattr(look, name) for look in looks])
            for name in ("mean", "brightness", "contrast")
        )
        light = fit_light(mean[:, INCIDENCE], brightness)
        oblique = light.oblique(mean[:, INCIDENCE], brightness)
        depth = mean[:, DEPTH] + self.incidence_weight * light.incidence_share * oblique
        self.light = fit_contrast(light, contrast, depth, brightness)

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
        look = self._look(crops, contrast)
        mean, variance, excess = self._in_light(look)
        shallowness, spread = -mean[:, DEPTH], variance[:, DEPTH].sqrt()
        score = self._rank(shallowness)
        low, high = self._rank(shallowness - spread), self._rank(shallowness + spread)
        both = slice(K_OVER_R2, DEPTH + 1)
        values = mean[:, both] * self.target_deviation[both] + self.target_mean[both]
        deviations = variance[:, both].sqrt() * self.target_deviation[both]
        return {
            "embedding": self._embedding(look, score, excess),
            "score": score,
            "score_deviation": (high - low) / 2,
            "physics": torch.stack([values, deviations], 2),
        }

    def _embedding(self, look: Look, score: Tensor, excess: Tensor) -> Tensor:
        """(B, D) of what was seen, (B,) scores and excesses of contrast."""
        if self.components is None:
            columns = [self.standardise(look.features)]
        else:
            columns = [self.components(look.pooled), excess[:, None] / CONTRAST_NOISE]
        if self.sees_brightness:
            columns.append(self.light.in_spreads(look.brightness)[:, None])
        degradation = (score - 0.5) * math.sqrt(12)
        return torch.cat([degradation[:, None], FEATURE_SCALE * torch.cat(columns, 1)], 1)

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
        self.light = self.light.with_depths(slope, float(offset))
        self.ranks.copy_(slope * self.ranks - offset)
        self.residuals[DEPTH] = torch.from_numpy(np.asarray(correction.residuals)).to(
            self.residuals
        )

    def _in_light(self, look: Look) -> tuple[Tensor, Tensor, Tensor]:
        """(B, Q) means and variances in the mosaic's light, (B,) limited excess of contrast."""
        mean, variance = look.mean.clone(), look.variance.clone()
        weight = self.incidence_weight * self.light.incidence_share
        mean[:, DEPTH] += weight * self.light.oblique(look.mean[:, INCIDENCE], look.brightness)
        if self.light.mosaic_incidence is not None:
            # The difference that is read is itself as uncertain as predicted incidences are.
            variance[:, DEPTH] += (weight * INCIDENCE_NOISE) ** 2
        excess = self.light.excess(look.contrast, mean[:, DEPTH], look.brightness)
        within = excess.clamp(*EXCESSES)
        if self.reads_contrast:
            mean[:, DEPTH] += self.light.contrast_gain(variance[:, DEPTH]) * within
            # What lies beyond has another cause, blur or shadow: it tells of doubt, not of depth.
            doubt = CONTRAST_SLOPE / self.light.contrast_per_depth * (excess - within)
            variance[:, DEPTH] += doubt.square()
        return mean, variance, within

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
        features, pooled, mean, variance, *_ = (torch.cat(p) for p in zip(*looks, strict=True))
        self.standardise.running_mean = features.mean(0)
        # A feature that hardly varies here must not amplify rounding elsewhere.
        self.standardise.running_var = features.var(0).clamp_min(1e-3)
        if self.components is not None:
            self.components.fit(pooled)
        levels = torch.linspace(0, 1, RANKS, device=crops.device)
        self.ranks.copy_(torch.quantile(-mean[:, DEPTH], levels))
        residual = ((truth - self.target_mean) / self.target_deviation - mean) / variance.sqrt()
        both = residual[:, [K_OVER_R2, DEPTH]]
        self.residuals.copy_(torch.quantile(both, residual_levels().to(crops.device), dim=0).T)
