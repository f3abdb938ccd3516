"""Train an encoder on a crop set: one road for every family."""

import math
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.crops import CropSet
from lunar_models.embedding import pick_device
from lunar_models.encoders import Encoder, FittedEncoder, build_encoder
from lunar_models.encoders.base import evaluating
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import ConfigError, CropSetError
from lunar_models.schedules import LearningRate

Metrics = dict[str, float]
OnEpoch = Callable[[int, Metrics, Encoder], None]
"""Called after each epoch with its number (from 0), its metrics and the encoder as it stands."""

FIT_PIXELS = 2**27
"""Most pixels a `FittedEncoder` sees at once: 512 MiB of float32."""


@dataclass(frozen=True)
class TrainingResult:
    """The best encoder of a training, and how it got there."""

    checkpoint: Checkpoint
    history: list[Metrics]
    """One entry per epoch."""
    best_epoch: int


def train(
    crop_set: CropSet, config: TrainConfig, *, on_epoch: OnEpoch | None = None
) -> TrainingResult:
    """Train on the training split, choose the epoch with the least validation loss.

    Two calls with equal arguments on the same machine give equal weights.

    Raises:
        ConfigError: the parameters do not fit the crop set.
        CropSetError: the training or the validation split has no crops.
    """
    torch.manual_seed(config.seed)  # initial weights; everything later has its own generator
    encoder = build_encoder(config, crop_size_px=crop_set.info.crop_size_px)
    trainer = _Trainer(encoder, crop_set, config)
    report = on_epoch or (lambda epoch, metrics, encoder: None)
    if isinstance(encoder, FittedEncoder):
        return trainer.fit(encoder, report)
    return trainer.run(report)


class _Trainer:
    """The state of one training."""

    def __init__(self, encoder: Encoder, crop_set: CropSet, config: TrainConfig) -> None:
        self.config = config
        self.device = pick_device(config.device)
        self.encoder = encoder.to(self.device)
        self.crop_set = crop_set
        self.checkpoint = Checkpoint.for_crops(encoder, crop_set)
        self.training, self.validation = (self._split(name) for name in ("train", "validation"))
        self.order = np.random.default_rng(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.batch_size = min(config.batch_size, len(self.training))
        self.steps_per_epoch = max(1, len(self.training) // self.batch_size)

    def _split(self, name: str) -> npt.NDArray[np.int64]:
        indices = self.crop_set.indices(name)
        if len(indices) == 0:
            raise CropSetError(
                f"{self.crop_set.path} has no crops in its {name} split. Give preprocess more "
                "craters, or a smaller block_deg."
            )
        return indices

    def fit(self, encoder: FittedEncoder, report: OnEpoch) -> TrainingResult:
        """The road of encoders without gradients: one epoch."""
        most = max(FIT_PIXELS // encoder.crop_size_px**2, encoder.embedding_dim + 1)
        sample = np.sort(self.order.permutation(self.training)[:most])
        started = time.perf_counter()
        encoder.fit(self._load(sample), self.generator)
        seconds = time.perf_counter() - started
        metrics = {
            "train/loss": self._mean_loss(sample),
            "validation/loss": self._mean_loss(self.validation),
            "train/learning_rate": 0.0,
            "train/crops_per_second": len(sample) / seconds,
        }
        report(0, metrics, encoder)
        return TrainingResult(self.checkpoint, [metrics], 0)

    def run(self, report: OnEpoch) -> TrainingResult:
        """Epochs of gradient steps, with early stopping."""
        optimiser = torch.optim.AdamW(
            self.encoder.parameters(),
            lr=self.config.learning_rate,
            weight_decay=self.config.weight_decay,
        )
        rate = LearningRate.from_config(self.config, self.steps_per_epoch)
        history: list[Metrics] = []
        best_epoch, best_weights = 0, deepcopy(self.encoder.state_dict())
        for epoch in range(self.config.epochs):
            metrics = self._epoch(epoch, optimiser, rate)
            history.append(metrics)
            rate.observe(metrics["validation/loss"])
            if metrics["validation/loss"] <= min(m["validation/loss"] for m in history):
                best_epoch, best_weights = epoch, deepcopy(self.encoder.state_dict())
            report(epoch, metrics, self.encoder)
            if self.config.early_stopping and epoch - best_epoch >= self.config.early_stopping:
                break
        self.encoder.load_state_dict(best_weights)
        return TrainingResult(self.checkpoint, history, best_epoch)

    def _epoch(self, epoch: int, optimiser: torch.optim.Optimizer, rate: LearningRate) -> Metrics:
        self.encoder.train()
        started = time.perf_counter()
        total = 0.0
        for step, crops in enumerate(self._training_batches()):
            lr = rate.at(epoch * self.steps_per_epoch + step)
            for group in optimiser.param_groups:
                group["lr"] = lr
            total += self._step(crops, optimiser)
        seconds = time.perf_counter() - started
        return {
            "train/loss": self._finite(total / self.steps_per_epoch, epoch),
            "validation/loss": self._finite(self._mean_loss(self.validation), epoch),
            "train/learning_rate": lr,
            "train/crops_per_second": self.steps_per_epoch * self.batch_size / seconds,
        }

    def _step(self, crops: Tensor, optimiser: torch.optim.Optimizer) -> float:
        optimiser.zero_grad(set_to_none=True)
        loss = self.encoder.loss(crops, self.generator)["loss"]
        loss.backward()  # type: ignore[no-untyped-call]
        if self.config.gradient_clip:
            torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), self.config.gradient_clip)
        optimiser.step()
        return loss.item()

    def _training_batches(self) -> Iterator[Tensor]:
        shuffled = self.order.permutation(self.training)
        for step in range(self.steps_per_epoch):
            # Ascending inside a batch: neighbouring reads of the memory map.
            batch = np.sort(shuffled[step * self.batch_size : (step + 1) * self.batch_size])
            crops = self._load(batch)
            if self.config.augment:
                upside_down = torch.rand(len(crops), generator=self.generator) < 0.5
                mask = upside_down.to(self.device)[:, None, None, None]
                crops = torch.where(mask, crops.flip(2), crops)
            yield crops

    def _load(self, indices: npt.NDArray[np.int64]) -> Tensor:
        batch = torch.from_numpy(self.crop_set.crops[indices]).to(self.device)
        return self.checkpoint.normalisation(batch)

    def _mean_loss(self, indices: npt.NDArray[np.int64]) -> float:
        # Random parts of a loss (masks, views) are the same ones in every epoch.
        generator = torch.Generator().manual_seed(self.config.seed)
        total = 0.0
        with torch.inference_mode(), evaluating(self.encoder):
            for start in range(0, len(indices), 256):
                crops = self._load(indices[start : start + 256])
                total += self.encoder.loss(crops, generator)["loss"].item() * len(crops)
        return total / len(indices)

    def _finite(self, loss: float, epoch: int) -> float:
        if not math.isfinite(loss):
            raise ConfigError(
                f"The loss became {loss} in epoch {epoch} with learning_rate="
                f"{self.config.learning_rate}; use a smaller learning_rate or gradient_clip."
            )
        return loss
