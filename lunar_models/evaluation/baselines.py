"""What can be had without looking at a crater: the rows every encoder must beat."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.groups import GROUP_METRICS
from lunar_models.evaluation.probes import (
    linear_probe,
    out_of_fold_probabilities,
    out_of_fold_values,
)
from lunar_models.evaluation.scores import intervals_table, score_features


def baselines_table(
    predictions: pd.DataFrame,
    frozen: EvaluationSet,
    craters: pd.DataFrame,
    kept: npt.NDArray[np.bool_],
    config: EvaluateConfig,
) -> pd.DataFrame:
    """The encoder's main metrics above those of size, of all nuisances, and of the majority.

    Args:
        predictions: (N rows) of the encoder, table described in `scores`.
        frozen: states and folds of the same craters.
        craters: their metadata, in the same order.
        kept: (N,) the craters that are judged.
        config: bootstrap, interval and seed.

    Returns:
        `features`, `metric`, `value`, `low`, `high`; the metrics of `groups.GROUP_METRICS`.
    """
    diameter = np.log10(craters[["diameter_km"]].to_numpy(np.float64))
    candidates = {
        "encoder": predictions,
        "size only": _probe_features(diameter, frozen),
        "nuisances only": _probe_features(_nuisance_features(craters), frozen),
        "majority": _majority(frozen),
    }
    tables = []
    for name, table in candidates.items():
        scores = score_features(
            table[kept],
            n_states=len(frozen.states),
            replicates=config.bootstrap,
            seed=config.seed,
        )
        chosen = intervals_table({key: scores[key] for key in GROUP_METRICS}, config.interval)
        chosen.insert(0, "features", name)
        tables.append(chosen)
    return pd.concat(tables, ignore_index=True)


def _nuisance_features(craters: pd.DataFrame) -> FloatArray:
    """(N, 6): log size, place, Sun side and brightness, everything but the crater's looks."""
    columns = ["longitude_deg", "latitude_deg", "flipped", "mean_brightness"]
    sizes = np.log10(craters[["diameter_km", "native_px"]].to_numpy(np.float64))
    return np.column_stack((sizes, craters[columns].to_numpy(np.float64)))


def _probe_features(features: FloatArray, frozen: EvaluationSet) -> pd.DataFrame:
    ranks, folds = (frozen.table[name].to_numpy() for name in ("rank", "fold"))
    probabilities = out_of_fold_probabilities(
        linear_probe, features, ranks, folds, len(frozen.states)
    )
    predicted = out_of_fold_values(features, frozen.table["value"].to_numpy(), folds)
    return frozen.table.assign(linear=probabilities.argmax(axis=1), predicted_value=predicted)


def _majority(frozen: EvaluationSet) -> pd.DataFrame:
    """Every crater gets the most frequent state, and the same value."""
    most_frequent = np.bincount(frozen.table["rank"]).argmax()
    return frozen.table.assign(linear=most_frequent, predicted_value=0.0)
