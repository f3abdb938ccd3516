"""Compute the table of out-of-fold predictions from which all metrics follow."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.catalogue.splits import spatial_folds
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.head_fitting import FittedHead, fit_head
from lunar_models.evaluation.probes import (
    out_of_fold_probabilities,
    out_of_fold_values,
    state_probes,
    value_probe,
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


@dataclass(frozen=True)
class TrainingLabels:
    """Labels to learn from, other than those of the evaluation set."""

    embeddings: FloatArray
    """(T, D)"""
    ranks: IntArray
    """(T,) states 0..K-1, the states of the evaluation set."""
    blocks: IntArray
    """(T,) spatial blocks, of the same grid as the evaluation set's."""
    folds: IntArray
    """(T,) fold of the evaluation set in which the crater's block is tested, -1 in none."""


def predict_held_out(
    embeddings: FloatArray,
    evaluation_set: EvaluationSet,
    training: TrainingLabels,
    config: EvaluateConfig,
) -> pd.DataFrame:
    """Predict the craters of an evaluation set from other labels, each from other blocks.

    The counterpart of `predict_out_of_fold`: both tables can be compared, since their craters,
    true states and folds are the same. The value probe learns states here, turned to the side of
    the value; the head is calibrated within the training blocks.

    Args:
        embeddings: (N, D) of the craters of `evaluation_set`, in its order.
        evaluation_set: true states and folds.
        training: labels of these or other craters.
        config: neighbours, head and seed.
    """
    table, states = evaluation_set.table, evaluation_set.states
    folds, value = table["fold"].to_numpy(), table["value"].to_numpy()
    side = np.sign(np.corrcoef(table["rank"], value)[0, 1])
    fewest = min(int((training.folds != fold).sum()) for fold in np.unique(folds))
    makes = state_probes(min(config.neighbours, fewest))
    held = {name: np.zeros((len(table), len(states))) for name in (*makes, "head")}
    in_set, predicted = np.zeros((len(table), len(states)), np.bool_), np.zeros(len(table))
    for fold in np.unique(folds):
        rest, test = training.folds != fold, np.flatnonzero(folds == fold)
        known, ranks = training.embeddings[rest], training.ranks[rest]
        for name, make in makes.items():
            held[name][test] = _probabilities(make, known, ranks, embeddings[test], len(states))
        predicted[test] = side * value_probe().fit(known, ranks).predict(embeddings[test])
        head = fit_head(
            known, ranks, spatial_folds(training.blocks[rest], config.folds), states=states,
            kind=config.head_kind, conformal_level=config.conformal_level,
            abstain_below=config.abstain_below,
        ).head.predict(embeddings[test])  # fmt: skip
        held["head"][test], in_set[test] = head.probabilities, head.conformal_set
    score, score_std = degradation_score(held["head"])
    return table.assign(
        **{name: each.argmax(axis=1) for name, each in held.items()},
        linear_confidence=held["linear"].max(axis=1),
        predicted_value=predicted,
        score=score,
        score_std=score_std,
        **{f"probability_{name}": held["head"][:, k] for k, name in enumerate(states)},
        **{f"in_set_{name}": in_set[:, k] for k, name in enumerate(states)},
        **_kmeans_columns(embeddings, len(states), config.seed),
    )


def _probabilities(
    make: Callable[[], Any], known: FloatArray, ranks: IntArray, asked: FloatArray, n_states: int
) -> FloatArray:
    probe = make().fit(known, ranks)
    probabilities = np.zeros((len(asked), n_states))
    probabilities[:, probe.classes_] = probe.predict_proba(asked)
    return probabilities
