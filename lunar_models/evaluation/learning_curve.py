"""Compute the learning curve: accuracy against the number of labelled craters."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.evaluation.metrics import (
    balanced_accuracy,
    confusion_counts,
    quadratic_weighted_kappa,
)
from lunar_models.evaluation.probes import lda_probe, small_classes

Ranks = npt.NDArray[np.integer[Any]]

SIZES = (25, 50, 100, 150, 300)
DRAWS = 5


def learning_curve(
    embeddings: FloatArray, ranks: Ranks, folds: Ranks, *, n_states: int, seed: int
) -> pd.DataFrame:
    """Fit shrinkage LDA to 25, 50, 100, 150, 300 and all labels of the training folds.

    Draw i trains on random labels outside fold i and is tested on fold i, so no terrain is
    shared and "all" continues the curve under the same rule.

    Args:
        embeddings: (N, D).
        ranks: (N,) states 0..K-1.
        folds: (N,) spatial folds.
        n_states: K.
        seed: of the draws.

    Returns:
        One row per size: `labels`, `balanced_accuracy`, `balanced_accuracy_std`, `qwk`,
        `qwk_std` (over draws). Sizes beyond the training folds are left out.
    """
    rng = np.random.default_rng(seed)
    names = np.unique(folds)
    available = min(int((folds != fold).sum()) for fold in names)
    rows = []
    for size in (*(size for size in SIZES if size < available), None):
        confusions = []
        for fold in names[np.arange(max(DRAWS, len(names))) % len(names)]:
            train = rng.permutation(np.flatnonzero(folds != fold))[:size]
            confusions.append(_confusion(embeddings, ranks, train, folds == fold, n_states))
        accuracy = balanced_accuracy(np.stack(confusions))
        kappa = quadratic_weighted_kappa(np.stack(confusions))
        count = available if size is None else size
        rows.append((count, accuracy.mean(), accuracy.std(), kappa.mean(), kappa.std()))
    columns = ["labels", "balanced_accuracy", "balanced_accuracy_std", "qwk", "qwk_std"]
    return pd.DataFrame(rows, columns=columns)


def few_labels_accuracy(
    embeddings: FloatArray, ranks: Ranks, *, n_labels: int, n_states: int, seed: int
) -> float:
    """Compute the balanced accuracy of shrinkage LDA with `n_labels` labels, mean of five draws.

    Tested on all other craters, wherever they lie: the figure of the published baselines. It
    is NaN when the labels do not suffice to train and to test.

    Args:
        embeddings: (N, D).
        ranks: (N,) states 0..K-1.
        n_labels: labels to train on.
        n_states: K.
        seed: of the first draw; the others count on from it.
    """
    if n_labels >= len(ranks):
        return float("nan")
    confusions = []
    for draw in range(DRAWS):
        order = np.random.default_rng(seed + draw).permutation(len(ranks))
        test = np.isin(np.arange(len(ranks)), order[n_labels:])
        confusions.append(_confusion(embeddings, ranks, order[:n_labels], test, n_states))
    return float(balanced_accuracy(np.stack(confusions)).mean())


def _confusion(
    embeddings: FloatArray,
    ranks: Ranks,
    train: npt.NDArray[np.integer[Any]],
    test: npt.NDArray[np.bool_],
    n_states: int,
) -> npt.NDArray[np.int64]:
    if len(np.unique(ranks[train])) == 1:  # a small draw from skewed labels: all it can say
        predicted = np.full(int(test.sum()), ranks[train][0])
    else:
        with small_classes():
            probe = lda_probe().fit(embeddings[train], ranks[train])
        predicted = probe.predict(embeddings[test])
    return confusion_counts(ranks[test], predicted, n_states)
