"""Compute baselines that use no image, which every encoder must beat."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.crops.places import relative_places
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.probes import (
    linear_probe,
    out_of_fold_probabilities,
    out_of_fold_values,
)
from lunar_models.evaluation.scores import intervals_table, score_features
from lunar_models.evaluation.subgroups import GROUP_METRICS


def baselines_table(
    predictions: pd.DataFrame,
    evaluation_set: EvaluationSet,
    craters: pd.DataFrame,
    kept: npt.NDArray[np.bool_],
    config: EvaluateConfig,
) -> pd.DataFrame:
    """Tabulate the main metrics of the encoder and of the size, nuisance and majority baselines.

    Args:
        predictions: (N rows) of the encoder, table described in `scores`.
        evaluation_set: states and folds of the same craters.
        craters: their metadata, in the same order.
        kept: (N,) the craters that are judged.
        config: bootstrap, interval and seed.

    Returns:
        `features`, `metric`, `value`, `low`, `high`; the metrics of `subgroups.GROUP_METRICS`.
    """
    craters = relative_places(craters)
    diameter = np.log10(craters[["diameter_km"]].to_numpy(np.float64))
    candidates = {
        "encoder": predictions,
        "size only": _probe_features(diameter, evaluation_set),
        "nuisances only": _probe_features(_nuisance_features(craters), evaluation_set),
        "majority": _majority(evaluation_set),
    }
    tables = []
    for name, table in candidates.items():
        scores = score_features(
            table[kept],
            n_states=len(evaluation_set.states),
            replicates=config.bootstrap,
            seed=config.seed,
        )
        chosen = intervals_table({key: scores[key] for key in GROUP_METRICS}, config.interval)
        chosen.insert(0, "features", name)
        tables.append(chosen)
    return pd.concat(tables, ignore_index=True)


def _nuisance_features(craters: pd.DataFrame) -> FloatArray:
    """(N, 6): log size, place, Sun side and brightness, everything but the image."""
    columns = ["longitude_deg", "latitude_deg", "flipped", "mean_brightness"]
    sizes = np.log10(craters[["diameter_km", "native_px"]].to_numpy(np.float64))
    return np.column_stack((sizes, craters[columns].to_numpy(np.float64)))


def _probe_features(features: FloatArray, evaluation_set: EvaluationSet) -> pd.DataFrame:
    ranks, folds = (evaluation_set.table[name].to_numpy() for name in ("rank", "fold"))
    probabilities = out_of_fold_probabilities(
        linear_probe, features, ranks, folds, len(evaluation_set.states)
    )
    predicted = out_of_fold_values(features, evaluation_set.table["value"].to_numpy(), folds)
    return evaluation_set.table.assign(
        linear=probabilities.argmax(axis=1), predicted_value=predicted
    )


def _majority(evaluation_set: EvaluationSet) -> pd.DataFrame:
    """Predict the most frequent state, and one value, for every crater."""
    most_frequent = np.bincount(evaluation_set.table["rank"]).argmax()
    return evaluation_set.table.assign(linear=most_frequent, predicted_value=0.0)
