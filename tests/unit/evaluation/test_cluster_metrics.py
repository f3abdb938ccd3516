import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from lunar_models.evaluation.cluster_metrics import (
    CLUSTER_METRICS,
    contingency,
    match_clusters,
    matched_accuracy,
    mutual_information,
)

NOISE = -1
REFERENCE = {
    "ari": reference.adjusted_rand_score,
    "v_measure": reference.v_measure_score,
    "homogeneity": reference.homogeneity_score,
    "completeness": reference.completeness_score,
    "fowlkes_mallows": reference.fowlkes_mallows_score,
    "nmi": lambda a, b: reference.normalized_mutual_info_score(a, b, average_method="geometric"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_cluster_metrics_equal_scikit_learn(name):
    rng = np.random.default_rng(0)
    state = rng.integers(0, 4, 300)
    cluster_id = np.where(rng.random(300) < 0.6, state, rng.integers(NOISE, 5, 300))
    table = contingency(state, cluster_id, 4)
    assert table.shape == (4, 6)
    expected = REFERENCE[name](state, cluster_id)
    assert CLUSTER_METRICS[name](table) == pytest.approx(expected)
    stacked = CLUSTER_METRICS[name](np.stack([table, table]))
    assert stacked.tolist() == pytest.approx([expected, expected])


def test_mutual_information_equals_scikit_learn():
    state, cluster_id = np.random.default_rng(1).integers(0, 3, (2, 90))
    table = contingency(state, cluster_id, 3)
    assert mutual_information(table) == pytest.approx(
        reference.mutual_info_score(state, cluster_id)
    )


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(4)), st.integers(0, 100))
def test_names_of_clusters_do_not_matter(names, seed):
    state, cluster_id = np.random.default_rng(seed).integers(0, 4, (2, 60))
    table = contingency(state, cluster_id, 4)
    renamed = contingency(state, np.array(names)[cluster_id], 4)
    for metric in CLUSTER_METRICS.values():
        assert metric(renamed) == pytest.approx(metric(table))


def test_matching_gives_each_state_its_best_cluster():
    table = np.array([[0, 9, 1], [8, 2, 0], [3, 0, 7]])
    assert match_clusters(table).tolist() == [1, 0, 2]
    assert matched_accuracy(table) == pytest.approx((0.9 + 0.8 + 0.7) / 3)


def test_a_state_without_a_cluster_has_recall_zero():
    table = np.array([[5, 0], [0, 5], [1, 1]])
    assert sorted(match_clusters(table).tolist()) == [-1, 0, 1]
    assert matched_accuracy(table) == pytest.approx(2 / 3)
