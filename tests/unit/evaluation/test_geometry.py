import numpy as np
import pytest
from sklearn import metrics as reference

from lunar_models.evaluation.geometry import boundary_entropy, centroid_agreement, separation


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    ranks = np.repeat(np.arange(4), 60)
    centres = np.array([[0, 0, 0], [10, 0, 0], [20, 5, 0], [30, 5, 9]])
    return centres[ranks] + rng.normal(size=(240, 3)), ranks


def test_separation_equals_scikit_learn(blobs):
    assert separation(*blobs, seed=0) == pytest.approx(
        {
            "silhouette": reference.silhouette_score(*blobs),
            "davies_bouldin": reference.davies_bouldin_score(*blobs),
            "calinski_harabasz": reference.calinski_harabasz_score(*blobs),
        }
    )


def test_one_group_has_no_separation(blobs):
    assert np.isnan(list(separation(blobs[0], np.zeros(240, int), seed=0).values())).all()


def test_entropy_of_pure_and_of_mixed_neighbourhoods(blobs):
    embeddings, ranks = blobs
    assert boundary_entropy(embeddings, ranks, 4, 10) == 0
    mixed = np.random.default_rng(1).permutation(ranks)
    assert boundary_entropy(embeddings, mixed, 4, 59) > 0.95


def test_entropy_by_hand():
    line = np.array([[0.0], [1.0], [3.0]])  # each neighbourhood holds both other points
    pure, half = 0.0, 1.0
    found = boundary_entropy(line, np.array([0, 0, 1]), 2, neighbours=2)
    assert found == pytest.approx((half + half + pure) / 3)


def test_clusters_that_are_the_states_have_their_shape(blobs):
    embeddings, ranks = blobs
    found = centroid_agreement(embeddings, ranks, np.array([7, 2, -1, 4])[ranks], 4)
    assert found["centroid_procrustes"] == pytest.approx(0, abs=1e-12)
    assert found["centroid_distance_correlation"] == pytest.approx(1)


def test_clusters_across_the_states_have_another_shape(blobs):
    embeddings, ranks = blobs
    across = np.digitize(embeddings[:, 2], [-1, 0, 1])
    assert centroid_agreement(embeddings, ranks, across, 4)["centroid_procrustes"] > 0.05


def test_two_clusters_have_no_shape(blobs):
    embeddings, ranks = blobs
    found = centroid_agreement(embeddings, ranks, ranks // 2, 4)
    assert np.isnan(found["centroid_procrustes"])
