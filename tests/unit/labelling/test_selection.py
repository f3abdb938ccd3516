from itertools import islice

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans

from lunar_models.errors import ConfigError
from lunar_models.labelling.acquisition import covering, margins
from lunar_models.labelling.selection import select, stratify

METHODS = ("design", "weighted", "typical", "covering", "uncertain", "margin", "random")


@pytest.fixture(scope="module")
def cloud():
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(600, 8))
    probabilities = rng.dirichlet(np.ones(4), 600)
    return embeddings, probabilities


@pytest.mark.parametrize("method", METHODS)
def test_every_method_gives_new_craters_in_proportion(cloud, method):
    embeddings, probabilities = cloud
    strata = np.repeat([0, 1, 2], [300, 200, 100])
    labelled = np.arange(20)  # all of group 0
    chosen = select(
        embeddings, 40, labelled=labelled, probabilities=probabilities, strata=strata, method=method
    )
    assert len(set(chosen)) == 40
    assert not set(chosen) & set(labelled)
    assert np.bincount(strata[chosen]).tolist() == [10, 20, 10]  # with the 20: 30, 20, 10


def test_a_weighted_design_equals_the_definition(cloud):
    """The variance of all predicted ranks, each crater weighted by how uncertain its rank is."""
    embeddings, probabilities = cloud[0][:60], cloud[1][:60]
    scaled = (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0)
    rank = np.arange(probabilities.shape[1])
    spread = [np.sqrt(max(np.cov(rank, aweights=p, ddof=0), 0.02)) for p in probabilities]
    features = np.sqrt(spread)[:, None] * np.hstack((scaled, np.ones((60, 1))))

    def variance(rows):
        information = 30.0 * np.eye(9) + features[rows].T @ features[rows]
        return np.trace(features @ np.linalg.inv(information) @ features.T)

    rows = [3]
    for _ in range(6):
        rows.append(min(set(range(60)) - set(rows), key=lambda n: variance([*rows, n])))
    chosen = select(
        embeddings, 6, labelled=np.array([3]), probabilities=probabilities, method="weighted"
    )
    assert chosen.tolist() == rows[1:]


@pytest.mark.parametrize("method", METHODS)
def test_everything_can_be_labelled(cloud, method):
    embeddings, probabilities = cloud[0][:30], cloud[1][:30]
    strata = np.arange(30) % 4
    chosen = select(
        embeddings, 25, labelled=np.arange(5), probabilities=probabilities, strata=strata,
        method=method,
    )  # fmt: skip
    assert sorted(chosen) == list(range(5, 30))


def test_design_equals_the_definition(cloud):
    """The variance of all predictions, computed anew for every candidate."""
    embeddings = cloud[0][:60]
    scaled = (embeddings - embeddings.mean(axis=0)) / embeddings.std(axis=0)

    def variance(rows):
        information = 10.0 * np.eye(8) + scaled[rows].T @ scaled[rows]
        return np.trace(scaled @ np.linalg.inv(information) @ scaled.T)

    rows = [3]
    for _ in range(6):
        rows.append(min(set(range(60)) - set(rows), key=lambda n: variance([*rows, n])))
    assert select(embeddings, 6, labelled=np.array([3])).tolist() == rows[1:]


def test_typical_craters_come_from_every_cluster():
    rng = np.random.default_rng(0)
    centres = 20 * rng.normal(size=(10, 5))
    cluster = np.repeat(np.arange(10), 50)
    embeddings = centres[cluster] + rng.normal(size=(500, 5))
    labelled = np.array([0, 50])  # clusters 0 and 1 have one
    chosen = select(embeddings, 8, labelled=labelled, method="typical")
    assert sorted(cluster[chosen]) == list(range(2, 10))
    far = np.linalg.norm(embeddings - centres[cluster], axis=1)
    assert far[chosen].mean() < np.median(far)


def test_covering_takes_the_middle_of_the_largest_group_without_a_label():
    rng = np.random.default_rng(0)
    sizes = np.array([90, 60, 40, 20])
    group = np.repeat(np.arange(4), sizes)
    centres = 50 * np.eye(4, 6)
    embeddings = centres[group] + rng.normal(size=(sizes.sum(), 6))
    chosen = select(embeddings, 3, labelled=np.array([5]), method="covering")
    assert group[chosen].tolist() == [1, 2, 3]  # group 0 is covered by its label
    assert select(embeddings, 1, labelled=np.array([], np.int64), method="covering") < 90


def test_covering_counts_what_its_balls_hold():
    """The definition: each choice covers most craters that no ball holds yet."""
    rng = np.random.default_rng(3)
    points = rng.normal(size=(80, 3))
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    order = covering(points, np.array([], np.int64), 2, lambda: np.ones(80, np.bool_), 0)
    cluster = MiniBatchKMeans(2, n_init=3, random_state=0).fit_predict(points)
    apart = np.linalg.norm(points[:, None] - points, axis=2)
    nearest_other = np.where(cluster[:, None] != cluster, apart, np.inf).min(axis=1)
    inside = apart <= np.quantile(nearest_other, 0.05)
    uncovered = np.ones(80, np.bool_)
    for row in islice(order, 10):
        gain = (inside & uncovered).sum(axis=1)
        assert gain[row] == gain.max()
        uncovered &= ~inside[row]


def test_margin_takes_the_most_uncertain(cloud):
    embeddings, probabilities = cloud
    chosen = select(
        embeddings, 5, labelled=np.array([], np.int64), probabilities=probabilities, method="margin"
    )
    assert chosen.tolist() == np.argsort(margins(probabilities))[:5].tolist()
    assert margins(np.array([[0.1, 0.6, 0.3]])) == pytest.approx([0.3])


def test_uncertain_craters_differ_from_each_other():
    """Ten copies of each of five uncertain craters, among certain ones."""
    rng = np.random.default_rng(0)
    base = 10 * np.eye(5)[np.arange(5)]
    embeddings = np.concatenate([np.repeat(base, 10, axis=0), rng.normal(0, 0.1, (100, 5))])
    probabilities = np.concatenate([np.full((50, 2), 0.5), np.tile([1.0, 0.0], (100, 1))])
    chosen = select(
        embeddings, 5, labelled=np.array([149]), probabilities=probabilities, method="uncertain"
    )
    assert sorted(chosen // 10) == list(range(5))


def test_strata_have_equal_sizes_and_missing_values_their_own():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=900), rng.normal(size=900)
    counts = np.bincount(stratify(first, second))
    assert len(counts) == 9
    assert counts.min() > 70
    first[:100] = np.nan
    codes = stratify(first)
    assert len(set(codes)) == 4
    assert len(set(codes[:100])) == 1
    assert set(stratify(np.full(10, np.nan))) == {0}
    few = np.array([0.0, 0.0, 0.0, 1.0])
    assert stratify(few, bins=2).tolist() == [0, 0, 0, 1]
    assert stratify(-few, bins=2).tolist() == [1, 1, 1, 0]
    assert set(stratify(few, bins=1)) == {0}


def test_what_cannot_be_chosen_is_refused(cloud):
    with pytest.raises(ConfigError, match="count=601 is not between 1 and 600"):
        select(cloud[0], 601, labelled=np.array([], np.int64))
    with pytest.raises(ConfigError, match="method=margin needs the probabilities"):
        select(cloud[0], 5, labelled=np.array([0]), method="margin")
