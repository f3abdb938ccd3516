"""Train encoders on simulated craters, calibrate them, and measure them on unseen ones."""

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
from lunar_models.config.pretrain import Network, PretrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.base import CPU
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import RECIPE, InverseRenderingEncoder
from lunar_models.encoders.precision import autocast, pick_device
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.rendering.simulation import normalised, simulate_crops
from lunar_models.training.learner import Learner
from lunar_models.training.replay import Replay
from lunar_models.training.simulation_loss import Batch
from lunar_models.training.threads import OnThreads, Threads

NORMALISATION = Normalisation(kind="ratio")
"""Of the crops; `clip` is the contrast of the mosaic, taken from each crop set."""
ROTATION_DEG = 20.0
"""Greatest error of the Sun's azimuth that is trained for."""
WARMUP_STEPS = 200
SAVE_EVERY = 500
EXAMPLES = 16
STATE_FILE = "pretraining.pt"

OnStep = Callable[[int, dict[str, float]], object]
"""Called every `SAVE_EVERY` steps with the number of steps done and the mean losses since."""


@dataclass(frozen=True)
class PretrainingResult:
    """A trained and calibrated encoder."""

    network: Network
    checkpoint: Checkpoint
    metrics: dict[str, float]
    """On simulated craters that were neither trained nor calibrated on."""
    examples: npt.NDArray[np.uint8]
    """(16, S, S) simulated crops."""


def pretrain(
    config: PretrainConfig, *, on_step: OnStep | None = None, on_threads: OnThreads | None = None
) -> tuple[PretrainingResult, ...]:
    """Train networks of `inverse_rendering` on the same simulated craters.

    Called again with the same parameters and `config.output`, a killed training resumes at the
    last saved step, with newly simulated craters.

    Raises:
        ConfigError: the folder holds a training with other parameters, or the loss diverges.
        CheckpointError: the saved state is damaged.
    """
    run = Pretraining(config, on_threads)
    with run.threads.kept():
        while run.step < config.steps:
            losses = run.advance(min(SAVE_EVERY, config.steps - run.step))
            run.save()
            if on_step is not None:
                on_step(run.step, losses)
        return run.results()


class Pretraining:
    """Networks in training, in the order of `config.networks`."""

    def __init__(self, config: PretrainConfig, on_threads: OnThreads | None = None) -> None:
        """Raises: as `pretrain`."""
        self.config, self.step = config, 0
        self.device = pick_device(config.device)
        self.threads = Threads(config.threads, self.device, on_threads)
        self.learners: list[Learner] = []
        for number, network in enumerate(config.networks):
            self.learners.append(self._learner(number, network))
        self.file = Path(config.output) / STATE_FILE
        self._resume()
        self.generator = self._generator(self.step)  # another after each resumption
        on_gpu = self.device.type == "cuda"
        self.views = torch.Generator(self.device if on_gpu else CPU)
        self.views.manual_seed(config.seed + self.step)
        self.replay = Replay(
            config.replay, uses=config.uses, generator=self.generator, **self._size
        )

    def _learner(self, number: int, network: Network) -> Learner:
        torch.manual_seed(self.config.seed + number)
        encoder = InverseRenderingEncoder(
            crop_size_px=self.config.crop_size_px,
            latent_dim=self.config.latent_dim,
            model_size="large" if network == "large" else "small",
            **RECIPE,
        )
        teachers = [n for n, each in enumerate(self.config.networks[:number]) if each == "large"]
        on_device = encoder.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Learner(
            on_device,
            weight_decay=self.config.weight_decay,
            autocast=autocast(self.config.precision, self.device),
            recorded=self.config.compiled and self.device.type == "cuda",
            teacher=self.learners[teachers[-1]] if network == "student" else None,
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
        """Take gradient steps; mean losses, with the network's number where there are several."""
        for learner in self.learners:
            learner.encoder.train()
        for _ in range(steps):
            self.take_step()
            self.threads.follow()
        means: dict[str, float] = {}
        for number, learner in enumerate(self.learners):
            prefix = f"{number}-{self.config.networks[number]}/" if len(self.learners) > 1 else ""
            means |= {prefix + k: value for k, value in learner.mean_losses(steps).items()}
        if not all(map(math.isfinite, means.values())):
            raise ConfigError(
                f"The loss became {means} by step {self.step} with learning_rate="
                f"{self.config.learning_rate}; use a smaller learning_rate."
            )
        return means

    def take_step(self) -> None:
        """Take one gradient step of each network."""
        *photographs, scale, truth = self.replay.draw(self.config.batch_size // 2)
        first, second = (
            lunar_view(
                crops,
                self.views,
                context_diameters=self.config.context_diameters,
                rotation_deg=ROTATION_DEG,
                blurs=False,  # simulated crops are blurred already
            )
            for crops in photographs
        )
        batch, rate = Batch(first, second, scale, truth), self._learning_rate()
        for learner in self.learners:
            learner.step(rate, batch)
        for learner in self.learners:
            learner.wait()
        self.step += 1

    def _learning_rate(self) -> float:
        """Linear warm-up, then a cosine to zero."""
        warm = min(1.0, (self.step + 1) / min(WARMUP_STEPS, self.config.steps))
        cosine = 0.5 + 0.5 * math.cos(math.pi * self.step / self.config.steps)
        return self.config.learning_rate * warm * cosine

    def results(self) -> tuple[PretrainingResult, ...]:
        """Calibrate on fresh craters, measure on others; the training may go on afterwards."""
        given, judged = self._unseen(-1), self._unseen(-2)
        examples = simulate_crops(EXAMPLES, generator=self._generator(2**31 - 3), **self._size)
        shown = examples.brightness[:, 0].byte().cpu().numpy()
        made = []
        for network, learner in zip(self.config.networks, self.learners, strict=True):
            encoder = learner.encoder.eval()
            encoder.calibrate(*given)
            checkpoint = Checkpoint(
                encoder, NORMALISATION, context_diameters=self.config.context_diameters
            )
            made.append(PretrainingResult(network, checkpoint, _scores(encoder, *judged), shown))
        return tuple(made)

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
            "learners": [learner.state_dict() for learner in self.learners],
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
                f"{self.file} belongs to a training with other parameters or of another version; "
                "use another output, or delete it."
            )
        self.step = state["step"]
        for learner, saved in zip(self.learners, state["learners"], strict=True):
            learner.load_state_dict(saved)

    def _fingerprint(self) -> str:
        settings = {
            spec.name: getattr(self.config, spec.name)
            for spec in specs(PretrainConfig)
            if spec.role == "setting" and spec.name not in ("calibration", "registered_model")
        }
        settings["version"] = 2  # of the networks' tensors
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _scores(
    encoder: InverseRenderingEncoder, crops: Tensor, scale: Tensor, truth: Tensor
) -> dict[str, float]:
    """What its predictions of simulated craters are worth; arguments as of its `calibrate`."""
    parts = zip(torch.split(crops, 512), torch.split(scale, 512), strict=True)
    physics = torch.cat([encoder.physics(*part) for part in parts])
    predicted = PhysicalPrediction.of(physics.cpu().numpy(), encoder.residual_table())
    return predicted.scores(truth[:, :2].cpu().numpy())
