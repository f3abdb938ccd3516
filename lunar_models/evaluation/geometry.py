"""Measure how states are arranged in the full embedding space; 2-D projections distort it."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial import procrustes
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score
from sklearn.neighbors import NearestNeighbors

from lunar_models.arrays import FloatArray
from lunar_models.evaluation.cluster_metrics import contingency, match_clusters

Ranks = npt.NDArray[np.integer[Any]]

SILHOUETTE_LIMIT = 4000


def separation(embeddings: FloatArray, group: Ranks, *, seed: int) -> dict[str, float]:
    """Measure the separation of groups (states or clusters); NaN with a single group.

    Args:
        embeddings: (N, D).
        group: (N,) integer group of each crater.
        seed: chooses the craters of the silhouette when there are more than 4,000.

    Returns:
        silhouette in [-1, 1], higher is better (Rousseeuw 1987, doi 10.1016/0377-0427(87)90125-7);
        davies_bouldin, lower is better (1979, doi 10.1109/TPAMI.1979.4766909);
        calinski_harabasz, higher is better (1974, doi 10.1080/03610927408827101).
    """
    if len(np.unique(group)) < 2:
        return dict.fromkeys(("silhouette", "davies_bouldin", "calinski_harabasz"), float("nan"))
    sample = np.random.default_rng(seed).permutation(len(group))[:SILHOUETTE_LIMIT]
    return {
        "silhouette": float(silhouette_score(embeddings[sample], group[sample])),
        "davies_bouldin": float(davies_bouldin_score(embeddings, group)),
        "calinski_harabasz": float(calinski_harabasz_score(embeddings, group)),
    }


def boundary_entropy(embeddings: FloatArray, ranks: Ranks, n_states: int, neighbours: int) -> float:
    """Compute the mean entropy of the states among the nearest neighbours of a crater.

    Entropy of the states among a crater's nearest neighbours, divided by log K, mean over the
    craters: 0 when every neighbourhood holds one state, 1 when all are fully mixed.
    """
    search = NearestNeighbors(n_neighbors=min(neighbours, len(ranks) - 1)).fit(embeddings)
    around = ranks[search.kneighbors(return_distance=False)]
    share = np.stack([(around == state).mean(axis=1) for state in range(n_states)])
    logarithm = np.log(share, out=np.zeros(share.shape), where=share > 0)
    return float(-(share * logarithm).sum(axis=0).mean() / np.log(n_states))


def centroid_agreement(
    embeddings: FloatArray, ranks: Ranks, cluster_id: Ranks, n_states: int
) -> dict[str, float]:
    """Compare the arrangement of cluster centroids with that of the matched state centroids.

    Args:
        embeddings: (N, D).
        ranks: (N,) states 0..K-1.
        cluster_id: (N,) any integers.
        n_states: K.

    Returns:
        centroid_procrustes: disparity after the best shift, scale and rotation, 0 (same
        shape) to 1 (Gower 1975, doi 10.1007/BF02291478);
        centroid_distance_correlation: Pearson's r between the two sets of pairwise centroid
        distances, in [-1, 1]. NaN with fewer than 3 matched states.
    """
    matched = match_clusters(contingency(ranks, cluster_id, n_states))
    pairs = [(state, column) for state, column in enumerate(matched) if column >= 0]
    columns = np.unique(cluster_id, return_inverse=True)[1]
    if len(pairs) < 3:
        return {"centroid_procrustes": float("nan"), "centroid_distance_correlation": float("nan")}
    of_states = np.stack([embeddings[ranks == state].mean(axis=0) for state, _ in pairs])
    of_clusters = np.stack([embeddings[columns == column].mean(axis=0) for _, column in pairs])
    correlation = np.corrcoef(_distances(of_states), _distances(of_clusters))[0, 1]
    return {
        "centroid_procrustes": float(procrustes(of_states, of_clusters)[2]),
        "centroid_distance_correlation": float(correlation),
    }


def _distances(centroids: FloatArray) -> list[float]:
    return [float(np.linalg.norm(a - b)) for a, b in combinations(centroids, 2)]
