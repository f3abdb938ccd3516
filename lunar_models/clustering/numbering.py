"""Number clusters by the degradation of their members."""

from dataclasses import replace

import numpy as np
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.clustering.model import ClusterModel, clusters_table, to_canonical
from lunar_models.clustering.types import ClusterAssignment


def number_by_degradation(
    model: ClusterModel, assignment: ClusterAssignment, degradation: FloatArray
) -> tuple[ClusterModel, ClusterAssignment]:
    """Number clusters by the median degradation of their members: 0 is the freshest.

    Clusters of equal medians, and at the end those without members, keep their order. Noise keeps
    its number.

    Args:
        model: of K clusters.
        assignment: of N craters by `model`.
        degradation: (N,), 0 the freshest; NaN where it is not known.

    Returns:
        The model, which numbers further craters in the same way and tells each cluster's median
        in ``clusters``, and the assignment.
    """
    known = pd.Series(np.asarray(degradation, np.float64)).groupby(assignment.cluster_id)
    medians = known.median().reindex(range(model.n_clusters)).to_numpy()
    order = np.argsort(medians, kind="stable")
    number = np.empty(len(order), np.int32)
    number[order] = np.arange(len(order))
    clusters = model.clusters.iloc[order].reset_index(drop=True)
    clusters = clusters.assign(cluster_id=clusters.index, degradation=medians[order])
    return (
        replace(model, canonical=number[model.canonical], clusters=clusters_table(clusters)),
        replace(
            assignment, cluster_id=to_canonical(assignment.cluster_id, number).astype(np.int32)
        ),
    )
