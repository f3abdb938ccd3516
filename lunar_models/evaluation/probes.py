"""Probes: simple models fitted on frozen embeddings, always judged out of fold.

A probe shows what an embedding holds, not what a large classifier could learn from it.
"""

from collections.abc import Callable
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
    """Multinomial logistic regression on standardised embeddings."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2000))


def lda_probe() -> Any:
    """Linear discriminant analysis, covariance shrunk after Ledoit & Wolf (2004).

    Few labels suffice for it; doi 10.1016/S0047-259X(03)00096-4.
    """
    return LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")


def ordinal_probe() -> Any:
    """Proportional-odds regression on standardised embeddings."""
    return make_pipeline(StandardScaler(), OrdinalLogistic(C=PENALTY))


def knn_probe(neighbours: int) -> Any:
    """Vote of the nearest craters in the embedding as it is: its own distances are judged."""
    return KNeighborsClassifier(neighbours)


def value_probe() -> Any:
    """Ridge regression on standardised embeddings, its penalty chosen on the training folds."""
    return make_pipeline(StandardScaler(), RidgeCV(RIDGE_PENALTIES))


def state_probes(neighbours: int) -> dict[str, Callable[[], Any]]:
    """The probes of every evaluation, by the name their metrics carry."""
    return {
        "linear": linear_probe,
        "knn": lambda: knn_probe(neighbours),
        "lda": lda_probe,
        "ordinal": ordinal_probe,
    }


def out_of_fold_probabilities(
    make: Callable[[], Any], embeddings: FloatArray, ranks: Ranks, folds: Ranks, n_states: int
) -> FloatArray:
    """Probabilities for each crater from a probe that saw none of its fold.

    Args:
        make: builds an unfitted classifier.
        embeddings: (N, D).
        ranks: (N,) states 0..K-1.
        folds: (N,) fold in which each crater is tested.
        n_states: K; a state missing from a training fold gets probability 0 there.

    Returns:
        (N, K) float64, rows sum to 1.
    """
    probabilities = np.zeros((len(ranks), n_states))
    for fold in np.unique(folds):
        train, test = folds != fold, np.flatnonzero(folds == fold)
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
