import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score

from lunar_models.errors import LabelsError
from lunar_models.labelling.agreement import ALL_PAIRS, measure_agreement

STATES = ("New", "Semi-New", "Semi-Old", "Old")


def votes_of(labeller, ranks, kind="ordinary", *, first=0, blind=True):
    return pd.DataFrame(
        {
            "crater_id": [f"c{first + n:04d}" for n in range(len(ranks))],
            "labeller": labeller,
            "value": [STATES[rank] for rank in ranks],
            "kind": kind,
            "blind": blind,
        }
    )


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 4, 300)
    return one, np.clip(one + rng.choice([-1, 0, 0, 1], 300), 0, 3)


def test_kappa_between_labellers_is_that_of_scikit_learn(pair):
    votes = pd.concat([votes_of("ada", pair[0]), votes_of("bo", pair[1], "second")])
    found = measure_agreement(votes, STATES)
    row = found.pairs.iloc[0]
    expected = cohen_kappa_score(*pair, weights="quadratic")
    assert (row["first"], row["second"], row["craters"]) == ("ada", "bo", 300)
    assert row["qwk"] == pytest.approx(expected)
    assert row["low"] < expected < row["high"]
    assert row["same"] == pytest.approx((pair[0] == pair[1]).mean())
    assert row["within_one"] == 1.0
    confusion = found.confusion["ada", "bo"].to_numpy()
    assert confusion[2, 3] == ((pair[0] == 2) & (pair[1] == 3)).sum()


def test_the_interval_covers_the_kappa_of_the_population():
    rng = np.random.default_rng(1)
    step = [-1, 0, 0, 0, 1]
    truth = rng.integers(0, 4, 200_000)
    population = cohen_kappa_score(
        truth, np.clip(truth + rng.choice(step, len(truth)), 0, 3), weights="quadratic"
    )
    inside = 0
    for _ in range(60):
        one = rng.integers(0, 4, 80)
        other = np.clip(one + rng.choice(step, 80), 0, 3)
        votes = pd.concat([votes_of("ada", one), votes_of("bo", other)])
        row = measure_agreement(votes, STATES, replicates=200).pairs.iloc[0]
        inside += row["low"] < population < row["high"]
    assert 50 <= inside <= 60  # 95 % of 60 is 57


def test_repeats_tell_how_a_person_agrees_with_themselves(pair):
    votes = pd.concat([votes_of("ada", pair[0]), votes_of("ada", pair[1][:40], "repeat")])
    found = measure_agreement(votes, STATES)
    assert found.pairs.empty
    own = found.selves.iloc[0]
    expected = cohen_kappa_score(pair[0][:40], pair[1][:40], weights="quadratic")
    assert (own["first"], own["craters"]) == ("ada", 40)
    assert own["qwk"] == pytest.approx(expected)


def test_what_was_not_blind_does_not_count(pair):
    votes = pd.concat(
        [
            votes_of("ada", pair[0]),
            votes_of("bo", pair[0], blind=False),
            votes_of("cy", pair[0], "adjudication"),
            votes_of("di", pair[0], "gold"),
        ]
    )
    assert measure_agreement(votes, STATES).pairs.empty


def test_answers_without_a_state_are_counted_but_not_compared():
    votes = pd.concat([votes_of("ada", [0, 1, 2, 3]), votes_of("bo", [0, 1, 2, 3])])
    votes.iloc[7, votes.columns.get_loc("value")] = "cannot tell"
    found = measure_agreement(votes, STATES)
    assert found.pairs.iloc[0]["craters"] == 3
    assert found.labellers.set_index("labeller").loc["bo", "no_state"] == 0.25


def test_all_pairs_pool_the_labellers_without_an_order(pair):
    three = [votes_of("ada", pair[0]), votes_of("bo", pair[1]), votes_of("cy", pair[0])]
    found = measure_agreement(pd.concat(three), STATES).pairs
    pooled = found.iloc[-1]
    assert pooled["first"] == ALL_PAIRS
    assert pooled["craters"] == 300
    a = np.concatenate([pair[0], pair[0], pair[1]])
    b = np.concatenate([pair[1], pair[0], pair[0]])
    both = np.concatenate([a, b]), np.concatenate([b, a])
    assert pooled["qwk"] == pytest.approx(cohen_kappa_score(*both, weights="quadratic"))


def test_one_pair_has_no_pooled_row_beside_it(pair):
    """It would be the same answers under another estimator."""
    two = [votes_of("ada", pair[0]), votes_of("bo", pair[1])]
    found = measure_agreement(pd.concat(two), STATES).pairs
    assert found["first"].tolist() == ["ada"]
    assert "Scott" in ALL_PAIRS


def test_a_value_of_another_scheme_is_refused():
    votes = votes_of("ada", [0, 1])
    votes.loc[1, "value"] = "Fresh"
    with pytest.raises(LabelsError, match=r"ada called crater 'c0001' 'Fresh'.*scheme"):
        measure_agreement(votes, STATES)
