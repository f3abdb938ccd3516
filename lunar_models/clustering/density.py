"""Assignment to HDBSCAN clusters from stored arrays, as `hdbscan.approximate_predict` does it.

Campello, Moulavi and Sander (2013, doi 10.1007/978-3-642-37456-2_14); prediction as in
https://hdbscan.readthedocs.io/en/latest/prediction_tutorial.html.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lunar_models.clustering.rules import Assigned, nearest
from lunar_models.clustering.types import NOISE, FloatArray, IntArray


@dataclass(frozen=True)
class DensityRule:
    """The condensed tree of a fitted HDBSCAN and the craters it was fitted on.

    A new crater joins the tree next to its nearest fitted crater in mutual reachability, at
    density ``1 / distance``. Distance is that mutual reachability distance; confidence is
    HDBSCAN's membership strength, 0 for noise.
    """

    reference: FloatArray
    """(M, P) float32: the craters the method was fitted on."""
    core_distances: FloatArray
    """(M,) distance to each one's `min_samples`-th neighbour."""
    leaf: IntArray
    """(M,) node of the condensed tree that each crater falls out of (nodes count from 0)."""
    leaf_density: FloatArray
    """(M,) density at which it falls out."""
    parent: IntArray
    """(T,) parent of each node; the root, node 0, is its own."""
    birth_density: FloatArray
    """(T,) density at which each node splits off."""
    size: IntArray
    """(T,) craters in each node, at its birth."""
    node_index: IntArray
    """(T,) cluster of each node, `NOISE` above the selected ones."""
    peak_density: FloatArray
    """(T,) greatest density inside the selected cluster of each node; 0 above."""
    min_samples: IntArray
    """()."""

    def assign(self, points: FloatArray) -> Assigned:
        """See `Rule.assign`."""
        neighbour, reach = self._nearest_in_density(points)
        density = 1 / np.maximum(reach, np.finfo(np.float32).tiny)
        node = self.leaf[neighbour]
        climbing = self.leaf_density[neighbour] > density
        while climbing.any():
            climbing &= (node > 0) & (self.birth_density[node] >= density)
            node = np.where(climbing, self.parent[node], node)
        index, peak = self.node_index[node], self.peak_density[node]
        strength = np.minimum(density, peak) / np.where(peak > 0, peak, 1.0)
        return index, reach, np.where(index == NOISE, 0.0, strength)

    def _nearest_in_density(self, points: FloatArray) -> tuple[IntArray, FloatArray]:
        count = int(self.min_samples)
        distances, neighbours = nearest(self.reference, points, 2 * count)
        own_core = distances[:, min(count, distances.shape[1] - 1)]
        reach = np.maximum(
            np.maximum(self.core_distances[neighbours], distances), own_core[:, None]
        )
        best = reach.argmin(axis=1)
        rows = np.arange(len(points))
        return neighbours[rows, best], reach[rows, best]


def density_rule(points: FloatArray, clusterer: Any) -> DensityRule:
    """Take what assignment needs from an `hdbscan.HDBSCAN` fitted with ``prediction_data``."""
    tree = clusterer.condensed_tree_.to_numpy()
    count = len(points)
    is_crater = tree["child_size"] == 1
    craters, nodes = tree[is_crater], tree[~is_crater]
    order = np.argsort(craters["child"])
    total = int(tree["parent"].max()) - count + 1
    parent, birth = np.zeros(total, np.int64), np.zeros(total)
    size = np.full(total, count)
    children = nodes["child"] - count
    parent[children], birth[children] = nodes["parent"] - count, nodes["lambda_val"]
    size[children] = nodes["child_size"]
    data = clusterer.prediction_data_
    node_index, peak = np.full(total, NOISE), np.zeros(total)
    for node, index in data.cluster_map.items():
        node_index[node - count] = index
        peak[node - count] = min(data.max_lambdas[node], np.finfo(np.float64).max)
    return DensityRule(
        reference=points,
        core_distances=data.core_distances,
        leaf=craters["parent"][order] - count,
        leaf_density=craters["lambda_val"][order],
        parent=parent,
        birth_density=birth,
        size=size,
        node_index=node_index,
        peak_density=peak,
        min_samples=np.asarray(clusterer.min_samples),
    )
