"""Compute the learning rate: linear warm-up, then cosine, plateau or constant."""

import math
from dataclasses import dataclass, field
from typing import Self

from lunar_models.config.train import Schedule, TrainConfig


@dataclass
class LearningRate:
    """The learning rate of each optimiser step.

    cosine    half a cosine from `peak` to `floor` over the whole training
    plateau   times `factor` after `patience` epochs without a better validation loss
    constant  `peak`

    All begin with a linear warm-up and never go below `floor` after it.
    """

    schedule: Schedule
    peak: float
    floor: float
    warmup_steps: int
    total_steps: int
    patience: int
    factor: float
    _scale: float = field(default=1.0, init=False)
    _best: float = field(default=math.inf, init=False)
    _waited: int = field(default=0, init=False)

    @classmethod
    def from_config(cls, config: TrainConfig, steps_per_epoch: int) -> Self:
        """Make the schedule that the parameters of train select.

        The warm-up takes a quarter of the training at most, so that a short one reaches its peak.
        """
        steps = config.epochs * steps_per_epoch
        return cls(
            schedule=config.schedule,
            peak=config.learning_rate,
            floor=config.learning_rate_floor,
            warmup_steps=min(round(config.warmup_epochs * steps_per_epoch), steps // 4),
            total_steps=steps,
            patience=config.plateau_patience,
            factor=config.plateau_factor,
        )

    def at(self, step: int) -> float:
        """Return the learning rate of optimiser step `step`, counted from 0."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        if self.schedule == "cosine":
            done = (step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps)
            return self.floor + (self.peak - self.floor) * (1 + math.cos(math.pi * done)) / 2
        return max(self.floor, self.peak * self._scale)

    def observe(self, validation_loss: float) -> None:
        """Pass the loss of an epoch to the plateau schedule."""
        if validation_loss < self._best:
            self._best, self._waited = validation_loss, 0
            return
        self._waited += 1
        if self.schedule == "plateau" and self._waited > self.patience:
            self._scale *= self.factor
            self._waited = 0

    @property
    def state(self) -> dict[str, float]:
        """Return the state of the plateau schedule."""
        return {"scale": self._scale, "best": self._best, "waited": self._waited}

    def restore(self, state: dict[str, float]) -> None:
        """Restore what `state` returned."""
        self._scale, self._best = state["scale"], state["best"]
        self._waited = int(state["waited"])
