"""Apply query strategies: yield craters in the order in which their labels teach most.

Each takes embeddings and asks before each choice which craters may be taken; `selection.select`
puts the quotas around them. Figures are in docs/active_learning.md.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.spatial import cKDTree
from sklearn.cluster import MiniBatchKMeans

from lunar_models.arrays import Float64Array, FloatArray, IntArray

Allowed = Callable[[], npt.NDArray[np.bool_]]
"""(N,) craters that have no label and whose group is not full."""

DESIGN_PENALTY = 10.0
"""Ridge penalty in `transductive_design`, chosen on another map than that of the benchmark."""

WEIGHTED_PENALTY = 30.0
"""Ridge penalty in `weighted_design`, chosen on other seeds than those of the benchmark."""
_LEAST_VARIANCE = 0.02
"""Of a predicted rank: nobody is as certain as a head fitted on a few labels."""

_MOST_CLUSTERS = 500
_NEIGHBOURS = 20
_PURITY = 0.95
"""Share of balls whose craters all belong to one cluster, as Yehuda et al. (2022) chose it."""
_MOST_COVERED = 5_000
"""Craters that stand for the crop set in `covering`."""
_CHUNK = 1_024


def transductive_design(
    scaled: Float64Array, labelled: IntArray, allowed: Allowed, penalty: float = DESIGN_PENALTY
) -> Iterable[int]:
    """Choose craters whose labels most reduce the variance of all craters' predictions.

    Sequential transductive experimental design for ridge regression, A-optimal over the crop set:
    Yu, Bi & Tresp (2006), doi 10.1145/1143844.1143980, eq. 13. It needs no labels.

    Args:
        scaled: (N, D) standardised embeddings.
        labelled: (L,) rows with a label.
        allowed: asked before each choice.
        penalty: of the ridge regression.
    """
    covariance = penalty * np.eye(scaled.shape[1])
    covariance += scaled[labelled].T @ scaled[labelled]
    inverse = np.linalg.inv(covariance)
    root = np.linalg.cholesky(scaled.T @ scaled / len(scaled) + 1e-9 * np.eye(len(inverse)))
    by_inverse = scaled @ inverse
    to_all = by_inverse @ root  # (N, D): covariance with the predictions of all craters
    own = np.einsum("nd,nd->n", by_inverse, scaled)
    while True:
        gain = np.where(allowed(), np.einsum("nd,nd->n", to_all, to_all) / (1.0 + own), -1.0)
        row = int(gain.argmax())
        yield row
        with_row = by_inverse @ scaled[row]
        shrink = 1.0 + own[row]
        to_all -= np.outer(with_row, to_all[row] / shrink)
        by_inverse -= np.outer(with_row, by_inverse[row] / shrink)
        own -= with_row**2 / shrink


def weighted_design(
    scaled: Float64Array, probabilities: FloatArray, labelled: IntArray, allowed: Allowed
) -> Iterable[int]:
    """Choose by `transductive_design`, each crater weighted by how uncertain its state is.

    In a design for a generalised linear model the weight is the information of an answer, here that
    of an ordinal head: the standard deviation of the predicted rank.

    Args:
        scaled: (N, D) standardised embeddings.
        probabilities: (N, K) of a head fitted on the labels.
        labelled: (L,) rows with a label.
        allowed: asked before each choice.
    """
    rank = np.arange(probabilities.shape[1])
    variance = probabilities @ rank**2 - (probabilities @ rank) ** 2
    weight = np.sqrt(np.maximum(variance, _LEAST_VARIANCE))
    features = np.hstack((scaled, np.ones((len(scaled), 1)))) * np.sqrt(weight)[:, None]
    return transductive_design(features, labelled, allowed, WEIGHTED_PENALTY)


def typical(
    scaled: Float64Array, labelled: IntArray, count: int, allowed: Allowed, seed: int
) -> Iterable[int]:
    """TypiClust (Hacohen et al. 2022, arXiv 2202.02794): the densest spot of each new cluster.

    Clusters with the fewest labels come first, of these the largest.
    """
    n_clusters = max(1, min(len(labelled) + count, _MOST_CLUSTERS, len(scaled)))
    found = MiniBatchKMeans(n_clusters, n_init=3, random_state=seed).fit(scaled)
    cluster = found.labels_
    spread = np.full(len(scaled), np.inf)
    for one in range(n_clusters):
        members = np.flatnonzero(cluster == one)
        near = min(_NEIGHBOURS, len(members) - 1)
        if near > 0:
            tree = cKDTree(scaled[members])
            spread[members] = tree.query(scaled[members], near + 1)[0][:, 1:].mean(axis=1)
    size = np.bincount(cluster, minlength=n_clusters)
    labels = np.bincount(cluster[labelled], minlength=n_clusters)
    while True:
        free = allowed()
        there = np.bincount(cluster[free], minlength=n_clusters) > 0
        first = np.lexsort((-size, labels, ~there))[0]
        members = np.flatnonzero((cluster == first) & free)
        labels[first] += 1
        yield int(members[spread[members].argmin()])


def covering(
    scaled: Float64Array, labelled: IntArray, n_states: int, allowed: Allowed, seed: int
) -> Iterable[int]:
    """ProbCover (Yehuda et al. 2022, arXiv 2205.11320): cover most craters by balls around labels.

    A ball is as wide as can be while 95 % of all balls lie within one of `n_states` clusters of
    k-means; the crater whose ball holds most uncovered craters comes next.
    """
    rng = np.random.default_rng(seed)
    points = scaled[np.sort(rng.permutation(len(scaled))[:_MOST_COVERED])]
    cluster = MiniBatchKMeans(n_states, n_init=3, random_state=seed).fit_predict(points)
    apart = np.full(len(points), np.inf)
    for one in np.unique(cluster):
        others = points[cluster != one]
        if len(others):
            apart[cluster == one] = cKDTree(others).query(points[cluster == one])[0]
    width = float(np.quantile(apart, 1.0 - _PURITY))
    inside = _within(scaled, points, width)
    uncovered = np.ones(len(points), np.bool_)
    uncovered[inside[labelled].nonzero()[1]] = False
    by_point = inside.tocsc()
    tie = 0.5 * rng.random(len(scaled))
    gain = np.asarray(inside @ uncovered.astype(np.int64)) + tie
    while True:
        row = int(np.where(allowed(), gain, -1.0).argmax())
        yield row
        new = inside[[row]].nonzero()[1]
        new = new[uncovered[new]]
        uncovered[new] = False
        gain = gain - np.asarray(by_point[:, new].sum(axis=1)).ravel()


def _within(scaled: Float64Array, points: Float64Array, width: float) -> Any:
    """(N, M) sparse, 1 where a point lies in the ball around a crater."""
    squared = (points**2).sum(axis=1)
    rows, columns = [], []
    for start in range(0, len(scaled), _CHUNK):
        part = scaled[start : start + _CHUNK]
        distance = (part**2).sum(axis=1)[:, None] + squared - 2.0 * part @ points.T
        found = np.nonzero(distance <= width**2 + 1e-9)
        rows.append(found[0] + start)
        columns.append(found[1])
    row, column = np.concatenate(rows), np.concatenate(columns)
    shape = (len(scaled), len(points))
    return coo_array((np.ones(len(row), np.int64), (row, column)), shape).tocsr()


def uncertain(
    scaled: Float64Array, probabilities: FloatArray, allowed: Allowed, rng: np.random.Generator
) -> Iterable[int]:
    """BADGE (Ash et al. 2020, arXiv 1906.03671): k-means++ on gradients of the likeliest label.

    The gradient of crater n is the outer product of (p - its likeliest state) and its embedding,
    so that distances between gradients follow from two small inner products.
    """
    error = probabilities - np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
    squared = (error**2).sum(axis=1) * (scaled**2).sum(axis=1)
    distance = squared.copy()
    while True:
        weight = np.where(allowed(), np.maximum(distance, 0.0), 0.0) + 1e-12 * allowed()
        row = int(rng.choice(len(scaled), p=weight / weight.sum()))
        yield row
        product = (error @ error[row]) * (scaled @ scaled[row])
        distance = np.minimum(distance, squared + squared[row] - 2.0 * product)


def margins(probabilities: FloatArray) -> Float64Array:
    """Compute the gap between the two most probable states, (N, K) -> (N,); small is uncertain."""
    best = np.partition(np.asarray(probabilities, np.float64), -2, axis=1)
    return np.asarray(best[:, -1] - best[:, -2])
