"""Train an encoder on a crop set; all families share one training loop."""

from lunar_models.training.results import Metrics, OnCrops, OnEpoch, TrainingResult
from lunar_models.training.start import train
from lunar_models.training.threads import OnThreads

__all__ = ["Metrics", "OnCrops", "OnEpoch", "OnThreads", "TrainingResult", "train"]
