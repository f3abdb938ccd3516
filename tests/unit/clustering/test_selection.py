"""The number of clusters is found, and their stability measured."""

import numpy as np
import pytest

from lunar_models.clustering import NOISE, fit_clusters
from lunar_models.clustering.selection import selection_table
from lunar_models.clustering.stability import best_jaccard, bootstrap_jaccard, mean_jaccard
from lunar_models.config.cluster import ClusterConfig


def config(method: str = "kmeans", **changes) -> ClusterConfig:
    defaults = {"min_cluster_size": 10, "min_samples": 5, "stability_rounds": 0, "n_clusters": 4}
    return ClusterConfig(crops="", encoder_uri="", method=method, **(defaults | changes))


@pytest.mark.parametrize(
    ("method", "selection"),
    [
        ("kmeans", "stability"),
        ("kmeans", "silhouette"),
        ("gmm", "bic"),
        ("agglomerative", "stability"),
    ],
)
def test_the_number_of_blobs_is_found(blobs, method: str, selection: str) -> None:
    chosen = config(method, n_clusters=None, selection=selection, k_max=6, covariance="spherical")
    model = fit_clusters(blobs[0], chosen)
    assert model.n_clusters == 4
    assert model.selection["n_clusters"].tolist() == [2, 3, 4, 5, 6]
    assert model.selection.loc[model.selection["chosen"], "n_clusters"].tolist() == [4]


def test_a_table_of_numbers_never_asks_for_more_clusters_than_craters() -> None:
    points = np.arange(8, dtype=np.float32).reshape(4, 2)
    table = selection_table(points, config(n_clusters=None, selection="silhouette"))
    assert table["n_clusters"].tolist() == [2, 3]


def test_real_clusters_are_stable_and_invented_ones_are_not(blobs) -> None:
    real = fit_clusters(blobs[0], config(stability_rounds=10))
    assert real.clusters["stability"].min() > 0.95
    invented = fit_clusters(blobs[0], config(stability_rounds=10, n_clusters=6))
    assert invented.clusters["stability"].min() < 0.75


def test_jaccard_by_hand() -> None:
    index = np.array([0, 0, 0, 1, 1, NOISE])
    found = np.array([1, 1, NOISE, 0, 0, 0])
    # cluster 0: {0, 1} of {0, 1, 2}; cluster 1: {3, 4} of {3, 4, 5}; cluster 2 was not drawn
    np.testing.assert_allclose(best_jaccard(index, found, 3), [2 / 3, 2 / 3, np.nan])


def test_a_round_without_the_cluster_does_not_count() -> None:
    similarity = np.array([[1.0, np.nan, np.nan], [0.5, 0.2, np.nan]])
    np.testing.assert_allclose(mean_jaccard(similarity), [0.75, 0.2, np.nan])


def test_bootstrap_reports_its_rounds(blobs) -> None:
    rounds: list[int] = []
    bootstrap_jaccard(*blobs, 4, config(), rounds=3, on_round=rounds.append)
    assert rounds == [1, 2, 3]
