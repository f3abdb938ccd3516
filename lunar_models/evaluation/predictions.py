"""Compute the table of out-of-fold predictions from which all metrics follow."""

from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from lunar_models.arrays import FloatArray
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.head_fitting import FittedHead, fit_head
from lunar_models.evaluation.probes import (
    out_of_fold_probabilities,
    out_of_fold_values,
    state_probes,
)
from lunar_models.heads.head import degradation_score

KMEANS_SEEDS = 3


def predict_out_of_fold(
    embeddings: FloatArray, evaluation_set: EvaluationSet, config: EvaluateConfig
) -> tuple[pd.DataFrame, FittedHead]:
    """Run every probe, the head and k-means on the labelled craters.

    Args:
        embeddings: (N, D) of the craters of `evaluation_set`, in its order.
        evaluation_set: states and folds.
        config: neighbours, head and seed.

    Returns:
        The table described in `scores`, and the head fitted on all labelled craters.
    """
    ranks, folds = (evaluation_set.table[name].to_numpy() for name in ("rank", "fold"))
    columns: dict[str, Any] = {}
    fewest = min(int((folds != fold).sum()) for fold in np.unique(folds))
    for name, make in state_probes(min(config.neighbours, fewest)).items():
        probabilities = out_of_fold_probabilities(
            make, embeddings, ranks, folds, len(evaluation_set.states)
        )
        columns[name] = probabilities.argmax(axis=1)
        if name == "linear":
            columns["linear_confidence"] = probabilities.max(axis=1)
    columns["predicted_value"] = out_of_fold_values(
        embeddings, evaluation_set.table["value"].to_numpy(), folds
    )
    fitted = fit_head(
        embeddings,
        ranks,
        folds,
        states=evaluation_set.states,
        kind=config.head_kind,
        conformal_level=config.conformal_level,
        abstain_below=config.abstain_below,
    )
    columns |= _head_columns(fitted, evaluation_set.states) | _kmeans_columns(
        embeddings, len(evaluation_set.states), config.seed
    )
    return evaluation_set.table.assign(**columns), fitted


def _head_columns(fitted: FittedHead, states: tuple[str, ...]) -> dict[str, Any]:
    score, score_std = degradation_score(fitted.probabilities)
    return {
        "head": fitted.probabilities.argmax(axis=1),
        "score": score,
        "score_std": score_std,
        **{f"probability_{name}": fitted.probabilities[:, k] for k, name in enumerate(states)},
        **{f"in_set_{name}": fitted.conformal_set[:, k] for k, name in enumerate(states)},
    }


def _kmeans_columns(embeddings: FloatArray, n_clusters: int, seed: int) -> dict[str, Any]:
    """Fit k-means to the unscaled embedding, for three seeds."""
    return {
        f"kmeans_{i}": KMeans(n_clusters, n_init=10, random_state=seed + i).fit_predict(embeddings)
        for i in range(KMEANS_SEEDS)
    }
