"""Define the metrics of each epoch and the result of a training."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lunar_models.encoders.base import Encoder
from lunar_models.encoders.checkpoint import Checkpoint

Metrics = dict[str, float]
OnEpoch = Callable[[int, Metrics, Encoder | None], None]
"""Called after each epoch with its number (from 0), its metrics and the encoder as it stands.

Called for the epochs of a killed run too when training resumes after them; their encoder is None.
"""
OnCrops = Callable[[int], object]
"""Called after each optimiser step with the number of crops it took, for a progress bar."""


@dataclass(frozen=True)
class TrainingResult:
    """The best encoder of a training, and the metrics of its epochs."""

    checkpoint: Checkpoint
    history: list[Metrics]
    """One entry per epoch."""
    best_epoch: int


def epoch_metrics(training: float, validation: float, rate: float, speed: float) -> Metrics:
    """Collect the metrics of an epoch, with the same keys for every encoder."""
    return {
        "train/loss": training,
        "validation/loss": validation,
        "train/learning_rate": rate,
        "train/crops_per_second": speed,
        "train/threads": torch.get_num_threads(),
    }
