"""Infer K/R², depth and illumination from a crop: the inverse of the simulation of crops."""

import math
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from lunar_models.config.pretrain import NetworkSize
from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.base import Encoder, evaluating
from lunar_models.encoders.families.vicreg import PROJECTION_DIM
from lunar_models.encoders.layers.convolutions import ContrastNetwork, ResidualNetwork, projector
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import DepthCorrection, ResidualTable
from lunar_models.rendering.simulation import QUANTITIES

FEATURE_SCALE = 0.05
"""Standard deviation of a feature in the embedding; that of the degradation is 1, so it leads."""
RANKS = 65
RESIDUAL_LEVELS = 199
"""Cumulative probabilities 0.005, 0.010 … 0.995 at which residuals are tabulated."""

MEAN = (-3.1, -2.9, -0.93, 1.39, 0.085, 68.0, -0.2)
DEVIATION = (1.35, 0.9, 0.73, 0.93, 0.21, 9.4, 0.6)
"""Of the simulated `QUANTITIES`: the network works on unit scales."""
K_OVER_R2, DEPTH = 0, 1
INCIDENCE = QUANTITIES.index("incidence")
"""Positions in `QUANTITIES`."""
INCIDENCE_WEIGHT = 0.3
"""What of a crop's predicted incidence that differs from its mosaic's is taken for depth, both in
standard units. Chosen on half of the blocks of measured craters; see the model card."""
INCIDENCE_NOISE = 0.3
"""Spread of predicted incidences, in standard units (2.8 deg), on a mosaic under one Sun."""
NETWORKS = {"small": ContrastNetwork, "large": ResidualNetwork}


class InverseRenderingEncoder(Encoder):
    """Regresses the physics of simulated craters; VICReg ties two photographs of each together.

    Each quantity of `rendering.simulation.QUANTITIES` is predicted with its own variance
    (Gaussian likelihood; Nix and Weigend 1994). No label and no photograph is needed.

    Embedding, D = `latent_dim`: the degradation score, as the part of simulated craters that
    are deeper for their diameter, spread to unit variance; then D - 1 features, standardised and
    scaled by `FEATURE_SCALE`. Each crop is seen upright and upside down; the two are averaged.

    The Sun stands nearly alike over many a mosaic. Where a crop seems to be lit more obliquely than
    the others of its mosaic (`see_mosaic`), that is partly read as depth: the less, the more the
    incidences of the mosaic differ in truth.
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
        mosaic_incidence: float | None = None,
        incidence_weight: float = INCIDENCE_WEIGHT,
        incidence_share: float = 1.0,
    ) -> None:
        """`mosaic_incidence`, `incidence_share`: see `see_mosaic`; None where none was seen."""
        super().__init__()
        if latent_dim < 2:
            raise ConfigError(f"latent_dim={latent_dim} is too small; the least is 2.")
        features = latent_dim - 1
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim
        self.contrast = 1.0
        self.mosaic_incidence, self.incidence_share = mosaic_incidence, incidence_share
        self.incidence_weight = incidence_weight
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
            "latent_dim": self.embedding_dim,
            "model_size": self.model_size,
            "mosaic_incidence": self.mosaic_incidence,
            "incidence_weight": self.incidence_weight,
            "incidence_share": self.incidence_share,
        }

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        super().see_crops(normalisation=normalisation, context_diameters=context_diameters)
        self.contrast = normalisation.clip
        if normalisation.kind != "ratio":
            raise ConfigError(
                f"encoder={self.name} takes crops with normalisation=ratio, these have "
                f"normalisation={normalisation.kind}; run preprocess with normalisation=ratio."
            )

    def see_mosaic(self, crops: Tensor) -> None:
        with torch.inference_mode(), evaluating(self):
            looks = [self._look(part)[1][:, INCIDENCE] for part in torch.split(crops, 256)]
        incidence = torch.cat(looks)
        self.mosaic_incidence = float(incidence.median())
        low, high = (float(incidence.quantile(level)) for level in (0.16, 0.84))
        # The part of the predictions' variance that is error, not a difference of the Sun.
        spread = max((high - low) / 2, INCIDENCE_NOISE)
        self.incidence_share = (INCIDENCE_NOISE / spread) ** 2

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
        values = mean[:, both] * self.target_deviation[both] + self.target_mean[both]
        deviations = variance[:, both].sqrt() * self.target_deviation[both]
        return {
            "embedding": torch.cat(
                [degradation[:, None], FEATURE_SCALE * self.standardise(features)], 1
            ),
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
        features = self.network(torch.cat([crops, crops.flip(2)]), contrast.repeat(2)).float()
        mean, log_variance = self.predict(features)
        mean = mean.view(2, -1, len(QUANTITIES)).mean(0)
        variance = log_variance.exp().view(2, -1, len(QUANTITIES)).mean(0)
        if self.mosaic_incidence is not None:
            weight = self.incidence_weight * self.incidence_share
            light, uncertain = torch.zeros_like(mean), torch.zeros_like(variance)
            light[:, DEPTH] = weight * (mean[:, INCIDENCE] - self.mosaic_incidence)
            # The difference that is read is itself as uncertain as predicted incidences are.
            uncertain[:, DEPTH] = (weight * INCIDENCE_NOISE) ** 2
            mean, variance = mean + light, variance + uncertain
        return features.view(2, -1, features.shape[1]).mean(0), mean, variance

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


def residual_levels() -> Tensor:
    """(199,) cumulative probabilities of the columns of `residuals`."""
    return torch.linspace(0.005, 0.995, RESIDUAL_LEVELS)
