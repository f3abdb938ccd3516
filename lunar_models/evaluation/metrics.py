"""Compute the metrics of predicted states from counts.

Every metric is a function of a confusion matrix (or of reliability bins), and accepts a stack
of them: the bootstrap sums counts by spatial block, so a thousand replicates cost one call.
States are ranks 0..K-1 in their order, 0 the freshest.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import FloatArray

Counts = npt.NDArray[np.number[Any]]
Ranks = npt.NDArray[np.integer[Any]]

RELIABILITY_BINS = 10


def confusion_counts(true: Ranks, predicted: Ranks, n_states: int) -> npt.NDArray[np.int64]:
    """Count ranks, two (N,) arrays, in a confusion matrix (K, K) int64: rows true."""
    pairs = np.asarray(true) * n_states + np.asarray(predicted)
    return np.bincount(pairs, minlength=n_states**2).reshape(n_states, n_states)


def balanced_accuracy(confusion: Counts) -> FloatArray:
    """Compute the mean recall over the states that occur, in [0, 1]; (..., K, K) -> (...)."""
    return mean_where(_diagonal(confusion), confusion.sum(-1))


def macro_f1(confusion: Counts) -> FloatArray:
    """Average F1 over the states that occur or are predicted, in [0, 1]; (..., K, K) -> (...)."""
    return mean_where(2 * _diagonal(confusion), confusion.sum(-1) + confusion.sum(-2))


def quadratic_weighted_kappa(confusion: Counts) -> FloatArray:
    """Compute Cohen's kappa with quadratic weights, at most 1; (..., K, K) -> (...).

    Cohen (1968), doi 10.1037/h0026256. NaN when chance alone already agrees fully.
    """
    rank = np.arange(confusion.shape[-1])
    penalty = (rank[:, None] - rank[None, :]) ** 2
    rows, columns = confusion.sum(-1), confusion.sum(-2)
    by_chance = np.einsum("...i,...j,ij->...", rows, columns, penalty) / rows.sum(-1)
    return 1.0 - _ratio((confusion * penalty).sum((-2, -1)), by_chance)


def ordinal_error(confusion: Counts) -> FloatArray:
    """Compute the mean absolute error of the rank, in states; (..., K, K) -> (...)."""
    rank = np.arange(confusion.shape[-1])
    steps = np.abs(rank[:, None] - rank[None, :])
    return _ratio((confusion * steps).sum((-2, -1)), confusion.sum((-2, -1)))


def reliability_rows(confidence: FloatArray, correct: npt.NDArray[np.bool_]) -> FloatArray:
    """Assign predictions to reliability bins, (N, bins, 3): count, confidence, correctness.

    Args:
        confidence: (N,) probability given to the predicted state, in [0, 1].
        correct: (N,) whether it is the true state.
    """
    bins = np.ceil(np.asarray(confidence) * RELIABILITY_BINS).astype(np.int64) - 1
    rows = np.zeros((len(bins), RELIABILITY_BINS, 3))
    position = np.arange(len(bins)), np.clip(bins, 0, RELIABILITY_BINS - 1)
    rows[position] = np.column_stack((np.ones(len(bins)), confidence, correct))
    return rows


def expected_calibration_error(reliability: Counts) -> FloatArray:
    """Compute the expected calibration error (ECE); (..., bins, 3) -> (...).

    Ten equal bins of the predicted state's probability, as Guo et al. (2017), arXiv 1706.04599.
    """
    gaps = np.abs(reliability[..., 1] - reliability[..., 2]).sum(-1)
    return _ratio(gaps, reliability[..., 0].sum(-1))


def spearman(first: FloatArray, second: FloatArray, weights: FloatArray | None = None) -> float:
    """Compute Spearman's rank correlation of two (N,) arrays, ties at their mean rank.

    Args:
        first: (N,) values.
        second: (N,) values.
        weights: (N,) how often each row counts (bootstrap counts); once if not given.

    Returns:
        In [-1, 1]; NaN when either array is constant.
    """
    weights = np.ones(len(first)) if weights is None else np.asarray(weights, np.float64)
    codes = [np.unique(values, return_inverse=True)[1] for values in (first, second)]
    return rank_correlation(codes[0], codes[1], weights)


def rank_correlation(first: Ranks, second: Ranks, weights: FloatArray) -> float:
    """Compute `spearman` of values coded 0..V-1 in their order (inner loop of the bootstrap)."""
    total = weights.sum()
    ranks = []
    for codes in (first, second):
        counts = np.bincount(codes, weights)
        middle = (np.cumsum(counts) - counts / 2.0)[codes]
        ranks.append(middle - (weights * middle).sum() / total)
    a, b = ranks
    scale = np.sqrt((weights * a * a).sum() * (weights * b * b).sum())
    return float((weights * a * b).sum() / scale) if scale > 0 else float("nan")


def mean_where(numerator: Counts, denominator: Counts) -> FloatArray:
    """Average the quotients with a denominator above 0 over the last axis; NaN without any."""
    present = denominator > 0
    quotients = np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=present)
    return _ratio(quotients.sum(-1), present.sum(-1))


def _ratio(numerator: Counts, denominator: Counts) -> FloatArray:
    """Quotient, NaN where the denominator is 0."""
    empty = np.full(np.shape(numerator), np.nan)
    result: FloatArray = np.divide(numerator, denominator, out=empty, where=denominator > 0)
    return result


def _diagonal(confusion: Counts) -> Counts:
    return np.diagonal(confusion, axis1=-2, axis2=-1)
