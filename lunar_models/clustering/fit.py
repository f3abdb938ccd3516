"""Fit clusters: subsample, transform, select their number, fit, number them, test stability."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.methods import FIT_LIMITS, Fit, fit_method, least_points
from lunar_models.clustering.model import (
    QUANTILES,
    ClusterModel,
    clusters_table,
    require_finite,
    to_canonical,
)
from lunar_models.clustering.preparation import fit_preparation
from lunar_models.clustering.selection import selection_table
from lunar_models.clustering.stability import bootstrap_jaccard, mean_jaccard
from lunar_models.clustering.types import NOISE
from lunar_models.config.cluster import ClusterConfig
from lunar_models.errors import ConfigError


def fit_clusters(
    embeddings: FloatArray,
    config: ClusterConfig,
    *,
    on_progress: Callable[[str], None] = lambda message: None,
) -> ClusterModel:
    """Fit clusters to (N, D) embeddings.

    Neither the clusters nor their ids depend on the order of the rows: rows are put into the
    order of their bytes before anything random happens, and ids run from the largest cluster to
    the smallest (ties: by centroid). Above ``fit_limit`` a seeded sample is fitted.

    Raises:
        ConfigError: more clusters are asked for than there are craters.
        LunarModelsError: a value is not finite.
    """
    sample = _sample(embeddings, config)
    require_finite(sample)
    _require_enough(len(sample), config)
    preparation = fit_preparation(
        sample, standardise=config.scaling == "standard", pca_variance=config.pca_variance
    )
    points = preparation.apply(sample)
    n_clusters, selection = _select_number(points, config, on_progress)
    on_progress(f"fitting {config.method} on {len(points)} craters")
    fit = fit_method(points, n_clusters, config)
    canonical = _canonical_ids(points, fit.index)
    index = to_canonical(fit.index, canonical)
    if len(canonical) < n_clusters and config.method != "hdbscan":
        on_progress(
            f"{n_clusters} clusters were asked for, {len(canonical)} found: no more embeddings "
            "differ enough from each other"
        )
    on_progress(f"{config.stability_rounds} bootstrap rounds")
    similarity = bootstrap_jaccard(
        points, index, n_clusters, config, rounds=config.stability_rounds
    )
    return ClusterModel(
        method=config.method,
        preparation=preparation,
        rule=fit.rule,
        canonical=canonical,
        distance_quantiles=_distance_quantiles(points, fit),
        clusters=_describe(index, similarity),
        selection=selection,
    )


def _require_enough(count: int, config: ClusterConfig) -> None:
    n_clusters = config.n_clusters or config.k_min + 1
    need = least_points(config.method, n_clusters)
    if count < need:
        raise ConfigError(
            f"{count} craters cannot make {n_clusters} clusters with method={config.method}, which "
            f"needs {need}; lower n_clusters or use more craters."
        )


def _sample(embeddings: FloatArray, config: ClusterConfig) -> FloatArray:
    """(M, D) float32: a seeded sample in random order, the same for any order of the rows."""
    limit = config.fit_limit or FIT_LIMITS[config.method]
    rows = np.ascontiguousarray(embeddings)
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    shuffled = np.random.default_rng(config.seed).permutation(len(rows))[:limit]
    return np.asarray(rows[as_bytes.argsort(kind="stable")[shuffled]], dtype=np.float32)


def _select_number(
    points: FloatArray, config: ClusterConfig, on_progress: Callable[[str], None]
) -> tuple[int, pd.DataFrame | None]:
    """Return the number of clusters, and the table behind it where it was not given."""
    if config.n_clusters is not None or config.method == "hdbscan":
        return config.n_clusters or config.k_min, None
    selection = selection_table(
        points, config, on_candidate=lambda k: on_progress(f"trying {k} clusters")
    )
    return int(selection.loc[selection["chosen"], "n_clusters"].iloc[0]), selection


def _canonical_ids(points: FloatArray, index: IntArray) -> IntArray:
    """(K,) int32 new id of each index: by size, largest first, then by centroid."""
    count = int(index.max(initial=NOISE)) + 1
    sizes = np.bincount(index[index != NOISE], minlength=count)
    centroids = [points[index == k].mean(axis=0).tolist() for k in range(count)]
    ranked = sorted(range(count), key=lambda k: (-sizes[k], centroids[k]))
    canonical = np.empty(count, np.int32)
    canonical[ranked] = np.arange(count)
    return canonical


def _distance_quantiles(points: FloatArray, fit: Fit) -> FloatArray:
    _, distance, _ = fit.rule.assign(points)
    return np.quantile(distance, QUANTILES).astype(np.float32)


def _describe(index: IntArray, similarity: FloatArray) -> pd.DataFrame:
    count = int(index.max(initial=NOISE)) + 1
    sizes = np.bincount(index[index != NOISE], minlength=count)
    return clusters_table(
        pd.DataFrame(
            {
                "cluster_id": np.arange(count),
                "fitted_count": sizes,
                "fitted_share": sizes / max(len(index), 1),
                "stability": mean_jaccard(similarity),
            }
        )
    )
