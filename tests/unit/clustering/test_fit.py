"""Clusters are found, named, tested, stored and assigned as promised."""

import hdbscan
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from lunar_models.clustering import NOISE, ClusterModel, fit_clusters
from lunar_models.clustering.methods import fit_method
from lunar_models.clustering.preparation import fit_preparation
from lunar_models.clustering.rules import NeighbourRule
from lunar_models.config.cluster import ClusterConfig
from lunar_models.errors import CheckpointError, ConfigError, LunarModelsError

METHODS = ("kmeans", "minibatch_kmeans", "gmm", "spectral", "agglomerative", "hdbscan")
SIZES = (60, 50, 40, 30)


def config(method: str = "kmeans", **changes) -> ClusterConfig:
    defaults = {"min_cluster_size": 10, "min_samples": 5, "stability_rounds": 0, "n_clusters": 4}
    return ClusterConfig(crops="", encoder_uri="", method=method, **(defaults | changes))


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    """A continuum without gaps, as degradation is."""
    return np.random.default_rng(5).normal(size=(400, 5)).astype(np.float32) * [3, 2, 1, 1, 1]


@pytest.mark.parametrize("method", METHODS)
def test_blobs_are_recovered_and_named_by_size(blobs, method: str) -> None:
    points, truth = blobs
    assigned = fit_clusters(points, config(method)).assign(points)
    # the blobs come largest first, so a perfect clustering repeats the truth itself
    members = assigned.cluster_id != NOISE
    np.testing.assert_array_equal(assigned.cluster_id[members], truth[members])
    assert members.mean() > 0.95
    assert assigned.cluster_id.dtype == np.int32
    for values in (assigned.distance, assigned.confidence, assigned.novelty):
        assert values.dtype == np.float32
    assert assigned.confidence[members].min() > 0
    assert assigned.confidence.max() <= 1


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_depends_on_the_order_of_the_rows(blobs, ramp, method: str, seed: int) -> None:
    for points in (blobs[0], ramp):
        order = np.random.default_rng(seed).permutation(len(points))
        straight = fit_clusters(points, config(method, fit_limit=100)).assign(points)
        shuffled = fit_clusters(points[order], config(method, fit_limit=100)).assign(points[order])
        np.testing.assert_array_equal(straight.cluster_id[order], shuffled.cluster_id)
        np.testing.assert_allclose(straight.distance[order], shuffled.distance, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_a_stored_model_answers_the_same_in_any_batch(ramp, method: str, tmp_path) -> None:
    model = fit_clusters(ramp, config(method, scaling="standard", pca_variance=0.9))
    model.save(tmp_path)
    loaded = ClusterModel.load(tmp_path)
    whole, parts = model.assign(ramp), loaded.assign(ramp, batch=7)
    np.testing.assert_array_equal(whole.cluster_id, parts.cluster_id)
    np.testing.assert_allclose(whole.distance, parts.distance, atol=1e-4)
    np.testing.assert_allclose(whole.confidence, parts.confidence, atol=1e-4)
    np.testing.assert_allclose(whole.novelty, parts.novelty, atol=1e-2)
    assert loaded.clusters.equals(model.clusters)
    assert not list(tmp_path.glob("*.pkl"))


@pytest.mark.parametrize("method", ["kmeans", "agglomerative", "spectral"])
def test_fitted_craters_keep_the_cluster_they_were_given(ramp, method: str) -> None:
    fit = fit_method(ramp.astype(np.float32), 3, config(method))
    np.testing.assert_array_equal(fit.rule.assign(ramp.astype(np.float32))[0], fit.index)


def test_kmeans_assigns_as_scikit_learn_does(ramp) -> None:
    model = KMeans(3, n_init=1, random_state=0).fit(ramp[:200].astype(np.float32))
    fit = fit_method(ramp[:200].astype(np.float32), 3, config())
    index, distance, confidence = fit.rule.assign(ramp.astype(np.float32))
    distances = np.linalg.norm(ramp[:, None] - fit.rule.centroids, axis=2)
    np.testing.assert_array_equal(index, distances.argmin(axis=1))
    np.testing.assert_allclose(distance, distances.min(axis=1), rtol=1e-5)
    first, second = np.sort(distances, axis=1)[:, :2].T
    np.testing.assert_allclose(confidence, 1 - first / second, atol=1e-5)
    assert model.inertia_ >= np.square(distance[:200]).sum() * 0.999


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_gmm_probabilities_are_those_of_scikit_learn(ramp, covariance: str) -> None:
    chosen = config("gmm", covariance=covariance)
    fit = fit_method(ramp.astype(np.float32), 3, chosen)
    reference = GaussianMixture(3, covariance_type=covariance, n_init=2, random_state=0)
    reference.fit(ramp.astype(np.float32).astype(np.float64))
    posterior = reference.predict_proba(ramp)
    index, distance, confidence = fit.rule.assign(ramp)
    np.testing.assert_array_equal(index, posterior.argmax(axis=1))
    np.testing.assert_allclose(confidence, posterior.max(axis=1), atol=1e-5)
    assert distance.shape == (400,)


def test_hdbscan_assigns_as_approximate_predict_does() -> None:
    points, _ = make_blobs(900, 3, centers=6, cluster_std=1.3, random_state=8)
    fitted, unseen = points[:500].astype(np.float32), points[500:].astype(np.float32)
    fit = fit_method(fitted, 0, config("hdbscan"))
    clusterer = hdbscan.HDBSCAN(min_cluster_size=10, min_samples=5, prediction_data=True)
    clusterer.fit(fitted.astype(np.float64))
    labels, strengths = hdbscan.approximate_predict(clusterer, unseen.astype(np.float64))
    index, _, confidence = fit.rule.assign(unseen)
    assert (labels == NOISE).any()
    assert len(set(labels)) > 3
    np.testing.assert_array_equal(index, labels)
    np.testing.assert_allclose(confidence, strengths, atol=1e-4)
    # fitted craters tie with their neighbours in mutual reachability; rounding breaks ties
    labels, _ = hdbscan.approximate_predict(clusterer, fitted.astype(np.float64))
    assert (fit.rule.assign(fitted)[0] == labels).mean() >= 0.99


def test_hdbscan_may_find_nothing_but_noise() -> None:
    points = np.random.default_rng(0).uniform(size=(60, 8)).astype(np.float32)
    model = fit_clusters(points, config("hdbscan", min_cluster_size=40, stability_rounds=2))
    assert model.n_clusters == 0
    assert (model.assign(points).cluster_id == NOISE).all()
    assert (model.assign(points).confidence == 0).all()


def test_the_vote_weighs_neighbours_by_their_distance() -> None:
    rule = NeighbourRule(
        np.float32([[0], [3], [4]]), np.array([0, 1, 1]), np.asarray(3), np.zeros((0, 4))
    )
    index, distance, confidence = rule.assign(np.float32([[1.0]]))
    # votes: 1 / 1 for cluster 0, 1 / 2 + 1 / 3 for cluster 1
    assert index[0] == 0
    assert distance[0] == pytest.approx(3)
    assert confidence[0] == pytest.approx(1 / (1 + 5 / 6), rel=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_novelty_rises_from_the_known_to_the_unseen(blobs, method: str) -> None:
    points, _ = blobs
    model = fit_clusters(points, config(method))
    far = model.assign(points[:3] + 1000)
    assert (far.novelty == 1).all()
    assert 0.3 < model.assign(points).novelty.mean() < 0.7


def test_same_seed_same_tables_other_seed_other_sample(ramp) -> None:
    chosen = config(stability_rounds=3, n_clusters=None, k_max=4, fit_limit=150)
    first, again = fit_clusters(ramp, chosen), fit_clusters(ramp, chosen)
    other = fit_clusters(ramp, chosen.replace(seed=1))
    assert first.clusters.equals(again.clusters)
    assert first.selection.equals(again.selection)
    assert other.distance_quantiles.tolist() != first.distance_quantiles.tolist()


def test_preparation_keeps_the_asked_variance() -> None:
    data = np.random.default_rng(0).normal(size=(500, 4)) * [10, 5, 1, 0.1] + 7
    variances = np.sort(np.linalg.eigvalsh(np.cov(data.T)))[::-1]
    prepared = fit_preparation(data, standardise=False, pca_variance=0.95).apply(data)
    assert prepared.shape == (500, 2)  # 100 + 25 of 126
    np.testing.assert_allclose(prepared.var(axis=0, ddof=1), variances[:2], rtol=1e-4)
    np.testing.assert_allclose(prepared.mean(axis=0), 0, atol=1e-4)


def test_preparation_scales_and_survives_constant_dimensions() -> None:
    data = np.random.default_rng(0).normal(size=(300, 3)) * [100, 0, 0.01]
    prepared = fit_preparation(data, standardise=True, pca_variance=None).apply(data)
    np.testing.assert_allclose(prepared.std(axis=0), [1, 0, 1], atol=1e-4)
    assert fit_preparation(data, standardise=True, pca_variance=1.0).apply(data).shape == (300, 2)


def test_clusters_describe_the_fitted_craters(blobs) -> None:
    clusters = fit_clusters(blobs[0], config()).clusters
    assert clusters["fitted_count"].tolist() == list(SIZES)
    np.testing.assert_allclose(clusters["fitted_share"], np.array(SIZES) / sum(SIZES))
    assert clusters["stability"].isna().all()


def test_a_sample_stands_for_all(blobs) -> None:
    points, truth = np.tile(blobs[0], (20, 1)), np.tile(blobs[1], 20)
    points += np.random.default_rng(1).normal(scale=0.1, size=points.shape).astype(np.float32)
    model = fit_clusters(points, config(fit_limit=200))
    assert model.clusters["fitted_count"].sum() == 200
    assert adjusted_rand_score(truth, model.assign(points).cluster_id) == 1.0


def test_broken_embeddings_are_named(blobs) -> None:
    broken = blobs[0].copy()
    broken[17, 2] = np.nan
    with pytest.raises(LunarModelsError, match="1 embeddings are not finite"):
        fit_clusters(broken, config())
    with pytest.raises(LunarModelsError, match="first in row 17"):
        fit_clusters(blobs[0], config()).assign(broken, batch=10)


def test_other_widths_are_refused(blobs) -> None:
    with pytest.raises(LunarModelsError, match=r"width 6, not on shape \(180, 5\)"):
        fit_clusters(blobs[0], config()).assign(blobs[0][:, :5])


def test_too_few_craters_are_refused(blobs) -> None:
    with pytest.raises(ConfigError, match="3 craters cannot make 4 clusters"):
        fit_clusters(blobs[0][:3], config())


def test_damaged_models_are_named(blobs, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="run the cluster step again"):
        ClusterModel.load(tmp_path)
    fit_clusters(blobs[0], config()).save(tmp_path)
    (tmp_path / "cluster_model.npz").write_bytes(b"PK damaged")
    with pytest.raises(CheckpointError, match="run the cluster step again"):
        ClusterModel.load(tmp_path)
