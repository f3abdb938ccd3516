"""Select the number of clusters, with the table of scores behind the choice."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import silhouette_score

from lunar_models.arrays import FloatArray
from lunar_models.clustering.methods import fit_method, gaussian_mixture
from lunar_models.clustering.stability import HIGHLY_STABLE, bootstrap_jaccard, mean_jaccard
from lunar_models.config.cluster import ClusterConfig
from lunar_models.errors import ConfigError

SELECTION_LIMIT = 5_000
"""Most craters the candidates are compared on."""

_ROUNDS = 10

Score = tuple[float, float]
"""A score and its uncertainty (one standard error), 0 where it has none."""


def selection_table(
    points: FloatArray,
    config: ClusterConfig,
    *,
    on_candidate: Callable[[int], None] = lambda n_clusters: None,
) -> pd.DataFrame:
    """Score every number of clusters from ``k_min`` to ``k_max``.

    Args:
        points: (M, P) float32; the first `SELECTION_LIMIT` rows are used, so give them in random
            order.
        config: method, range and criterion.
        on_candidate: called with each number before it is tried.

    Returns:
        One row per candidate: n_clusters int64, score float64, error float64, chosen bool. The
        score is, for *stability*, the mean Jaccard similarity of the least stable cluster; for
        *silhouette* the mean silhouette; for *bic* the Bayesian information criterion. It is NaN
        for a number of clusters that the method does not find, as among few distinct points.

    Raises:
        ConfigError: no number of clusters has a score.
    """
    points = points[:SELECTION_LIMIT]
    score = _SCORES[config.selection]
    rows = []
    for n_clusters in range(config.k_min, min(config.k_max, len(points) - 1) + 1):
        on_candidate(n_clusters)
        rows.append((n_clusters, *score(points, n_clusters, config)))
    table = pd.DataFrame(rows, columns=["n_clusters", "score", "error"])
    table["chosen"] = table["n_clusters"] == _choose(table, config.selection)
    return table


def _choose(table: pd.DataFrame, selection: str) -> int:
    """Stability: the most clusters that are all highly stable, else the stablest."""
    scores = table["score"].to_numpy()
    if np.isnan(scores).all():
        raise ConfigError(
            f"selection={selection} finds no number of clusters: too few embeddings differ from "
            "each other. Set n_clusters, or check the encoder and its crops."
        )
    if selection == "bic":
        best = np.nanargmin(scores)
    elif selection == "stability" and (scores >= HIGHLY_STABLE).any():
        best = np.flatnonzero(scores >= HIGHLY_STABLE)[-1]
    else:
        best = np.nanargmax(scores)
    return int(table["n_clusters"].to_numpy()[best])


def _stability(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Score:
    index = fit_method(points, n_clusters, config).index
    if len(np.unique(index)) < n_clusters:
        return np.nan, np.nan
    similarity = bootstrap_jaccard(points, index, n_clusters, config, rounds=_ROUNDS)
    means = mean_jaccard(similarity)
    if np.isnan(means).all():
        return np.nan, np.nan
    worst = similarity[:, np.nanargmin(means)]
    return float(np.nanmean(worst)), float(np.nanstd(worst) / np.sqrt(_ROUNDS))


def _silhouette(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Score:
    index = fit_method(points, n_clusters, config).index
    if len(np.unique(index)) < n_clusters:
        return np.nan, 0.0
    return float(silhouette_score(points, index)), 0.0


def _bic(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Score:
    return float(gaussian_mixture(points, n_clusters, config).bic(points)), 0.0


_SCORES: dict[str, Callable[[FloatArray, int, ClusterConfig], Score]] = {
    "stability": _stability,
    "silhouette": _silhouette,
    "bic": _bic,
}
