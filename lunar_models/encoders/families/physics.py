"""Learn degradation from rendered craters of known K/R², and appearance from real crops."""

import math
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.base import CPU, Encoder, evaluating
from lunar_models.encoders.families.vicreg import PROJECTION_DIM, vicreg_terms
from lunar_models.encoders.layers.convolutions import ConvolutionalNetwork, projector
from lunar_models.encoders.layers.likelihood import gaussian_loss
from lunar_models.encoders.overlap import send
from lunar_models.errors import ConfigError
from lunar_models.joint_batch import gather
from lunar_models.rendering.craters import RenderedCrops, render_craters

FEATURE_SCALE = 0.05
"""Standard deviation of a feature in the embedding; that of the degradation is 1."""
ZOOMS = (0.95, 1.05)
"""Scales at which a crop is looked at, upright and upside down."""
QUANTILES = 65
QUANTILE_MOMENTUM = 0.05

TARGET_MEAN = (-3.1, -2.7)
TARGET_SPREAD = (1.35, 0.85)
"""Of the rendered craters' log K/R² and log depth/diameter: the heads work on unit scales."""


class PhysicsEncoder(Encoder):
    """Regresses K/R² and depth of rendered craters; VICReg on real crops ties the two together.

    No label is needed: the rendered craters' degradation is known (`rendering`), and one network
    must at the same time give equal features to two views of a real crater. The loss of the
    regression is the Gaussian likelihood, so that each prediction has its uncertainty.

    Embedding, D = `latent_dim`: the degradation, as the part of the training craters that are
    fresher, spread evenly to unit variance; then D - 1 features, standardised and scaled by
    `FEATURE_SCALE`. Each crop is looked at `ZOOMS` times two ways, and the looks are averaged.
    """

    name = "physics"
    stays_on_device = True
    quantiles: Tensor
    target_mean: Tensor
    target_spread: Tensor

    def __init__(self, *, crop_size_px: int, latent_dim: int) -> None:
        super().__init__()
        if latent_dim < 2:
            raise ConfigError(f"latent_dim={latent_dim} is too small for physics; the least is 2.")
        features = latent_dim - 1
        self.crop_size_px, self.embedding_dim = crop_size_px, latent_dim
        self.network = ConvolutionalNetwork(crop_size_px=crop_size_px, outputs=features)
        self.head = nn.Sequential(nn.Linear(features, 128), nn.ReLU(), nn.Linear(128, 4))
        self.projector = projector(features, PROJECTION_DIM)
        self.standardise = nn.BatchNorm1d(features, affine=False)
        # Of the real training craters' shallowness, fresh to worn; as batch statistics, a
        # running mean.
        self.register_buffer("quantiles", torch.linspace(-2, 2, QUANTILES))
        self.register_buffer("target_mean", torch.tensor(TARGET_MEAN), persistent=False)
        self.register_buffer("target_spread", torch.tensor(TARGET_SPREAD), persistent=False)
        self.see_crops(normalisation=Normalisation(), context_diameters=1.5)

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        return cls(crop_size_px=crop_size_px, latent_dim=config.latent_dim)

    @property
    def arguments(self) -> dict[str, Any]:
        return {"crop_size_px": self.crop_size_px, "latent_dim": self.embedding_dim}

    def see_crops(self, *, normalisation: Normalisation, context_diameters: float) -> None:
        self.normalisation, self.context_diameters = normalisation, context_diameters

    def _embed(self, crops: Tensor) -> Tensor:
        return self.outputs(crops)["embedding"]

    def degradation(self, crops: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(), evaluating(self):
            told = self.outputs(crops)
            return told["score"], told["score_deviation"]

    def outputs(self, crops: Tensor) -> dict[str, Tensor]:
        features, shallowness, spread = self._look(crops)
        score = self._rank(shallowness)
        low, high = self._rank(shallowness - spread), self._rank(shallowness + spread)
        degradation = (score - 0.5) * math.sqrt(12)
        details = FEATURE_SCALE * self.standardise(features)
        return {
            "embedding": torch.cat([degradation[:, None], details], 1),
            "score": score,
            "score_deviation": (high - low) / 2,
        }

    def _look(self, crops: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features, shallowness (minus log depth, in units of its spread) and its deviation.

        Means over looks that differ in what must not matter: enlarged, reduced, upside down.
        """
        looks = torch.cat(
            [_resized(view, zoom) for zoom in ZOOMS for view in (crops, crops.flip(2))]
        )
        features = self.network(looks).float()
        mean, log_variance = self._predict(features)
        shallowness, variance, features = (
            _mean_of_looks(values) for values in (-mean[:, 1], log_variance[:, 1].exp(), features)
        )
        return features, shallowness, variance.sqrt()

    def _predict(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 2) means and log variances of the standardised log K/R² and log depth."""
        mean, log_variance = self.head(features).float().chunk(2, 1)
        return mean, log_variance.clamp(-4, 3)

    def _rank(self, shallowness: Tensor) -> Tensor:
        """Shallowness -> part of the training craters that are fresher, by interpolation."""
        above = (self.quantiles < shallowness[:, None]).sum(1)
        above = above.clamp(1, QUANTILES - 1)
        low, high = self.quantiles[above - 1], self.quantiles[above]
        within = ((shallowness - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
        return (above - 1 + within) / (QUANTILES - 1)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        rendered, truth = self._render(len(crops), generator)
        pictures = torch.cat([send(rendered, crops.device), crops, crops])
        views = torch.cat(
            [
                lunar_view(part, generator, context_diameters=self.context_diameters)
                for part in pictures.chunk(3)
            ]
        )
        features = self.network(views)
        synthetic, real = features[: len(crops)], features[len(crops) :]
        targets = (send(truth, crops.device) - self.target_mean) / self.target_spread
        regression = self._regression(synthetic, targets)
        terms = vicreg_terms(*self.projector(real).float().chunk(2))
        if self.training:
            self._remember(real[: len(crops)].detach().float())
        return {**terms, "regression": regression, "loss": regression + terms["loss"]}

    def _render(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Rendered crops, normalised as the real ones, and their (B, 2) log K/R² and log depth."""
        where = CPU if generator is None else generator.device
        with torch.autocast(where.type, enabled=False):
            rendered: RenderedCrops = render_craters(
                count,
                crop_size_px=self.crop_size_px,
                context_diameters=self.context_diameters,
                generator=generator,
            )
            truth = torch.stack([rendered.log_k_over_r2, rendered.log_depth], 1)
            return self.normalisation(rendered.brightness), truth

    def _regression(self, features: Tensor, targets: Tensor) -> Tensor:
        mean, log_variance = self._predict(features)
        return gaussian_loss(mean, targets, log_variance).mean()

    @torch.no_grad()
    def _remember(self, features: Tensor) -> None:
        """Follow the statistics of real craters that the embedding is scaled with."""
        self.standardise(features)
        shallowness = gather(-self._predict(features)[0][:, 1])
        levels = torch.linspace(0, 1, QUANTILES, device=features.device)
        self.quantiles.lerp_(torch.quantile(shallowness, levels), QUANTILE_MOMENTUM)


def _resized(crops: Tensor, zoom: float) -> Tensor:
    """The same craters, as large as if their context were `zoom` times wider."""
    transform = zoom * torch.eye(2, 3, device=crops.device)
    shape = list(crops.shape)
    grid = functional.affine_grid(
        transform.expand(crops.shape[0], 2, 3), shape, align_corners=False
    )
    return functional.grid_sample(crops, grid, padding_mode="reflection", align_corners=False)


def _mean_of_looks(values: Tensor) -> Tensor:
    return values.view(2 * len(ZOOMS), -1, *values.shape[1:]).mean(0)
