"""Train an encoder on a crop set: one road for every family."""

from lunar_models.training.report import Metrics, OnCrops, OnEpoch, TrainingResult
from lunar_models.training.start import train

__all__ = ["Metrics", "OnCrops", "OnEpoch", "TrainingResult", "train"]
