"""Fit probes: simple models on fixed embeddings, always scored out of fold.

A probe shows what an embedding holds, not what a large classifier could learn from it.
"""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lunar_models.arrays import FloatArray
from lunar_models.heads.ordinal import OrdinalLogistic

Ranks = npt.NDArray[np.integer[Any]]

PENALTY = 0.3
RIDGE_PENALTIES = np.logspace(-2, 4, 13)


def linear_probe() -> Any:
    """Make a multinomial logistic regression on standardised embeddings."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2000))


@contextmanager
def small_classes() -> Iterator[None]:
    """Silence scikit-learn's warnings of classes with few members, which samples and folds have."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Only one sample available", UserWarning)
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        yield


def lda_probe() -> Any:
    """Make a linear discriminant analysis with Ledoit-Wolf (2004) shrinkage of the covariance.

    Few labels suffice for it; doi 10.1016/S0047-259X(03)00096-4.
    """
    return LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")


def ordinal_probe() -> Any:
    """Make a proportional-odds regression on standardised embeddings."""
    return make_pipeline(StandardScaler(), OrdinalLogistic(C=PENALTY))


def knn_probe(neighbours: int) -> Any:
    """Make a k-nearest-neighbour vote on the unscaled embedding, which tests its distances."""
    return KNeighborsClassifier(neighbours)


def value_probe() -> Any:
    """Make a ridge regression on standardised embeddings, its penalty chosen in training folds."""
    return make_pipeline(StandardScaler(), RidgeCV(RIDGE_PENALTIES))


def state_probes(neighbours: int) -> dict[str, Callable[[], Any]]:
    """Return the probes of every evaluation, keyed by the name in their metrics."""
    return {
        "linear": linear_probe,
        "knn": lambda: knn_probe(neighbours),
        "lda": lda_probe,
        "ordinal": ordinal_probe,
    }


def out_of_fold_probabilities(
    make: Callable[[], Any], embeddings: FloatArray, ranks: Ranks, folds: Ranks, n_states: int
) -> FloatArray:
    """Predict probabilities for each crater with a probe fitted on the other folds.

    Args:
        make: builds an unfitted classifier.
        embeddings: (N, D).
        ranks: (N,) states 0..K-1.
        folds: (N,) fold in which each crater is tested.
        n_states: K; a state missing from a training fold gets probability 0 there, the only
            one in it 1.

    Returns:
        (N, K) float64, rows sum to 1.
    """
    probabilities = np.zeros((len(ranks), n_states))
    for fold in np.unique(folds):
        train, test = folds != fold, np.flatnonzero(folds == fold)
        present = np.unique(ranks[train])
        if len(present) == 1:  # as where a single crater has the other side of the Sun
            probabilities[test, present[0]] = 1.0
            continue
        with small_classes():
            probe = make().fit(embeddings[train], ranks[train])
        probabilities[np.ix_(test, probe.classes_)] = probe.predict_proba(embeddings[test])
    return probabilities


def out_of_fold_values(embeddings: FloatArray, values: FloatArray, folds: Ranks) -> FloatArray:
    """Predict a continuous value for each crater from the other folds, with `value_probe`.

    Args:
        embeddings: (N, D).
        values: (N,) finite.
        folds: (N,) fold in which each crater is tested.

    Returns:
        (N,) float64.
    """
    predicted = np.empty(len(values))
    for fold in np.unique(folds):
        train = folds != fold
        probe = value_probe().fit(embeddings[train], values[train])
        predicted[~train] = probe.predict(embeddings[~train])
    return predicted
