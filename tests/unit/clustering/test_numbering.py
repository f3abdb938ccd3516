"""Clusters are numbered from the freshest to the most degraded."""

import numpy as np
import pytest

from lunar_models.clustering import NOISE, ClusterModel, fit_clusters
from lunar_models.clustering.numbering import number_by_degradation
from lunar_models.config.cluster import ClusterConfig


@pytest.fixture
def planted() -> tuple[np.ndarray, np.ndarray]:
    """Three groups of 60, 40 and 30; the largest is the most degraded, the smallest in between."""
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1, 2], [60, 40, 30])
    centres = np.array([[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]])
    embeddings = (centres[group] + rng.normal(0, 0.3, (130, 2))).astype(np.float32)
    degradation = np.array([0.9, 0.1, 0.5])[group] + rng.normal(0, 0.02, 130)
    return embeddings, degradation


@pytest.mark.parametrize("method", ["kmeans", "gmm", "agglomerative", "hdbscan"])
def test_zero_is_the_freshest(planted, tmp_path, method) -> None:
    embeddings, degradation = planted
    config = ClusterConfig(
        crops="c", encoder_uri="e", method=method, n_clusters=3, stability_rounds=0,
        min_cluster_size=10, min_samples=3,
    )  # fmt: skip
    model = fit_clusters(embeddings, config)
    assignment = model.assign(embeddings)
    numbered, answer = number_by_degradation(model, assignment, degradation)
    medians = [np.median(degradation[answer.cluster_id == k]) for k in range(3)]
    assert medians == sorted(medians)
    np.testing.assert_allclose(numbered.clusters["degradation"], medians)
    assert numbered.clusters["cluster_id"].tolist() == [0, 1, 2]
    if method != "hdbscan":  # which may leave some out
        assert numbered.clusters["fitted_count"].tolist() == [40, 30, 60]
    # the noise of HDBSCAN stays noise, and only names change
    np.testing.assert_array_equal(answer.cluster_id == NOISE, assignment.cluster_id == NOISE)
    np.testing.assert_array_equal(answer.distance, assignment.distance)
    # the model numbers further craters alike, also once it is stored
    numbered.save(tmp_path)
    again = ClusterModel.load(tmp_path)
    np.testing.assert_array_equal(again.assign(embeddings).cluster_id, answer.cluster_id)
    np.testing.assert_allclose(again.clusters["degradation"], medians)


def test_clusters_of_unknown_degradation_come_last(planted) -> None:
    embeddings, degradation = planted
    config = ClusterConfig(crops="c", encoder_uri="e", n_clusters=3, stability_rounds=0)
    model = fit_clusters(embeddings, config)
    assert model.clusters["degradation"].isna().all()
    assert model.clusters["fitted_count"].tolist() == [60, 40, 30]  # by size, without anything else
    degradation[:60] = np.nan
    numbered, _ = number_by_degradation(model, model.assign(embeddings), degradation)
    assert numbered.clusters["fitted_count"].tolist() == [40, 30, 60]
    assert np.isnan(numbered.clusters["degradation"].iloc[-1])
    unchanged, same = number_by_degradation(
        model, model.assign(embeddings), np.full(len(embeddings), 0.5)
    )
    np.testing.assert_array_equal(unchanged.canonical, model.canonical)
    np.testing.assert_array_equal(same.cluster_id, model.assign(embeddings).cluster_id)
