"""Fit an ordinal logistic regression: an ordered scale of states, cut by thresholds.

Proportional-odds model (McCullagh 1980, doi 10.1111/j.2517-6161.1980.tb01109.x) with a ridge
penalty: P(state <= k) = sigmoid(threshold_k - x . w). One direction in the embedding for all
states, so it needs far fewer labels than a classifier with one direction per state.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin

from lunar_models.arrays import FloatArray

_LEAST_PROBABILITY = 1e-12


class OrdinalLogistic(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A scikit-learn classifier whose classes are ordered by their sorted labels.

    Args:
        C: inverse strength of the ridge penalty on `w`, as in `LogisticRegression`.
        max_iter: most iterations of L-BFGS.
    """

    def __init__(self, C: float = 1.0, max_iter: int = 500) -> None:
        self.C = C
        self.max_iter = max_iter

    def fit(self, X: FloatArray, y: npt.NDArray[Any]) -> "OrdinalLogistic":
        """Fit on features (N, D) and labels (N,) with at least two classes."""
        self.classes_, ranks = np.unique(y, return_inverse=True)
        share_below = np.cumsum(np.bincount(ranks))[:-1] / len(ranks)
        first = np.log(share_below / (1.0 - share_below))
        start = np.concatenate((np.zeros(X.shape[1]), first[:1], np.log(np.diff(first))))
        found = minimize(
            _penalised_loss,
            start,
            args=(np.asarray(X, np.float64), ranks, self.C),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.max_iter},
        )
        self.coef_ = found.x[: X.shape[1]]
        self.thresholds_ = _thresholds(found.x[X.shape[1] :])
        return self

    def predict_proba(self, X: FloatArray) -> FloatArray:
        """Return (N, K) probabilities in the order of `classes_`."""
        return cumulative_probabilities(np.asarray(X) @ self.coef_, self.thresholds_)

    def predict(self, X: FloatArray) -> npt.NDArray[Any]:
        """Return (N,) most probable class."""
        labels: npt.NDArray[Any] = self.classes_[self.predict_proba(X).argmax(axis=1)]
        return labels


def cumulative_probabilities(position: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Compute the probability of K states, (N, K), from (N,) positions and (K-1,) thresholds."""
    below = expit(thresholds[None, :] - position[:, None])
    edges = np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    return np.asarray(np.diff(edges, axis=1))


def _thresholds(free: FloatArray) -> FloatArray:
    """Ascending thresholds from the first one and the logarithms of the gaps."""
    return np.cumsum(np.concatenate((free[:1], np.exp(free[1:]))))


def _penalised_loss(
    free: FloatArray, X: FloatArray, ranks: npt.NDArray[np.integer[Any]], C: float
) -> tuple[float, FloatArray]:
    """C x negative log-likelihood + |w|^2 / 2, and its gradient."""
    weights, cuts = free[: X.shape[1]], free[X.shape[1] :]
    thresholds = _thresholds(cuts)
    padded = np.concatenate(([-np.inf], thresholds, [np.inf]))
    position = X @ weights
    upper, lower = expit(padded[ranks + 1] - position), expit(padded[ranks] - position)
    likelihood = np.maximum(upper - lower, _LEAST_PROBABILITY)
    # d(-log likelihood) / d(upper edge) and / d(lower edge) of each row's own state
    by_upper = -upper * (1.0 - upper) / likelihood
    by_lower = lower * (1.0 - lower) / likelihood
    n_cuts = len(thresholds)
    by_edge = np.bincount(ranks + 1, by_upper, n_cuts + 2) + np.bincount(
        ranks, by_lower, n_cuts + 2
    )
    by_threshold = np.cumsum(by_edge[1:-1][::-1])[::-1]  # a cut moves all thresholds above it
    by_cut = by_threshold * np.concatenate(([1.0], np.exp(cuts[1:])))
    by_weight = -C * X.T @ (by_upper + by_lower) + weights
    loss = -C * np.log(likelihood).sum() + weights @ weights / 2.0
    return float(loss), np.concatenate((by_weight, C * by_cut))
