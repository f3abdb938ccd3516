"""Compute metrics with bootstrap replicates from one table of out-of-fold predictions.

`evaluate`, the groups by diameter and by band, and `compare` all read their figures from this
table, so a metric is defined once and can always be recomputed from the stored predictions.

Columns of the table, one row per labelled crater (ranks are 0..K-1, 0 the freshest):

    crater_id, block, fold, rank, state        who, where, and the true state
    overlaps_training                          its crop overlaps a crop of its training folds
    linear, knn, lda, ordinal, head            predicted rank of each probe and of the head
    linear_confidence                          probability of the linear probe's state
    probability_<state>                        the head's calibrated probabilities
    in_set_<state>, score, score_std           the head's conformal set and degradation score
    value, predicted_value                     continuous measure and the ridge probe's answer
    kmeans_0, kmeans_1, …                      clusters of k-means with as many clusters as states
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.evaluation.bootstrap import BlockBootstrap, percentile_interval
from lunar_models.evaluation.cluster_metrics import CLUSTER_METRICS
from lunar_models.evaluation.metrics import (
    balanced_accuracy,
    expected_calibration_error,
    macro_f1,
    ordinal_error,
    quadratic_weighted_kappa,
    rank_correlation,
    reliability_rows,
)

STATE_METRICS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "qwk": quadratic_weighted_kappa,
    "ordinal_error": ordinal_error,
}
PROBES = ("linear", "knn", "lda", "ordinal")


@dataclass(frozen=True)
class Score:
    """One metric: its value on all rows and (R,) bootstrap replicates."""

    value: float
    replicates: FloatArray


Scores = dict[str, Score]


def score_predictions(
    predictions: pd.DataFrame, *, n_states: int, replicates: int, seed: int
) -> Scores:
    """Compute every metric of out-of-fold predictions, by its key.

    Args:
        predictions: rows of the table described above.
        n_states: K.
        replicates: bootstrap replicates, 0 for none.
        seed: of the bootstrap; equal seeds and blocks give paired replicates.
    """
    draws = BlockBootstrap.draw(predictions["block"].to_numpy(), replicates, seed)
    scores: Scores = {}
    for probe in PROBES:
        scores |= _state_scores(predictions, draws, probe, f"probe/{probe}_", n_states)
    confidence = predictions["linear_confidence"].to_numpy()
    scores["probe/linear_ece"] = _calibration(predictions, draws, "linear", confidence)
    scores["probe/spearman"] = _spearman(predictions, draws, "value", "predicted_value")
    return scores | _head_scores(predictions, draws, n_states)


def score_features(
    predictions: pd.DataFrame, *, n_states: int, replicates: int, seed: int
) -> Scores:
    """Compute the metrics of the linear and the value probe, for baselines of a few features."""
    draws = BlockBootstrap.draw(predictions["block"].to_numpy(), replicates, seed)
    return {
        **_state_scores(predictions, draws, "linear", "probe/linear_", n_states),
        "probe/spearman": _spearman(predictions, draws, "value", "predicted_value"),
    }


def score_clusters(
    predictions: pd.DataFrame, *, n_states: int, replicates: int, seed: int
) -> Scores:
    """Compute the agreement of k-means with the states, averaged over seeds; arguments as above.

    Clusters never saw a label, so all labelled craters count, overlapping or not.
    """
    draws = BlockBootstrap.draw(predictions["block"].to_numpy(), replicates, seed)
    runs = [_counts(predictions, draws, name, n_states) for name in cluster_columns(predictions)]
    scores = {}
    for name, metric in CLUSTER_METRICS.items():
        each = [_score(metric, counts) for counts in runs]
        scores[f"cluster/kmeans_{name}"] = Score(
            float(np.mean([score.value for score in each])),
            np.mean([score.replicates for score in each], axis=0),
        )
    return scores


def intervals_table(scores: Scores, level: float) -> pd.DataFrame:
    """Tabulate `metric`, `value`, `low`, `high`: percentile intervals at `level`."""
    rows = [
        (name, score.value, *percentile_interval(score.replicates, level))
        for name, score in scores.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])


def _head_scores(predictions: pd.DataFrame, draws: BlockBootstrap, n_states: int) -> Scores:
    probabilities = predictions.filter(regex="^probability_").to_numpy()
    in_set = predictions.filter(regex="^in_set_").to_numpy()
    covered = in_set[np.arange(len(in_set)), predictions["rank"].to_numpy()]
    return {
        **_state_scores(predictions, draws, "head", "head/", n_states),
        "head/ece": _calibration(predictions, draws, "head", probabilities.max(axis=1)),
        "head/coverage": _mean(draws, covered),
        "head/set_size": _mean(draws, in_set.sum(axis=1)),
    }


def cluster_columns(predictions: pd.DataFrame) -> list[str]:
    """List the k-means columns of the table, one per seed."""
    return [name for name in predictions.columns if name.startswith("kmeans_")]


def _state_scores(
    predictions: pd.DataFrame, draws: BlockBootstrap, column: str, prefix: str, n_states: int
) -> Scores:
    counts = _counts(predictions, draws, column, n_states)
    return {f"{prefix}{name}": _score(metric, counts) for name, metric in STATE_METRICS.items()}


def _counts(
    predictions: pd.DataFrame, draws: BlockBootstrap, column: str, n_states: int
) -> FloatArray:
    """(1 + R, K, C) counts of the true rank against a column of codes."""
    codes = predictions[column].to_numpy()
    n_codes = max(n_states, int(codes.max()) + 1)
    pairs = predictions["rank"].to_numpy() * n_codes + codes
    return draws.counts_of(pairs, n_states * n_codes).reshape(-1, n_states, n_codes)


def _score(metric: Callable[[FloatArray], FloatArray], counts: FloatArray) -> Score:
    values = metric(counts)
    return Score(float(values[0]), values[1:])


def _calibration(
    predictions: pd.DataFrame, draws: BlockBootstrap, column: str, confidence: FloatArray
) -> Score:
    correct = (predictions[column] == predictions["rank"]).to_numpy()
    rows = reliability_rows(confidence, correct)
    return _score(expected_calibration_error, draws.totals(rows))


def _mean(draws: BlockBootstrap, rows: npt.NDArray[Any]) -> Score:
    return _score(lambda sums: sums[:, 0] / sums[:, 1], draws.totals(_and_one(rows)))


def _and_one(rows: npt.NDArray[Any]) -> FloatArray:
    return np.column_stack((rows, np.ones(len(rows))))


def _spearman(predictions: pd.DataFrame, draws: BlockBootstrap, first: str, second: str) -> Score:
    codes = [np.unique(predictions[name], return_inverse=True)[1] for name in (first, second)]
    values = [
        rank_correlation(codes[0], codes[1], draws.weights(i)) for i in range(len(draws.counts))
    ]
    return Score(values[0], np.array(values[1:]))
