"""Compute metrics by diameter, by longitude band and by the encoder's training split."""

import itertools

import numpy as np
import pandas as pd

from lunar_models.evaluation.scores import intervals_table, score_features

GROUP_METRICS = (
    "probe/linear_balanced_accuracy",
    "probe/linear_qwk",
    "probe/spearman",
)

DIAMETER_EDGES_KM = (0.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 50.0, np.inf)


def score_groups(
    predictions: pd.DataFrame,
    groups: "pd.Series[str]",
    *,
    n_states: int,
    replicates: int,
    seed: int,
    level: float,
) -> pd.DataFrame:
    """Compute the main metrics within each group of craters.

    Args:
        predictions: table described in `scores`.
        groups: (N,) group of each row; an ordered categorical keeps its order.
        n_states: K.
        replicates: bootstrap replicates.
        seed: of the bootstrap.
        level: coverage of the intervals.

    Returns:
        `group`, `count`, `metric`, `value`, `low`, `high`; groups without craters are absent.
    """
    by = pd.Series(groups.array, index=predictions.index)
    tables = []
    for name, rows in predictions.groupby(by, sort=True, observed=True):
        scores = score_features(rows, n_states=n_states, replicates=replicates, seed=seed)
        chosen = {metric: scores[metric] for metric in GROUP_METRICS}
        table = intervals_table(chosen, level)
        table.insert(0, "group", str(name))
        table.insert(1, "count", len(rows))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def diameter_bins(diameter_km: "pd.Series[float]") -> "pd.Series[str]":
    """Bin (N,) diameters in km: an ordered categorical of bins such as ``4–5 km``."""
    edges = DIAMETER_EDGES_KM
    names = [f"{low:g}–{high:g} km" for low, high in itertools.pairwise(edges)]
    names[-1] = f"≥ {edges[-2]:g} km"
    return pd.Series(pd.cut(diameter_km, edges, labels=names, right=False))


def longitude_bands(longitude_deg: "pd.Series[float]", band_deg: float) -> "pd.Series[str]":
    """Bin (N,) longitudes in degrees: an ordered categorical of bands such as ``-90…-75°``."""
    start = np.floor(longitude_deg.to_numpy() / band_deg) * band_deg
    known = np.unique(start[~np.isnan(start)])  # pictures have no longitude
    names = {low: f"{low:g}…{low + band_deg:g}°" for low in known}
    bands = pd.Categorical(
        [names.get(low) for low in start], categories=list(names.values()), ordered=True
    )
    return pd.Series(bands, index=longitude_deg.index)
