import numpy as np
import pandas as pd
import pytest

from lunar_models.errors import LabelsError
from lunar_models.labelling.consensus import (
    dawid_skene,
    find_consensus,
    has_consensus,
    posterior_of,
)

STATES = ("New", "Semi-New", "Semi-Old", "Old")
GOOD = 0.85 * np.eye(4) + 0.05 * (np.eye(4, k=1) + np.eye(4, k=-1)) + 0.025
GOOD /= GOOD.sum(axis=1, keepdims=True)
OLDER = np.array([[0.3, 0.7, 0, 0], [0, 0.3, 0.7, 0], [0, 0, 0.3, 0.7], [0, 0, 0, 1.0]])
"""Calls most craters one state older than they are."""
GUESSES = np.full((4, 4), 0.25)


@pytest.fixture(scope="module")
def planted():
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 1500, p=[0.1, 0.2, 0.4, 0.3])
    matrices = np.stack([GOOD, GOOD, OLDER, GUESSES])
    said = np.array([[rng.choice(4, p=m[t]) for t in truth] for m in matrices])
    return truth, matrices, said


def test_planted_labellers_are_found_again(planted):
    truth, matrices, said = planted
    fitted = dawid_skene(np.eye(4)[said])
    assert np.abs(fitted.confusion - matrices).max() < 0.12
    assert np.abs(fitted.prior - [0.1, 0.2, 0.4, 0.3]).max() < 0.03
    assert fitted.rounds < 500
    share = [0.1, 0.2, 0.4, 0.3]
    best = posterior_of(np.eye(4)[said], np.maximum(matrices, 1e-9), np.array(share))
    right, possible, majority = (
        (votes.argmax(axis=1) == truth).mean()
        for votes in (fitted.posterior, best, np.eye(4)[said].sum(axis=0))
    )
    assert right > possible - 0.01  # as good as if the labellers were known
    assert right > majority + 0.05


def test_confidence_is_how_often_the_consensus_is_right(planted):
    truth, _, said = planted
    posterior = dawid_skene(np.eye(4)[said]).posterior
    confidence = posterior.max(axis=1)
    assert confidence.mean() == pytest.approx((posterior.argmax(axis=1) == truth).mean(), abs=0.02)


def test_posterior_is_bayes_rule():
    counts = np.zeros((2, 1, 2))
    counts[0, 0, 0] = counts[1, 0, 1] = 1
    confusion = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.6, 0.4], [0.3, 0.7]]])
    prior = np.array([0.3, 0.7])
    weights = np.array([0.3 * 0.9 * 0.4, 0.7 * 0.2 * 0.7])
    assert posterior_of(counts, confusion, prior)[0] == pytest.approx(weights / weights.sum())


def table(planted, **changes):
    _, _, said = planted
    rows = [
        pd.DataFrame(
            {
                "crater_id": [f"c{n:04d}" for n in range(said.shape[1])],
                "labeller": f"labeller {j}",
                "value": np.array(STATES)[said[j]],
                "kind": "ordinary" if j == 0 else "second",
                "blind": True,
            }
        )
        for j in range(len(said))
    ]
    return pd.concat(rows, ignore_index=True).assign(**changes)


def test_a_table_of_votes_gives_states_with_confidence(planted):
    found = find_consensus(table(planted), STATES)
    straight = dawid_skene(np.eye(4)[planted[2]]).posterior.argmax(axis=1)
    assert (found.table["state"].to_numpy() == np.array(STATES)[straight]).all()
    assert (found.table["labellers"] == 4).all()
    assert found.table.filter(like="probability_").sum(axis=1).to_numpy() == pytest.approx(1.0)
    assert found.confusion["labeller 2"].loc["New", "Semi-New"] == pytest.approx(0.7, abs=0.12)


def test_adjudication_decides(planted):
    votes = table(planted)
    decided = votes.iloc[:1].assign(labeller="chair", kind="adjudication", value="Old", blind=False)
    row = find_consensus(pd.concat([votes, decided]), STATES).table.iloc[0]
    assert (row["state"], row["confidence"], row["adjudicated"]) == ("Old", 1.0, True)
    assert row["labellers"] == 4


def test_what_was_not_blind_is_left_out(planted):
    votes = table(planted)
    seen = votes[votes["labeller"] == "labeller 0"].assign(labeller="copyist", blind=False)
    found = find_consensus(pd.concat([votes, seen]), STATES)
    assert "copyist" not in found.confusion


def test_votes_without_any_state_are_refused(planted):
    with pytest.raises(LabelsError, match="label some craters first"):
        find_consensus(table(planted, value="cannot tell"), STATES)


def test_training_on_gold_is_no_label(planted):
    """A slip in training would name the state of the gold crater, and of the head after it."""
    votes = table(planted)
    gold = pd.DataFrame(
        {"crater_id": [f"gold-{k}" for k in range(30)], "labeller": "labeller 0", "value": "Old",
         "kind": "gold", "blind": True}
    )  # fmt: skip
    found, without = find_consensus(pd.concat([votes, gold]), STATES), find_consensus(votes, STATES)
    pd.testing.assert_frame_equal(found.table, without.table)
    pd.testing.assert_frame_equal(found.confusion["labeller 0"], without.confusion["labeller 0"])
    assert not has_consensus(gold, STATES)
    with pytest.raises(LabelsError, match="label some craters first"):
        find_consensus(gold, STATES)
