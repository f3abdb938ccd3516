"""Train an encoder on a crop set: one road for every family."""

from lunar_models.training.trainer import (
    Metrics,
    OnCrops,
    OnEpoch,
    TrainingResult,
    train,
)

__all__ = ["Metrics", "OnCrops", "OnEpoch", "TrainingResult", "train"]
