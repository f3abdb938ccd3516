"""Train an encoder on simulated craters, calibrate it, and measure it on unseen ones."""

import hashlib
import json
import math
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lunar_models.config.base import specs
from lunar_models.config.pretrain import PretrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.base import CPU
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.encoders.precision import autocast, pick_device
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.rendering.simulation import normalised, simulate_crops
from lunar_models.training.gradient_step import GradientStep
from lunar_models.training.replay import Replay

NORMALISATION = Normalisation(kind="ratio")
"""Of the crops; `clip` is the contrast of the mosaic, taken from each crop set."""
ROTATION_DEG = 20.0
"""Greatest error of the Sun's azimuth that is trained for."""
WARMUP_STEPS = 200
GRADIENT_CLIP = 5.0
SAVE_EVERY = 500
EXAMPLES = 16
STATE_FILE = "pretraining.pt"

OnStep = Callable[[int, dict[str, float]], object]
"""Called every `SAVE_EVERY` steps with the number of steps done and the mean losses since."""


@dataclass(frozen=True)
class PretrainingResult:
    """A trained and calibrated encoder."""

    checkpoint: Checkpoint
    metrics: dict[str, float]
    """On simulated craters that were neither trained nor calibrated on."""
    examples: npt.NDArray[np.uint8]
    """(16, S, S) simulated crops."""


def pretrain(config: PretrainConfig, *, on_step: OnStep | None = None) -> PretrainingResult:
    """Train `inverse_rendering` on simulated craters.

    Called again with the same parameters and `config.output`, a killed training resumes at the
    last saved step, with newly simulated craters.

    Raises:
        ConfigError: the folder holds a training with other parameters, or the loss diverges.
        CheckpointError: the saved state is damaged.
    """
    run = _Pretraining(config)
    while run.step < config.steps:
        losses = run.advance(min(SAVE_EVERY, config.steps - run.step))
        run.save()
        if on_step is not None:
            on_step(run.step, losses)
    return run.finish()


class _Pretraining:
    def __init__(self, config: PretrainConfig) -> None:
        self.config, self.step = config, 0
        self.device = pick_device(config.device)
        torch.manual_seed(config.seed)
        encoder = InverseRenderingEncoder(
            crop_size_px=config.crop_size_px, latent_dim=config.latent_dim
        )
        self.encoder = encoder.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        recorded = config.compiled and self.device.type == "cuda"
        self.views = torch.Generator(self.device if recorded else CPU)
        self.gradient_step = GradientStep(
            self._losses,
            self.encoder.parameter_groups(),
            weight_decay=config.weight_decay,
            clip=GRADIENT_CLIP,
            autocast=autocast(config.precision, self.device),
            recorded_draws=[self.views] if recorded else None,
        )
        self.file = Path(config.output) / STATE_FILE
        self._resume()
        # Another stream after each resumption: no crater is simulated twice.
        self.generator = self._generator(self.step)
        self.views.manual_seed(config.seed + self.step)
        self.replay = Replay(
            config.replay, uses=config.uses, generator=self.generator, **self._size
        )

    @property
    def _size(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.config.crop_size_px,
            "context_diameters": self.config.context_diameters,
        }

    def _generator(self, stream: int) -> torch.Generator:
        return torch.Generator(self.device).manual_seed((self.config.seed << 32) + stream)

    def advance(self, steps: int) -> dict[str, float]:
        """Take gradient steps; mean losses."""
        self.encoder.train()
        sums: dict[str, Tensor] = {}
        for _ in range(steps):
            for name, value in self._one_step().items():
                sums[name] = sums.get(name, 0) + value
        means = {name: float(value) / steps for name, value in sums.items()}
        if not math.isfinite(means["loss"]):
            raise ConfigError(
                f"The loss became {means['loss']} by step {self.step} with learning_rate="
                f"{self.config.learning_rate}; use a smaller learning_rate."
            )
        return means

    def _one_step(self) -> dict[str, Tensor]:
        losses = self.gradient_step(
            self._learning_rate(), *self.replay.draw(self.config.batch_size // 2)
        )
        self.step += 1
        return losses

    def _losses(
        self, first: Tensor, second: Tensor, scale: Tensor, truth: Tensor
    ) -> dict[str, Tensor]:
        views = [
            lunar_view(
                crops,
                self.views,
                context_diameters=self.config.context_diameters,
                rotation_deg=ROTATION_DEG,
                blurs=False,  # simulated crops are blurred already
            )
            for crops in (first, second)
        ]
        losses: dict[str, Tensor] = self.encoder.simulation_loss(*views, scale, truth)
        return losses

    def _learning_rate(self) -> float:
        """Linear warm-up, then a cosine to zero."""
        warm = min(1.0, (self.step + 1) / min(WARMUP_STEPS, self.config.steps))
        cosine = 0.5 + 0.5 * math.cos(math.pi * self.step / self.config.steps)
        return self.config.learning_rate * warm * cosine

    def finish(self) -> PretrainingResult:
        """Calibrate on fresh craters, measure on others."""
        self.encoder.eval()
        self.encoder.calibrate(*self._unseen(-1))
        checkpoint = Checkpoint(
            self.encoder,
            NORMALISATION,
            context_diameters=self.config.context_diameters,
        )
        examples = simulate_crops(EXAMPLES, generator=self._generator(2**31 - 3), **self._size)
        crops, scale, truth = self._unseen(-2)
        parts = zip(torch.split(crops, 512), torch.split(scale, 512), strict=True)
        physics = torch.cat([self.encoder.physics(*part) for part in parts])
        predicted = PhysicalPrediction.of(physics.cpu().numpy(), self.encoder.residual_table())
        return PretrainingResult(
            checkpoint,
            predicted.scores(truth[:, :2].cpu().numpy()),
            examples.brightness[:, 0].byte().cpu().numpy(),
        )

    def _unseen(self, stream: int) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1, S, S) normalised crops, (N,) scale, (N, Q) truth; one photograph of each."""
        generator = self._generator(2**31 + stream)
        made = [
            simulate_crops(256, generator=generator, **self._size)
            for _ in range(math.ceil(self.config.calibration / 256))
        ]
        crops = torch.cat([normalised(part.brightness[:, 0], part.scale[:, 0]) for part in made])
        scale, truth = (
            torch.cat([v[:, 0] for v in values])
            for values in ([part.scale for part in made], [part.truth for part in made])
        )
        return crops, scale, truth

    def save(self) -> None:
        """Write the state; a kill in the middle leaves the former one."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.file.with_suffix(".part")
        state = {
            "fingerprint": self._fingerprint(),
            "step": self.step,
            "encoder": self.encoder.state_dict(),
            "optimiser": self.gradient_step.optimiser.state_dict(),
        }
        torch.save(state, unfinished)
        os.replace(unfinished, self.file)

    def _resume(self) -> None:
        if not self.file.is_file():
            return
        try:
            state = torch.load(self.file, weights_only=True, map_location=self.device)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{self.file} is damaged ({error}); delete it to train from the start."
            ) from error
        if state["fingerprint"] != self._fingerprint():
            raise ConfigError(
                f"{self.file} belongs to a training with other parameters; use another output, "
                "or delete it."
            )
        self.step = state["step"]
        self.encoder.load_state_dict(state["encoder"])
        self.gradient_step.load(state["optimiser"])

    def _fingerprint(self) -> str:
        settings = {
            spec.name: getattr(self.config, spec.name)
            for spec in specs(PretrainConfig)
            if spec.role == "setting" and spec.name not in ("calibration", "registered_model")
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
