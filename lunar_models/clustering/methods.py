"""The clustering methods: points in, cluster of each point and assignment rule out."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.cluster import hierarchy
from sklearn.cluster import KMeans, MiniBatchKMeans, SpectralClustering
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.density import density_rule
from lunar_models.clustering.rules import CentroidRule, GaussianRule, NeighbourRule, Rule
from lunar_models.config.cluster import ClusterConfig

FIT_LIMITS = {
    "kmeans": 200_000,
    "minibatch_kmeans": 1_000_000,
    "gmm": 100_000,
    "spectral": 10_000,
    "agglomerative": 10_000,
    "hdbscan": 20_000,
}
"""Most craters fitted when `ClusterConfig.fit_limit` is None: about a minute on two cores."""

_FEW = 10_000


@dataclass(frozen=True)
class Fit:
    """Outcome of one method on M points."""

    index: IntArray
    """(M,) cluster of each point, in the method's own order; `NOISE` for none."""
    rule: Rule


def fit_method(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    """Run ``config.method`` on (M, P) float32 points; `n_clusters` means nothing to HDBSCAN."""
    # on few points threads cost more than they bring, on a busy machine six times the run
    with threadpool_limits(1 if len(points) <= _FEW else None):
        return _METHODS[config.method](points, n_clusters, config)


def _kmeans(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = KMeans(n_clusters, n_init=10, random_state=config.seed).fit(points)
    return Fit(model.labels_, CentroidRule(model.cluster_centers_))


def _minibatch_kmeans(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = MiniBatchKMeans(n_clusters, n_init=4, batch_size=4096, random_state=config.seed)
    model.fit(points)
    return Fit(model.labels_, CentroidRule(model.cluster_centers_))


def gaussian_mixture(points: FloatArray, n_clusters: int, config: ClusterConfig) -> GaussianMixture:
    """Fit a Gaussian mixture in float64, starting from k-means."""
    return GaussianMixture(
        n_clusters, covariance_type=config.covariance, n_init=2, random_state=config.seed
    ).fit(points.astype(np.float64))


def _gmm(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = gaussian_mixture(points, n_clusters, config)
    rule = GaussianRule(np.log(model.weights_), model.means_, _full_factors(model))
    return Fit(rule.assign(points)[0], rule)


def _full_factors(model: GaussianMixture) -> FloatArray:
    """(K, P, P) precision factors, whatever the covariance type."""
    count, width = model.means_.shape
    factors = np.asarray(model.precisions_cholesky_)
    if model.covariance_type == "full":
        return factors
    if model.covariance_type == "tied":
        return np.broadcast_to(factors, (count, width, width)).copy()
    columns = factors[:, None] if model.covariance_type == "spherical" else factors
    return np.asarray(columns[:, :, None] * np.eye(width))


def _spectral(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = SpectralClustering(
        n_clusters,
        affinity="nearest_neighbors",
        n_neighbors=min(config.graph_neighbours, len(points)),
        assign_labels="cluster_qr",
        random_state=config.seed,
    )
    with warnings.catch_warnings():
        # groups without any link between them are the easiest case, not a fault
        warnings.filterwarnings("ignore", message="Graph is not fully connected")
        index = model.fit_predict(points)
    return Fit(index, _vote(points, index, config, np.zeros((0, 4))))


def _agglomerative(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    merges = hierarchy.linkage(points, method=config.linkage)
    index = hierarchy.cut_tree(merges, n_clusters=n_clusters).ravel()
    return Fit(index, _vote(points, index, config, merges))


def _vote(
    points: FloatArray, index: IntArray, config: ClusterConfig, merges: FloatArray
) -> NeighbourRule:
    voters = np.asarray(config.graph_neighbours)
    return NeighbourRule(points, index.astype(np.int32), voters, merges)


def _hdbscan(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    from hdbscan import HDBSCAN  # here, because assigning (serving) does without this package

    min_samples = min(config.min_samples, len(points) - 1)
    clusterer = HDBSCAN(
        min_cluster_size=min(config.min_cluster_size, len(points)),
        min_samples=min_samples,
        core_dist_n_jobs=1,
    ).fit(points.astype(np.float64))
    return Fit(clusterer.labels_, density_rule(points, clusterer, min_samples))


_METHODS: dict[str, Callable[[FloatArray, int, ClusterConfig], Fit]] = {
    "kmeans": _kmeans,
    "minibatch_kmeans": _minibatch_kmeans,
    "gmm": _gmm,
    "spectral": _spectral,
    "agglomerative": _agglomerative,
    "hdbscan": _hdbscan,
}
