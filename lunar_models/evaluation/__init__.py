"""Evidence about an encoder: probes, clusters, audit and comparison, from arrays and tables."""

from lunar_models.evaluation.evaluation_set import freeze
from lunar_models.evaluation.protocol import Evaluation, evaluate

__all__ = ["Evaluation", "evaluate", "freeze"]
