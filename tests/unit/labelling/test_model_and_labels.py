import numpy as np
import pytest
from scipy.special import softmax

from lunar_models.labelling.enough_labels import TOGETHER, label_curve
from lunar_models.labelling.suspicious import find_suspicious_labels

STATES = ("New", "Semi-New", "Semi-Old", "Old")


def test_planted_errors_are_the_suspicious_labels():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 1000)
    probabilities = softmax(4 * np.eye(4)[truth] + rng.normal(0, 0.7, (1000, 4)), axis=1)
    wrong = rng.choice(1000, 60, replace=False)
    labels = truth.copy()
    labels[wrong] = (truth[wrong] + 2) % 4
    names = np.array([f"c{n}" for n in range(1000)])
    found = find_suspicious_labels(names, labels, probabilities, STATES)
    assert len(found) == 1000
    assert found["self_confidence"].is_monotonic_increasing
    flagged = set(found["crater_id"][found["suspicious"]])
    planted = set(names[wrong])
    assert len(flagged & planted) / len(planted) > 0.9
    assert len(flagged & planted) / len(flagged) > 0.9
    first = found.iloc[0]
    row = int(first["crater_id"][1:])
    assert first["suggested"] == STATES[truth[row]]
    assert first["steps"] == truth[row] - labels[row]


@pytest.fixture(scope="module")
def curve():
    """A first state that shows itself at once, and three that many labels tell apart."""
    rng = np.random.default_rng(0)
    ranks = rng.permutation(np.repeat(np.arange(4), 300))
    blocks = np.arange(1200) // 20
    embeddings = rng.normal(0, 1, (1200, 30))
    embeddings[:, 0] += 12.0 * (ranks == 0)
    embeddings[:, 1] += 2.2 * ranks
    return label_curve(
        embeddings, ranks, blocks % 5, blocks, STATES, draws=4, replicates=100, seed=0
    )


def test_more_labels_give_better_states(curve):
    kappa = curve.curve[curve.curve["state"] == TOGETHER].set_index("labels")
    assert kappa.index.tolist() == [25, 50, 100, 200, 400, 800, 960]
    assert kappa["value"].iloc[-1] > kappa["value"].iloc[0] + 0.05
    assert (kappa["low"] <= kappa["value"]).all()
    assert (kappa["value"] <= kappa["high"]).all()
    width = kappa["high"] - kappa["low"]
    assert width.iloc[-1] < width.iloc[0]


def test_an_easy_state_has_enough_labels_before_a_hard_one(curve):
    enough = curve.enough.set_index("state")
    assert enough.loc["New", "labels"] <= 100
    hard = enough.loc["Semi-Old", "labels"]
    assert np.isnan(hard) or hard > enough.loc["New", "labels"]


def test_noise_never_has_enough_or_gains_nothing():
    rng = np.random.default_rng(1)
    ranks = rng.integers(0, 4, 400)
    blocks = np.arange(400) // 10
    found = label_curve(
        rng.normal(size=(400, 8)), ranks, blocks % 5, blocks, STATES, draws=2, replicates=20
    )
    together = found.curve[found.curve["state"] == TOGETHER]
    assert (together["value"].abs() < 0.15).all()
