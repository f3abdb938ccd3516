"""Assign craters to known clusters.

A rule is a frozen dataclass of NumPy arrays only, so that it is stored without pickle, and one
method `assign` that treats each crater alone: the result never depends on the batch.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from sklearn.neighbors import NearestNeighbors

from lunar_models.arrays import FloatArray, IntArray

Assigned = tuple[IntArray, FloatArray, FloatArray]
"""Internal cluster index, distance, confidence; each (B,)."""


class Rule(Protocol):
    """The interface of all assignment rules."""

    def assign(self, points: FloatArray) -> Assigned:
        """Assign (B, P) float32 prepared embeddings: index, distance, confidence."""


@dataclass(frozen=True)
class CentroidRule:
    """Nearest centroid (k-means).

    Distance is Euclidean, to the nearest centroid. Confidence is the simplified silhouette
    ``1 - nearest / second`` (Hruschka et al. 2004, doi 10.1109/ICDM.2004.10073): 0 halfway
    between two clusters, 1 at a centroid.
    """

    centroids: FloatArray
    """(K, P) float32."""

    def assign(self, points: FloatArray) -> Assigned:
        """See `Rule.assign`."""
        # differences, not the expanded square: exact at a centroid, and K is small
        distances = np.stack([np.linalg.norm(points - c, axis=1) for c in self.centroids], axis=1)
        nearest = distances.argmin(axis=1)
        if len(self.centroids) == 1:
            return nearest, distances[:, 0], np.ones(len(points))
        first, second = np.partition(distances, 1, axis=1)[:, :2].T
        confidence = 1 - first / np.maximum(second, np.finfo(np.float32).tiny)
        return nearest, first, confidence


@dataclass(frozen=True)
class GaussianRule:
    """Most probable component of a Gaussian mixture.

    Distance is the Mahalanobis distance to that component, confidence its posterior probability.
    """

    log_weights: FloatArray
    """(K,) natural logarithms of the mixing weights."""
    means: FloatArray
    """(K, P)."""
    precision_factors: FloatArray
    """(K, P, P): F with ``F @ F.T`` the inverse covariance, triangular."""

    def assign(self, points: FloatArray) -> Assigned:
        """See `Rule.assign`."""
        squared = np.stack(
            [
                np.square((points - mean) @ factor).sum(axis=1)
                for mean, factor in zip(self.means, self.precision_factors, strict=True)
            ],
            axis=1,
        )
        diagonals = np.diagonal(self.precision_factors, axis1=1, axis2=2)
        scores = self.log_weights + np.log(diagonals).sum(axis=1) - squared / 2
        best = scores.argmax(axis=1)
        rows = np.arange(len(points))
        posterior = 1 / np.exp(scores - scores[rows, best][:, None]).sum(axis=1)
        return best, np.sqrt(squared[rows, best]), posterior


@dataclass(frozen=True)
class NeighbourRule:
    """Vote of the nearest fitted craters, weighted by 1/distance (spectral, agglomerative).

    These methods find groups of any shape, which a centroid cannot describe. A fitted crater is
    its own nearest neighbour and keeps its cluster. Distance is to the farthest voter,
    confidence the winner's share of the votes.
    """

    reference: FloatArray
    """(M, P) float32: the craters the method was fitted on."""
    reference_index: IntArray
    """(M,) their clusters."""
    voters: IntArray
    """() how many neighbours vote."""
    merges: FloatArray
    """(M - 1, 4) SciPy linkage matrix of an agglomerative fit, for the dendrogram; else (0, 4)."""

    def assign(self, points: FloatArray) -> Assigned:
        """See `Rule.assign`."""
        distances, neighbours = nearest(self.reference, points, int(self.voters))
        weights = 1 / np.maximum(distances, 1e-6)
        choices = self.reference_index[neighbours]
        clusters = range(int(self.reference_index.max()) + 1)
        votes = np.stack([(weights * (choices == k)).sum(axis=1) for k in clusters], axis=1)
        winner = votes.argmax(axis=1)
        return winner, distances[:, -1], votes.max(axis=1) / weights.sum(axis=1)


def nearest(reference: FloatArray, points: FloatArray, count: int) -> tuple[FloatArray, IntArray]:
    """Find exact Euclidean neighbours, nearest first: (B, count) distances and indices."""
    # brute force beats trees above about 15 dimensions; scikit-learn bounds its memory
    index = NearestNeighbors(algorithm="brute").fit(np.asarray(reference, dtype=np.float32))
    distances, neighbours = index.kneighbors(points, n_neighbors=min(count, len(reference)))
    return distances, neighbours
