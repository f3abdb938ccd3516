"""Evaluate encoders: probes, cluster agreement, confound audit and comparison of runs."""

from lunar_models.evaluation.evaluation_set import build_evaluation_set
from lunar_models.evaluation.protocol import Evaluation, evaluate

__all__ = ["Evaluation", "build_evaluation_set", "evaluate"]
