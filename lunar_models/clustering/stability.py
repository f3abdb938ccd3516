"""Measure the stability of each cluster by bootstrap resampling.

Hennig (2007, doi 10.1016/j.csda.2006.11.025): below 0.6 a cluster should not be trusted, above
0.75 it is a real pattern, above 0.85 it is highly stable.
"""

from collections.abc import Callable

import numpy as np

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.methods import fit_method, least_points
from lunar_models.clustering.types import NOISE
from lunar_models.config.cluster import ClusterConfig

HIGHLY_STABLE = 0.85
"""Least mean Jaccard similarity of a cluster that counts as found, not invented."""

STABILITY_LIMIT = 5_000
"""Most craters one bootstrap round looks at."""


def bootstrap_jaccard(
    points: FloatArray,
    index: IntArray,
    n_clusters: int,
    config: ClusterConfig,
    *,
    rounds: int,
    on_round: Callable[[int], None] = lambda done: None,
) -> FloatArray:
    """Compute the best Jaccard similarity of each cluster in each bootstrap clustering.

    A round clusters the distinct craters of one bootstrap draw (about 63 %); above
    `STABILITY_LIMIT` craters a draw has that many. HDBSCAN's counts shrink in proportion.

    Args:
        points: (M, P) float32 prepared embeddings.
        index: (M,) the clustering to test: 0 … n - 1, or `NOISE`.
        n_clusters: asked of the method in each round.
        config: the method and its parameters.
        rounds: bootstrap draws.
        on_round: called with the number of rounds done.

    Returns:
        (rounds, n) in [0, 1]; NaN where a draw misses a cluster altogether, or is too small for the
        method.
    """
    rng = np.random.default_rng(config.seed)
    count = int(index.max(initial=NOISE)) + 1
    draw_size = min(len(points), STABILITY_LIMIT)
    similarity = np.full((rounds, count), np.nan)
    for done in range(rounds):
        drawn = np.unique(rng.integers(len(points), size=draw_size))
        smaller = _shrink(config, len(drawn) / len(points))
        if len(drawn) >= least_points(config.method, n_clusters):
            found = fit_method(points[drawn], n_clusters, smaller).index
            similarity[done] = best_jaccard(index[drawn], found, count)
        on_round(done + 1)
    return similarity


def best_jaccard(index: IntArray, found: IntArray, count: int) -> FloatArray:
    """Compute the largest Jaccard similarity of each cluster of `index` with any of `found`.

    NaN for clusters without a member here.
    """
    columns = int(found.max(initial=NOISE)) + 1
    # row and column 0 hold noise, which matches nothing but counts in the unions
    table = np.zeros((count + 1, columns + 1))
    np.add.at(table, (index + 1, found + 1), 1)
    sizes, others = table.sum(axis=1)[1:], table.sum(axis=0)[1:]
    shared = table[1:, 1:]
    unions = sizes[:, None] + others - shared
    jaccard = (shared / np.maximum(unions, 1)).max(axis=1, initial=0.0)
    return np.where(sizes > 0, jaccard, np.nan)


def mean_jaccard(similarity: FloatArray) -> FloatArray:
    """Average `bootstrap_jaccard` over its rounds, (n,); NaN without any round."""
    seen = np.isfinite(similarity).sum(axis=0)
    total = np.nansum(similarity, axis=0)
    mean: FloatArray = np.divide(total, seen, out=np.full(len(seen), np.nan), where=seen > 0)
    return mean


def _shrink(config: ClusterConfig, share: float) -> ClusterConfig:
    return config.replace(
        min_cluster_size=max(2, round(config.min_cluster_size * share)),
        min_samples=max(1, round(config.min_samples * share)),
    )
