"""Evaluate one encoder from its embeddings and labels."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.errors import LunarModelsError
from lunar_models.evaluation.baselines import baselines_table
from lunar_models.evaluation.confounds import audit
from lunar_models.evaluation.evaluation_set import EvaluationSet, build_evaluation_set
from lunar_models.evaluation.geometry import boundary_entropy, centroid_agreement, separation
from lunar_models.evaluation.learning_curve import few_labels_accuracy, learning_curve
from lunar_models.evaluation.metrics import balanced_accuracy, confusion_counts
from lunar_models.evaluation.predictions import predict_out_of_fold
from lunar_models.evaluation.scores import (
    intervals_table,
    score_clusters,
    score_features,
    score_predictions,
)
from lunar_models.evaluation.subgroups import diameter_bins, longitude_bands, score_groups
from lunar_models.heads.head import Head

FEW_LABELS = 150


@dataclass(frozen=True)
class Evaluation:
    """All results of one encoder on one evaluation set."""

    metrics: dict[str, float]
    """Flat, with the same keys for every encoder: ``probe/linear_balanced_accuracy``, …"""
    intervals: pd.DataFrame
    """metric, value, low, high."""
    predictions: pd.DataFrame
    """One row per labelled crater, out of fold; columns in `scores`."""
    confusion: pd.DataFrame
    """Counts; index the true state, columns the state of the linear probe."""
    by_diameter: pd.DataFrame
    """group, count, metric, value, low, high."""
    by_band: pd.DataFrame
    """The same by longitude band."""
    by_split: pd.DataFrame
    """The same by the split the encoder was trained with: it must not matter."""
    baselines: pd.DataFrame
    """features, metric, value, low, high: this encoder, diameter, nuisances, majority."""
    audit: pd.DataFrame
    """property, kind, measure, value, low, high, chance, skill, association, and the states'
    association with the property."""
    learning_curve: pd.DataFrame
    """labels, balanced_accuracy, balanced_accuracy_std, qwk, qwk_std."""
    rejected: pd.DataFrame
    """crater_id, reason: labels that could not be used."""
    head: Head
    """Fitted on all labelled craters."""
    states: tuple[str, ...]
    """Names, freshest first."""
    digest: str
    """Digest of the evaluation set; `compare` refuses unequal ones."""


def evaluate(
    embeddings: FloatArray,
    metadata: pd.DataFrame,
    labels: pd.DataFrame,
    config: EvaluateConfig,
    *,
    context_diameters: float,
) -> Evaluation:
    """Evaluate an encoder on the craters whose state is known.

    Args:
        embeddings: (N, D) finite, one row per crop.
        metadata: N rows of `crop_set.METADATA_COLUMNS`, in the same order.
        labels: crater_id, state (int, ascending from the freshest); optional state_name and
            value, as `labels.read_labels` gives them.
        config: see `EvaluateConfig`; its paths are not used here.
        context_diameters: side of a crop in crater diameters.

    Raises:
        LunarModelsError: rows do not match, or embeddings are not finite or all equal.
        LabelsError: the labels cannot be used with these crops.
        ConfigError: too few spatial blocks for the folds.
    """
    embeddings = _checked(embeddings, metadata)
    evaluation_set = build_evaluation_set(
        metadata, labels, config, context_diameters=context_diameters
    )
    chosen, craters = embeddings[evaluation_set.position], metadata.iloc[evaluation_set.position]
    predictions, fitted = predict_out_of_fold(chosen, evaluation_set, config)
    kept = ~evaluation_set.table["overlaps_training"].to_numpy() | (not config.drop_overlapping)
    judged = predictions[kept]
    options = _bootstrap_options(evaluation_set, config)
    scores = score_predictions(judged, **options) | score_clusters(predictions, **options)
    ranks, folds = (evaluation_set.table[name].to_numpy() for name in ("rank", "fold"))
    n_states, clusters = len(evaluation_set.states), predictions["kmeans_0"].to_numpy()
    return Evaluation(
        metrics={name: score.value for name, score in scores.items()}
        | _few_labels(chosen, ranks, n_states, config)
        | _with_overlap(predictions, options)
        | _geometry(chosen, predictions, n_states, config)
        | _counts(evaluation_set, judged, fitted.head.abstain_below),
        intervals=intervals_table(scores, config.interval),
        predictions=predictions,
        confusion=_confusion(judged, evaluation_set.states),
        **_by_group(judged, craters[kept], options, config),
        baselines=baselines_table(predictions, evaluation_set, craters, kept, config),
        audit=audit(embeddings, metadata, evaluation_set, clusters, config),
        learning_curve=learning_curve(chosen, ranks, folds, n_states=n_states, seed=config.seed),
        rejected=evaluation_set.rejected,
        head=fitted.head,
        states=evaluation_set.states,
        digest=evaluation_set.digest,
    )


def _checked(embeddings: FloatArray, metadata: pd.DataFrame) -> npt.NDArray[np.float64]:
    if embeddings.ndim != 2 or len(embeddings) != len(metadata):
        raise LunarModelsError(
            f"Embeddings of shape {embeddings.shape} do not match {len(metadata)} rows of "
            "metadata; embed the crops of this crop set."
        )
    finite = np.isfinite(embeddings).all(axis=1)
    if not finite.all():
        crater_id = metadata["crater_id"].iloc[int((~finite).argmax())]
        raise LunarModelsError(
            f"{int((~finite).sum())} embeddings are not finite, first that of crater "
            f"{crater_id!r}; train the encoder again with a smaller learning_rate."
        )
    if not np.ptp(embeddings, axis=0).any():
        raise LunarModelsError(
            "All embeddings are equal: the encoder has collapsed and tells nothing about craters; "
            "train it again with another learning_rate or seed."
        )
    return np.asarray(embeddings, np.float64)


def _bootstrap_options(evaluation_set: EvaluationSet, config: EvaluateConfig) -> dict[str, Any]:
    return {
        "n_states": len(evaluation_set.states),
        "replicates": config.bootstrap,
        "seed": config.seed,
    }


def _few_labels(
    chosen: FloatArray, ranks: npt.NDArray[Any], n_states: int, config: EvaluateConfig
) -> dict[str, float]:
    accuracy = few_labels_accuracy(
        chosen, ranks, n_labels=FEW_LABELS, n_states=n_states, seed=config.seed
    )
    return {f"probe/lda{FEW_LABELS}_balanced_accuracy": accuracy}


def _with_overlap(predictions: pd.DataFrame, options: dict[str, Any]) -> dict[str, float]:
    """The main metrics with test crops that overlap training crops: what others publish."""
    scores = score_features(predictions, **{**options, "replicates": 0})
    return {f"with_overlap/{name.removeprefix('probe/')}": s.value for name, s in scores.items()}


def _geometry(
    embeddings: FloatArray, predictions: pd.DataFrame, n_states: int, config: EvaluateConfig
) -> dict[str, float]:
    ranks, clusters = predictions["rank"].to_numpy(), predictions["kmeans_0"].to_numpy()
    found = {
        **{f"states_{k}": v for k, v in _separation(embeddings, ranks, config).items()},
        **{f"kmeans_{k}": v for k, v in _separation(embeddings, clusters, config).items()},
        "boundary_entropy": boundary_entropy(embeddings, ranks, n_states, config.neighbours),
        **centroid_agreement(embeddings, ranks, clusters, n_states),
    }
    return {f"geometry/{name}": value for name, value in found.items()}


def _separation(embeddings: FloatArray, group: Any, config: EvaluateConfig) -> dict[str, float]:
    return separation(embeddings, group, seed=config.seed)


def _counts(
    evaluation_set: EvaluationSet, judged: pd.DataFrame, abstain_below: float
) -> dict[str, float]:
    """Sizes of the evaluation, and what the head does when it may abstain."""
    best = judged.filter(regex="^probability_").max(axis=1)
    accepted = judged[best >= abstain_below]
    confusion = confusion_counts(
        accepted["rank"].to_numpy(), accepted["head"].to_numpy(), len(evaluation_set.states)
    )
    return {
        "head/abstained": 1.0 - len(accepted) / len(judged),
        "head/accepted_balanced_accuracy": float(balanced_accuracy(confusion)),
        "labels/used": float(len(evaluation_set.table)),
        "labels/rejected": float(len(evaluation_set.rejected)),
        "labels/judged": float(len(judged)),
    }


def _by_group(
    judged: pd.DataFrame, craters: pd.DataFrame, options: dict[str, Any], config: EvaluateConfig
) -> dict[str, pd.DataFrame]:
    groups = {
        "by_diameter": diameter_bins(craters["diameter_km"]),
        "by_band": longitude_bands(craters["longitude_deg"], config.band_deg),
        "by_split": craters["split"],
    }
    return {
        name: score_groups(judged, _or_unknown(group), **options, level=config.interval)
        for name, group in groups.items()
    }


def _or_unknown(group: "pd.Series[str]") -> "pd.Series[str]":
    """One group where nothing is known: crops of pictures have no place and no size."""
    return group if group.notna().any() else pd.Series("unknown", index=group.index)


def _confusion(judged: pd.DataFrame, states: tuple[str, ...]) -> pd.DataFrame:
    counts = confusion_counts(judged["rank"].to_numpy(), judged["linear"].to_numpy(), len(states))
    names = list(states)
    return pd.DataFrame(counts, index=pd.Index(names, name="state"), columns=names)
