"""Fit each clustering method: return the cluster of each point and an assignment rule."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


def least_points(method: str, n_clusters: int) -> int:
    """Return the minimum number of points from which a method finds `n_clusters`."""
    return {"spectral": n_clusters + 1, "hdbscan": 3}.get(method, max(2, n_clusters))


@dataclass(frozen=True)
class Fit:
    """Outcome of one method on M points."""

    index: IntArray
    """(M,) cluster of each point, in the method's own order; `NOISE` for none."""
    rule: Rule


def fit_method(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    """Fit ``config.method`` to (M, P) float32 points; HDBSCAN ignores `n_clusters`."""
    # on few points threads cost more than they bring, on a busy machine six times the run
    with threadpool_limits(1 if len(points) <= _FEW else None):
        return _METHODS[config.method](points, n_clusters, config)


def _kmeans(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = KMeans(n_clusters, n_init=10, random_state=config.seed)
    return _centroids(points, model)


def _minibatch_kmeans(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = MiniBatchKMeans(n_clusters, n_init=4, batch_size=4096, random_state=config.seed)
    return _centroids(points, model)


def _centroids(points: FloatArray, model: KMeans | MiniBatchKMeans) -> Fit:
    with _few_distinct_points():
        centroids = model.fit(points).cluster_centers_
    return _fit_of_used(points, lambda used: CentroidRule(centroids[used]), len(centroids))


def _fit_of_used(points: FloatArray, rule: Callable[[IntArray], Rule], count: int) -> Fit:
    """Leave out clusters that own no point, such as the second of two equal centroids."""
    index = rule(np.arange(count)).assign(points)[0]
    used = np.unique(index)
    return Fit(np.searchsorted(used, index), rule(used))


def gaussian_mixture(points: FloatArray, n_clusters: int, config: ClusterConfig) -> GaussianMixture:
    """Fit a Gaussian mixture in float64, starting from k-means."""
    model = GaussianMixture(
        n_clusters, covariance_type=config.covariance, n_init=2, random_state=config.seed
    )
    with _few_distinct_points():
        return model.fit(points.astype(np.float64))


@contextmanager
def _few_distinct_points() -> Iterator[None]:
    """Where fewer points differ than clusters are asked for, `fit_clusters` says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Number of distinct clusters")
        yield


def _gmm(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    model = gaussian_mixture(points, n_clusters, config)
    weights, factors = np.log(model.weights_), _full_factors(model)
    return _fit_of_used(
        points,
        lambda used: GaussianRule(weights[used], model.means_[used], factors[used]),
        len(weights),
    )


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
    # a graph would join each of many equal points to some of them, and cut them apart
    distinct, group = np.unique(points, axis=0, return_inverse=True)
    if len(distinct) == len(points):
        index = _spectral_index(points, n_clusters, config)
    elif len(distinct) <= n_clusters:
        index = group.ravel()
    else:
        index = _spectral_index(distinct, n_clusters, config)[group.ravel()]
    return Fit(index, _vote(points, index, config, np.zeros((0, 4))))


def _spectral_index(points: FloatArray, n_clusters: int, config: ClusterConfig) -> IntArray:
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
        index: IntArray = np.unique(model.fit_predict(points), return_inverse=True)[1]  # no gaps
        return index


def _agglomerative(points: FloatArray, n_clusters: int, config: ClusterConfig) -> Fit:
    merges = hierarchy.linkage(points, method=config.linkage)
    distinct = len(np.unique(points, axis=0))  # equal points belong together
    index = hierarchy.cut_tree(merges, n_clusters=min(n_clusters, distinct)).ravel()
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
