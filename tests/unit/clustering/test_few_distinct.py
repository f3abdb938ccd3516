"""Few craters, or few that differ: duplicated crops, a collapsed encoder, one dimension."""

import warnings

import numpy as np
import pytest

from lunar_models.clustering import NOISE, fit_clusters
from lunar_models.clustering.methods import fit_method
from lunar_models.clustering.projection_2d import view_2d
from lunar_models.config.cluster import ClusterConfig
from lunar_models.errors import ConfigError

METHODS = ("kmeans", "minibatch_kmeans", "gmm", "spectral", "agglomerative")
THREE = np.repeat(np.random.default_rng(0).normal(size=(3, 12)), 20, axis=0).astype(np.float32)
ONE = np.ones((60, 12), np.float32)
OUTLIER = np.vstack([ONE, np.full((1, 12), 1e6, np.float32)])


def config(method: str, **changes) -> ClusterConfig:
    defaults = {"n_clusters": 4, "k_max": 4, "stability_rounds": 2}
    return ClusterConfig(crops="", encoder_uri="", method=method, **(defaults | changes))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("points", "count"), [(THREE, 3), (ONE, 1), (OUTLIER, 2)])
def test_equal_craters_share_one_cluster_and_none_is_noise(method, points, count):
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = fit_clusters(points, config(method), on_progress=said.append)
        assigned = model.assign(points)
    assert model.n_clusters == count
    assert f"4 clusters were asked for, {count} found" in " ".join(said)
    _, groups = np.unique(points, axis=0, return_inverse=True)
    pairs = set(zip(groups.ravel().tolist(), assigned.cluster_id.tolist(), strict=True))
    assert len(pairs) == count  # one cluster for each distinct crater, and the other way round
    assert set(assigned.cluster_id) == set(range(count))
    assert model.clusters["fitted_count"].tolist() == np.bincount(assigned.cluster_id).tolist()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("points", [THREE, ONE, OUTLIER])
def test_a_fitted_crater_is_assigned_to_its_own_cluster(method, points):
    fit = fit_method(points, 4, config(method))
    assert fit.rule.assign(points)[0].tolist() == fit.index.tolist()


def test_hdbscan_may_call_them_noise():
    assert set(fit_clusters(ONE, config("hdbscan")).assign(ONE).cluster_id) <= {NOISE, 0}


@pytest.mark.parametrize("selection", ["stability", "silhouette"])
def test_no_more_clusters_are_chosen_than_differ(selection):
    chosen = fit_clusters(THREE, config("kmeans", n_clusters=None, selection=selection))
    assert chosen.n_clusters == 3
    assert chosen.selection.set_index("n_clusters")["score"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("selection", ["stability", "silhouette"])
def test_nothing_can_be_chosen_where_all_are_equal(selection):
    with pytest.raises(ConfigError, match=r"too few embeddings differ .* Set n_clusters"):
        fit_clusters(ONE, config("kmeans", n_clusters=None, selection=selection))


@pytest.mark.parametrize("method", ["spectral", "hdbscan"])
def test_too_few_craters_for_a_method_are_refused(method):
    few = np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    with pytest.raises(ConfigError, match=f"2 craters cannot make 2 clusters with method={method}"):
        fit_clusters(few, config(method, n_clusters=2))


@pytest.mark.parametrize("method", [*METHODS, "hdbscan"])
@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_a_handful_of_craters_is_grouped(method, count):
    few = np.random.default_rng(count).normal(size=(count, 12)).astype(np.float32)
    model = fit_clusters(few, config(method, n_clusters=2))
    assert set(model.assign(few).cluster_id) <= {NOISE, 0, 1}


@pytest.mark.parametrize("kind", ["pca", "tsne"])
def test_one_dimension_can_be_shown(kind):
    line = np.linspace(0, 1, 40)[:, None]
    points = view_2d(line, kind, seed=0).points
    assert points.shape == (40, 2)
    assert np.isfinite(points).all()
    assert points.std() > 0


@pytest.mark.parametrize("kind", ["tsne", "umap"])
@pytest.mark.parametrize(
    ("points", "message"),
    [
        (ONE, "60 craters have 1"),
        (THREE, "60 craters have 3"),
        (THREE[::20], "3 craters have 3"),
        (ONE[:2], "2 craters have 1"),
    ],
)
def test_neighbourhoods_of_too_few_are_refused(kind, points, message):
    with pytest.raises(ConfigError, match=f"needs 5 different embeddings, and {message}"):
        view_2d(points, kind, seed=0)


@pytest.mark.parametrize("kind", ["tsne", "umap"])
def test_neighbourhoods_of_the_fewest_are_shown(kind):
    five = np.random.default_rng(0).normal(size=(5, 12))
    assert np.isfinite(view_2d(five, kind, seed=0).points).all()


def test_principal_axes_of_equal_craters_explain_nothing():
    view = view_2d(ONE, "pca", seed=0)
    assert (view.points == 0).all()
    assert (view.explained == 0).all()
