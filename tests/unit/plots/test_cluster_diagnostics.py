"""Diagnostic figures: intervals computed by hand, trees from planted merges."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.datasets import make_blobs

from lunar_models.clustering import NOISE, fit_clusters
from lunar_models.colours import UNKNOWN, cluster_colours
from lunar_models.config.cluster import ClusterConfig
from lunar_models.plots import cluster_diagnostics, cluster_fractions
from lunar_models.plots.groups import cluster_groups


def config(method: str, **changes) -> ClusterConfig:
    return ClusterConfig(crops="", encoder_uri="", method=method, stability_rounds=0, **changes)


@pytest.fixture(scope="module")
def blobs() -> np.ndarray:
    return make_blobs((90, 60, 40), 3, cluster_std=0.6, random_state=2)[0].astype(np.float32)


@pytest.mark.parametrize(("count", "total"), [(0, 10), (3, 10), (10, 10), (500, 1000)])
def test_wilson_interval_is_that_of_scipy(count: int, total: int) -> None:
    expected = binomtest(count, total).proportion_ci(0.95, method="wilson")
    low, high = cluster_fractions.wilson_interval(np.array(count), np.array(total))
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_fractions_of_a_bin_sum_to_one() -> None:
    lonlat = np.random.default_rng(0).uniform([0, 0], [90, 60], (500, 2))
    groups = cluster_groups(np.arange(500) % 3 - 1)
    axes = cluster_fractions.fractions_by_place(lonlat, groups).axes
    for axis in axes:
        np.testing.assert_allclose(sum(line.get_ydata() for line in axis.lines), 1)


def test_bins_of_a_few_craters_are_left_out() -> None:
    latitude = np.concatenate([np.zeros(20), [60.0]])
    lonlat = np.stack([latitude, latitude], axis=1)
    figure = cluster_fractions.fractions_by_place(lonlat, cluster_groups(np.zeros(21, int)))
    assert len(figure.axes[0].lines[0].get_xdata()) == 1


def test_branches_have_the_colour_of_their_only_cluster() -> None:
    merges = np.array([[0, 1, 1.0, 2], [2, 3, 2.0, 2], [4, 5, 9.0, 4]])
    colours = cluster_diagnostics._branch_colours(merges, np.array([1, 1, 0, 0]))
    zero, one = cluster_colours(2)
    assert colours == [one, one, zero, zero, one, zero, UNKNOWN]


def test_the_cut_of_the_dendrogram_lies_between_the_right_merges(blobs) -> None:
    model = fit_clusters(blobs, config("agglomerative", n_clusters=3))
    rule = model.rule
    figure = cluster_diagnostics.dendrogram(rule.merges, rule.reference_index, model.canonical)
    (cut,) = {float(line.get_ydata()[0]) for line in figure.axes[0].lines}
    assert rule.merges[-3, 2] < cut < rule.merges[-2, 2]


def test_a_node_of_the_condensed_tree_thins_to_nothing(blobs) -> None:
    model = fit_clusters(blobs, config("hdbscan", min_cluster_size=15, min_samples=4))
    rule = model.rule
    assert model.n_clusters == 3
    for node in range(len(rule.parent)):
        density, left = cluster_diagnostics._thinning(rule, node)
        assert left[0] == rule.size[node]
        assert left[-1] == 0
        assert (np.diff(density) >= 0).all()
        assert (np.diff(left) == -1).all()
    cluster_diagnostics.condensed_tree(rule, model.canonical).canvas.draw()


def test_bars_lie_inside_their_parents_and_beside_each_other(blobs) -> None:
    rule = fit_clusters(blobs, config("hdbscan", min_cluster_size=15, min_samples=4)).rule
    middles = cluster_diagnostics._bar_middles(rule)
    left, right = middles - rule.size / 2, middles + rule.size / 2
    for node in range(1, len(middles)):
        assert left[node] >= left[rule.parent[node]] - 1e-9
        assert right[node] <= right[rule.parent[node]] + 1e-9
        for other in range(1, node):
            if rule.parent[other] == rule.parent[node]:
                assert right[other] <= left[node] + 1e-9


def test_sizes_say_count_share_and_stability() -> None:
    groups = cluster_groups(np.array([0, 0, 0, 1, NOISE]))
    figure = cluster_diagnostics.cluster_sizes(groups, np.array([0.912, np.nan]))
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert labels == ["3 (60.0%), stability 0.91", "1 (20.0%)", "1 (20.0%)"]


def test_the_chosen_number_is_marked() -> None:
    table = pd.DataFrame(
        {"n_clusters": [2, 3], "score": [0.9, 0.8], "error": [0.1, 0], "chosen": [False, True]}
    )
    figure = cluster_diagnostics.choice_of_k(table, "stability")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert "chosen: 3 clusters" in labels
