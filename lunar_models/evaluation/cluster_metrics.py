"""Measure the agreement of clusters with states from contingency tables (states x clusters).

All functions accept a stack of tables (..., K, C) with counts and return (...), except the
matched confusion. Noise counts as one more cluster: leaving it out would flatter a method
that calls every hard crater noise.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from lunar_models.arrays import FloatArray

Counts = npt.NDArray[np.number[Any]]


def contingency(
    true: npt.NDArray[np.integer[Any]], cluster_id: npt.NDArray[np.integer[Any]], n_states: int
) -> npt.NDArray[np.int64]:
    """Count states against clusters: (K, C) int64, one column per cluster id, ascending."""
    ids, codes = np.unique(cluster_id, return_inverse=True)
    pairs = np.asarray(true) * len(ids) + codes
    return np.bincount(pairs, minlength=n_states * len(ids)).reshape(n_states, len(ids))


def adjusted_rand_index(table: Counts) -> FloatArray:
    """Compute the adjusted Rand index; Hubert & Arabie (1985), doi 10.1007/BF01908075."""
    together, in_states, in_clusters, pairs = _pairs(table)
    expected = in_states * in_clusters / pairs
    scale = (in_states + in_clusters) / 2.0 - expected
    return np.divide(together - expected, scale, out=np.ones(scale.shape), where=scale != 0)


def fowlkes_mallows(table: Counts) -> FloatArray:
    """Compute the Fowlkes-Mallows index; doi 10.1080/01621459.1983.10478008."""
    together, in_states, in_clusters, _ = _pairs(table)
    scale = np.sqrt(in_states * in_clusters)
    return np.divide(together, scale, out=np.zeros(scale.shape), where=scale > 0)


def homogeneity(table: Counts) -> FloatArray:
    """Compute the homogeneity: 1 if each cluster holds one state; Rosenberg & Hirschberg (2007)."""
    return _share(mutual_information(table), _entropy(table.sum(-1)))


def completeness(table: Counts) -> FloatArray:
    """Compute the completeness: 1 if each state has one cluster; Rosenberg & Hirschberg (2007)."""
    return _share(mutual_information(table), _entropy(table.sum(-2)))


def v_measure(table: Counts) -> FloatArray:
    """Compute the V-measure, the harmonic mean of homogeneity and completeness."""
    total = _entropy(table.sum(-1)) + _entropy(table.sum(-2))
    return _share(2.0 * mutual_information(table), total)


def normalised_mutual_information(table: Counts) -> FloatArray:
    """Compute the NMI, normalised by the geometric mean of entropies; Strehl & Ghosh (2002)."""
    scale = np.sqrt(_entropy(table.sum(-1)) * _entropy(table.sum(-2)))
    return _share(mutual_information(table), scale)


def matched_accuracy(table: Counts) -> FloatArray:
    """Compute the mean recall after matching each state to a cluster (Hungarian algorithm)."""
    flat = table.reshape(-1, *table.shape[-2:])
    scores = np.array([_matched_recall(one) for one in flat])
    return np.asarray(scores.reshape(table.shape[:-2]))


def match_clusters(table: Counts) -> npt.NDArray[np.int64]:
    """Match clusters to states: (K,) column of each state's cluster, -1 without one.

    Hungarian matching (Kuhn 1955, doi 10.1002/nav.3800020109) of the greatest mean recall.
    """
    matched = np.full(table.shape[0], -1, np.int64)
    states, columns = linear_sum_assignment(_recall(table), maximize=True)
    matched[states] = columns
    return matched


def mutual_information(table: Counts) -> FloatArray:
    """Compute the mutual information in nats; (..., K, C) -> (...)."""
    share = table / table.sum((-2, -1), keepdims=True)
    by_chance = share.sum(-1, keepdims=True) * share.sum(-2, keepdims=True)
    ratio = np.divide(share, by_chance, out=np.ones(share.shape), where=share > 0)
    return np.asarray(np.maximum((share * np.log(ratio)).sum((-2, -1)), 0.0))


CLUSTER_METRICS: dict[str, Callable[[Counts], FloatArray]] = {
    "ari": adjusted_rand_index,
    "nmi": normalised_mutual_information,
    "v_measure": v_measure,
    "homogeneity": homogeneity,
    "completeness": completeness,
    "fowlkes_mallows": fowlkes_mallows,
    "matched_accuracy": matched_accuracy,
}


def _pairs(table: Counts) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Pairs of craters together in both, in states, in clusters, and all pairs."""
    total = table.sum((-2, -1))
    in_states, in_clusters = table.sum(-1), table.sum(-2)
    return (
        _choose_two(table).sum((-2, -1)),
        _choose_two(in_states).sum(-1),
        _choose_two(in_clusters).sum(-1),
        _choose_two(total),
    )


def _choose_two(counts: Counts) -> FloatArray:
    return np.asarray(counts * (counts - 1) / 2.0)


def _entropy(counts: Counts) -> FloatArray:
    share = counts / counts.sum(-1, keepdims=True)
    logarithm = np.log(share, out=np.zeros(share.shape), where=share > 0)
    result: FloatArray = -(share * logarithm).sum(-1)
    return result


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Quotient; 1 where the whole is 0 (one state or one cluster only), as scikit-learn has it."""
    return np.divide(part, whole, out=np.ones(np.shape(whole)), where=whole > 1e-12)


def _matched_recall(table: Counts) -> float:
    recall, matched = _recall(table), match_clusters(table)
    rows = np.flatnonzero(matched >= 0)
    return float(recall[rows, matched[rows]].sum() / (table.sum(-1) > 0).sum())


def _recall(table: Counts) -> FloatArray:
    return np.asarray(table / np.maximum(table.sum(-1, keepdims=True), 1))
