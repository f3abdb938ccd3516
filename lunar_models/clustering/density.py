"""Assign craters to HDBSCAN clusters from stored arrays, as `hdbscan.approximate_predict` does.

Campello, Moulavi and Sander (2013, doi 10.1007/978-3-642-37456-2_14); prediction as in
https://hdbscan.readthedocs.io/en/latest/prediction_tutorial.html.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.rules import Assigned, nearest
from lunar_models.clustering.types import NOISE


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


def density_rule(points: FloatArray, clusterer: Any, min_samples: int) -> DensityRule:
    """Build the rule from an `hdbscan.HDBSCAN` fitted on (M, P) float32 points.

    HDBSCAN's own ``prediction_data`` holds the same, but searches the neighbours again, slowly
    in many dimensions.
    """
    tree = clusterer.condensed_tree_.to_numpy()
    is_crater = tree["child_size"] == 1
    craters, nodes = tree[is_crater], tree[~is_crater]
    craters = craters[np.argsort(craters["child"])]
    count = len(points)
    total = int(tree["parent"].max()) - count + 1
    parent, birth, size = np.zeros(total, np.int64), np.zeros(total), np.full(total, count)
    children = nodes["child"] - count
    parent[children], birth[children] = nodes["parent"] - count, nodes["lambda_val"]
    size[children] = nodes["child_size"]
    leaf = craters["parent"] - count
    node_index = _node_index(parent, leaf, clusterer.labels_)
    return DensityRule(
        reference=points,
        core_distances=nearest(points, points, min_samples)[0][:, -1],
        leaf=leaf,
        leaf_density=craters["lambda_val"],
        parent=parent,
        birth_density=birth,
        size=size,
        node_index=node_index,
        peak_density=_peak_density(tree, count, parent, node_index),
        min_samples=np.asarray(min_samples),
    )


def _node_index(parent: IntArray, leaf: IntArray, labels: IntArray) -> IntArray:
    """(T,) the cluster of a node is the one label that all craters below it share."""
    least = np.full(len(parent), np.iinfo(np.int64).max)
    most = np.full(len(parent), NOISE)
    np.minimum.at(least, leaf, labels)
    np.maximum.at(most, leaf, labels)
    for node in range(len(parent) - 1, 0, -1):  # children come after their parents
        least[parent[node]] = min(least[parent[node]], least[node])
        most[parent[node]] = max(most[parent[node]], most[node])
    return np.where(least == most, most, NOISE)


def _peak_density(tree: Any, count: int, parent: IntArray, node_index: IntArray) -> FloatArray:
    """(T,) greatest finite density at which something leaves the selected node of each cluster."""
    peak = np.zeros(len(parent))
    np.maximum.at(peak, tree["parent"] - count, tree["lambda_val"])
    peak = np.minimum(peak, np.finfo(np.float64).max)
    for node in range(1, len(parent)):
        if node_index[node] != NOISE and node_index[node] == node_index[parent[node]]:
            peak[node] = peak[parent[node]]
    return np.where(node_index == NOISE, 0.0, peak)
