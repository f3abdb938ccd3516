"""Run the training loop: fit an encoder, or train it by gradient descent with early stopping."""

import math
import time
from collections.abc import Iterable, Iterator
from copy import deepcopy
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.encoders.base import CPU, Encoder, FittedEncoder, evaluating
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.overlap import send
from lunar_models.encoders.precision import autocast, pick_device
from lunar_models.errors import ConfigError, CropSetError
from lunar_models.joint_batch import draw, rank, together, world
from lunar_models.training import distributed
from lunar_models.training.batches import (
    Indices,
    ordered_batches,
    pick_batches,
    read_batches,
    resident,
    shuffled_batches,
)
from lunar_models.training.gradient_step import GradientStep
from lunar_models.training.results import (
    Metrics,
    OnCrops,
    OnEpoch,
    TrainingResult,
    epoch_metrics,
)
from lunar_models.training.resume import RESUME_FILE, TrainingState, fingerprint
from lunar_models.training.schedules import LearningRate
from lunar_models.training.threads import OnThreads, Threads

FIT_PIXELS = 2**27
"""Most pixels a `FittedEncoder` sees at once: 512 MiB of float32."""
VALIDATION_BATCH = 256
BEST_FOLDER = "best"


class Trainer:
    """The state of one training: what `train` runs, step by step."""

    on_epoch: OnEpoch = staticmethod(lambda epoch, metrics, encoder: None)
    on_crops: OnCrops = staticmethod(lambda count: None)
    on_threads: OnThreads = staticmethod(lambda threads, others: None)

    def __init__(
        self, encoder: Encoder, crop_set: CropSet, config: TrainConfig, work_dir: Path | None
    ) -> None:
        self.config, self.crop_set, self.work_dir = config, crop_set, work_dir
        self.device = pick_device(config.device)
        distributed.join(self.device)
        self.rank, self.world = rank(), world()
        self.checkpoint = Checkpoint.for_crops(encoder, crop_set)
        self.encoder = encoder.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        distributed.share_batch_norm(self.encoder)
        self.autocast = autocast(config.precision, self.device)
        self.training, self.validation = (self._split(name) for name in ("train", "validation"))
        on_device = encoder.stays_on_device and self.device.type == "cuda"
        self.generator = torch.Generator(self.device if on_device else CPU)
        self._compiled = on_device and config.compiled
        self._recorded = self._compiled and self.world == 1
        self.batch_size = min(config.batch_size, len(self.training) // self.world)
        self.steps_per_epoch = len(self.training) // (self.batch_size * self.world)

    def _split(self, name: str) -> Indices:
        indices = self.crop_set.indices(name)
        if len(indices) < self.world:
            raise CropSetError(
                f"{self.crop_set.path} has {len(indices) or 'no'} crops in its {name} split. "
                "Give preprocess more craters, or a smaller block_deg."
            )
        return indices

    def fit(self) -> TrainingResult:
        """Train encoders without gradients, fitted in one go or frozen: one epoch."""
        encoder = self.encoder
        most = max(FIT_PIXELS // encoder.crop_size_px**2, encoder.embedding_dim + 1)
        sample = np.random.default_rng(self.config.seed).permutation(self.training)[:most]
        started = time.perf_counter()
        crops = torch.cat(list(self._load([sample])))
        if isinstance(encoder, FittedEncoder):
            encoder.fit(crops, torch.Generator().manual_seed(self.config.seed))
        seconds = time.perf_counter() - started
        losses = self.mean_loss(sample), self.mean_loss(self.validation)
        if not all(map(math.isfinite, losses)):
            raise ConfigError(
                f"encoder={self.config.encoder} has a loss of {losses[0]} in training and "
                f"{losses[1]} in validation; check the crops and their normalisation."
            )
        metrics = epoch_metrics(*losses, 0.0, len(sample) / seconds)
        self.on_epoch(0, metrics, encoder)
        return TrainingResult(self.checkpoint, [metrics], 0)

    def run(self) -> TrainingResult:
        """Epochs of gradient steps, with early stopping."""
        self.prepare()
        state = self._begin()
        with self.threads.kept():
            while len(state.history) < self.config.epochs and not self._stop_early(state):
                self._advance(state)
        self.encoder.load_state_dict(state.best)
        return TrainingResult(self.checkpoint, state.history, state.best_epoch)

    def prepare(self) -> None:
        """Make the optimiser, the learning rate and the choice of threads."""
        trainable = [g for g in self.encoder.parameter_groups() if g["params"]]
        self.gradient_step = GradientStep(
            lambda crops: self.encoder.loss(crops, self.generator),
            trainable,
            weight_decay=self.config.weight_decay,
            clip=self.config.gradient_clip,
            autocast=self.autocast,
            recorded_draws=[self.generator] if self._recorded else None,
            compiled=self.encoder.blocks() if self._compiled else (),
        )
        self.rate = LearningRate.from_config(self.config, self.steps_per_epoch)
        self.threads = Threads(self.config.threads, self.device, self.on_threads)

    def _begin(self) -> TrainingState:
        """The state where a former run in `work_dir` stopped, or a fresh one."""
        mark = fingerprint(self.config, self.crop_set.info.digest, self.world)
        state = self.work_dir and TrainingState.load(self.work_dir, mark)
        distributed.agree(len(state.history) if state else 0, self.device, self.work_dir)
        if not state:
            return TrainingState(mark, [], 0, self.encoder.state_dict(), {}, {}, {})
        self.encoder.load_state_dict(state.last)
        self.gradient_step.load(state.optimiser)
        self.rate.restore(state.schedule)
        for epoch, metrics in enumerate(state.history):
            self.on_epoch(epoch, metrics, None)
        return state

    def _stop_early(self, state: TrainingState) -> bool:
        waited = len(state.history) - 1 - state.best_epoch
        return 0 < self.config.early_stopping <= waited

    def _advance(self, state: TrainingState) -> None:
        """One epoch, and everything that is kept of it."""
        epoch = len(state.history)
        metrics = self._epoch(epoch)
        self.rate.observe(metrics["validation/loss"])
        state.history.append(metrics)
        improved = metrics["validation/loss"] <= min(m["validation/loss"] for m in state.history)
        if improved:
            state.best_epoch, state.best = epoch, deepcopy(self.encoder.state_dict())
        if self.work_dir is not None and self.rank == 0:
            if improved:
                self.checkpoint.save(self.work_dir / BEST_FOLDER)
            state.last = self.encoder.state_dict()
            state.optimiser = self.gradient_step.optimiser.state_dict()
            state.schedule = self.rate.state
            state.save(self.work_dir)
        self.on_epoch(epoch, metrics, self.encoder)

    def _epoch(self, epoch: int) -> Metrics:
        # Equal in all processes, which draw for the joint batch; only dropout differs.
        order = np.random.default_rng((self.config.seed, epoch))
        self.generator.manual_seed(self._chance(epoch, 0))
        torch.manual_seed(self._chance(epoch, self.rank))  # dropout
        self.encoder.train()
        started = time.perf_counter()
        losses = torch.zeros((), device=self.device)
        with together():
            for step, crops in enumerate(self.training_batches(order)):
                losses += self.step(epoch * self.steps_per_epoch + step, crops)
                self.on_crops(len(crops) * self.world)
                self.threads.follow()
        loss = distributed.total(losses).item() / (self.steps_per_epoch * self.world)
        seconds = time.perf_counter() - started
        return epoch_metrics(
            self._finite(loss, epoch),
            self._finite(self.mean_loss(self.validation), epoch),
            self.rate.at((epoch + 1) * self.steps_per_epoch - 1),
            self.steps_per_epoch * self.batch_size * self.world / seconds,
        )

    def _chance(self, *numbers: int) -> int:
        """A seed that follows from the training's and `numbers`."""
        return int(np.random.default_rng((self.config.seed, *numbers)).integers(2**62))

    def step(self, step: int, crops: Tensor) -> Tensor:
        """One gradient step, the `step`-th of the training; its loss, which the next overwrites."""
        return self.gradient_step(self.rate.at(step), crops)["loss"]

    def training_batches(self, order: np.random.Generator) -> Iterator[Tensor]:
        """One epoch's normalised crops, in the order that `order` draws."""
        batches = shuffled_batches(
            self.training, order, batch_size=self.batch_size, rank=self.rank, world=self.world
        )
        for crops in self._load(batches):
            if self.config.augment:
                upside_down = draw(torch.rand, len(crops), generator=self.generator) < 0.5
                chosen = send(upside_down, self.device)[:, None, None, None]
                crops = torch.where(chosen, crops.flip(2), crops)
            yield crops

    def _load(self, batches: Iterable[Indices]) -> Iterator[Tensor]:
        if self._resident is not None:
            stored = pick_batches(self._resident, batches)
        else:
            stored = read_batches(self.crop_set.crops, batches, device=self.device)
        for crops in stored:
            yield self.checkpoint.normalisation(crops.to(self.device, non_blocking=True))

    @cached_property
    def _resident(self) -> Tensor | None:
        return resident(self.crop_set.crops, self.device)

    def mean_loss(self, indices: Indices) -> float:
        """Of all crops at `indices`, in evaluation mode."""
        # Random parts of a loss (masks, views) are the same ones in every epoch, and in however
        # many processes.
        generator, number = torch.Generator(self.generator.device), self.rank
        batches = ordered_batches(
            indices, batch_size=VALIDATION_BATCH, rank=self.rank, world=self.world
        )
        sums = torch.zeros(2, dtype=torch.float64)
        losses: list[Tensor] = []
        counts: list[int] = []
        with torch.inference_mode(), evaluating(self.encoder), self.autocast:
            for crops in self._load(batches):
                generator.manual_seed(self._chance(number))
                number += self.world
                losses.append(self.encoder.loss(crops, generator)["loss"])
                counts.append(len(crops))
        if losses:  # fetched together: each fetch waits for the device
            for loss, count in zip(torch.stack(losses).tolist(), counts, strict=True):
                sums += torch.tensor([loss * count, count], dtype=torch.float64)
        loss_sum, crop_count = distributed.total(sums)
        return float(loss_sum / crop_count)

    def _finite(self, loss: float, epoch: int) -> float:
        if not math.isfinite(loss):
            saved = self.work_dir and (self.work_dir / RESUME_FILE).is_file()
            kept = f" The last good state is in {self.work_dir}." if saved else ""
            raise ConfigError(
                f"The loss became {loss} in epoch {epoch} with learning_rate="
                f"{self.config.learning_rate}; use a smaller learning_rate or gradient_clip.{kept}"
            )
        return loss
