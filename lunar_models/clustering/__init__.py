"""Cluster craters by their embeddings: `fit_clusters`, then `ClusterModel.assign`."""

from lunar_models.clustering.fit import fit_clusters
from lunar_models.clustering.model import ClusterModel
from lunar_models.clustering.types import NOISE, ClusterAssignment

__all__ = ["NOISE", "ClusterAssignment", "ClusterModel", "fit_clusters"]
