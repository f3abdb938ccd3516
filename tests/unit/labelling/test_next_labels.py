"""The order for /label: what has votes first, then what teaches most, in proportion."""

import numpy as np
import pandas as pd
import pytest

from lunar_models.errors import ConfigError, LabelsError
from lunar_models.labelling.next_labels import choose_next, strata_properties
from lunar_models.labelling.reading import VoteSet
from lunar_models.labelling.selection import select, stratify
from lunar_models.terms import STATE_NAMES


@pytest.fixture(scope="module")
def craters():
    """400 craters whose embedding follows diameter and light: a choice by it alone is lopsided."""
    rng = np.random.default_rng(0)
    n = 400
    table = pd.DataFrame(
        {
            "crater_id": [f"01-1-{k:06d}" for k in range(n)],
            "diameter_km": np.exp(rng.normal(1, 0.5, n)),
            "latitude_deg": rng.uniform(-60, 60, n),
            "mean_brightness": rng.normal(90, 20, n),
            "incidence_deg": rng.uniform(40, 80, n),
            "contrast": rng.uniform(0.1, 0.3, n),
            "flipped": rng.random(n) < 0.2,
        }
    )
    embeddings = rng.normal(size=(n, 6))
    embeddings[:, :2] *= np.exp(3 * (table["incidence_deg"].to_numpy()[:, None] > 60))
    return table, embeddings


def votes_on(ids, states):
    table = pd.DataFrame({"crater_id": ids, "labeller": "ada", "value": states, "kind": "ordinary"})
    return VoteSet(table, STATE_NAMES, "votes.csv")


def test_labelled_craters_come_first_and_new_ones_as_selected(craters):
    table, embeddings = craters
    rows = [7, 3, 200]
    votes = votes_on(table["crater_id"][rows], ["New", "Old", "cannot tell"])
    found = choose_next(table, embeddings, votes, 20)
    assert found.order["reason"].tolist() == ["labelled"] * 3 + ["selected"] * 20
    assert found.order["CRATER_ID"].tolist()[:3] == table["crater_id"][rows].tolist()
    strata = stratify(*strata_properties(table).values(), bins=2)
    direct = select(embeddings, 20, labelled=np.array(rows), strata=strata)
    assert found.order["CRATER_ID"].tolist()[3:] == table["crater_id"][direct].tolist()


def test_gold_is_never_asked_about_but_stays_where_it_has_a_vote(craters):
    table, embeddings = craters
    gold = table["crater_id"][:100].tolist()
    votes = votes_on(gold[:1], ["New"])
    found = choose_next(table, embeddings, votes, 300, without=gold)
    chosen = found.order["CRATER_ID"].tolist()
    assert chosen[0] == gold[0]
    assert not set(chosen[1:]) & set(gold)
    assert len(set(chosen)) == 301


def test_the_mix_of_the_crop_set_is_kept_and_shown(craters):
    table, embeddings = craters
    together = {}
    for bins in (1, 2):
        balance = choose_next(table, embeddings, None, 64, bins=bins).balance
        light = balance[balance["property"] == "light"]
        assert light["all"].tolist() == [0.5, 0.5]
        together[bins] = light["together"].tolist()
        assert balance.groupby("property")["together"].sum().to_numpy() == pytest.approx(1.0)
    assert together[1][1] > 0.7  # without quotas the bright side of the design wins
    assert together[2] == pytest.approx([0.5, 0.5], abs=0.04)
    side = balance[balance["property"] == "Sun side"]
    assert side["together"].to_numpy() == pytest.approx(side["all"].to_numpy(), abs=0.06)


def test_contrast_stands_for_the_light_where_no_incidence_is_known(craters):
    table, embeddings = craters
    table = table.assign(incidence_deg=np.nan, flipped=False)
    balance = choose_next(table, embeddings, None, 64).balance
    assert set(balance["property"]) == {"diameter", "latitude", "terrain", "light"}
    assert balance[balance["property"] == "light"]["above"].between(0.1, 0.3).all()


def test_uncertain_needs_labels_of_two_states(craters):
    table, embeddings = craters
    with pytest.raises(ConfigError, match="begin with method=design"):
        choose_next(table, embeddings, None, 5, method="margin")
    same = votes_on(table["crater_id"][:4], ["New"] * 4)
    with pytest.raises(ConfigError, match="two states"):
        choose_next(table, embeddings, same, 5, method="uncertain")
    embeddings = embeddings / embeddings.std(axis=0)
    rank = (embeddings[:60, 0] > 0).astype(int) * 3
    votes = votes_on(table["crater_id"][:60], np.array(STATE_NAMES)[rank])
    found = choose_next(table, embeddings, votes, 20, method="margin", bins=1)
    chosen = table["crater_id"].isin(found.order["CRATER_ID"][60:])
    near = np.abs(embeddings[:, 0])
    assert near[chosen].mean() < 0.6 * near[60:].mean()


def test_auto_is_a_design_first_and_then_weighs_uncertain_craters(craters):
    table, embeddings = craters
    rank = (embeddings[:70, 0] > 0).astype(int) * 3

    def chosen(count, method):
        votes = votes_on(table["crater_id"][:count], np.array(STATE_NAMES)[rank[:count]])
        return choose_next(table, embeddings, votes, 10, method=method).order["CRATER_ID"].tolist()

    assert chosen(29, "auto") == chosen(29, "design")
    assert chosen(30, "auto") == chosen(30, "weighted") != chosen(30, "design")


def test_votes_on_other_craters_are_refused(craters):
    table, embeddings = craters
    with pytest.raises(LabelsError, match=r"None of the 1 craters of votes.csv is in the crop set"):
        choose_next(table, embeddings, votes_on(["elsewhere"], ["New"]), 5)


@pytest.mark.parametrize("states", [["Old"], ["cannot tell"], ["not a crater", "cannot tell"]])
def test_labels_of_one_state_choose_as_if_there_were_few(craters, states):
    """No head tells one state from another yet: auto goes on as it began, and says so."""
    table, embeddings = craters
    rows = np.arange(40)
    votes = votes_on(table["crater_id"][rows], [states[k % len(states)] for k in rows])
    found = choose_next(table, embeddings, votes, 20)
    assert found.method == "design"
    named = "1" if states == ["Old"] else "no"
    assert f"name {named} state" in found.why
    design = choose_next(table, embeddings, votes, 20, method="design")
    assert found.order.equals(design.order)
    with pytest.raises(ConfigError, match="needs labels of two states"):
        choose_next(table, embeddings, votes, 20, method="margin")


def test_votes_on_gold_alone_choose_without_a_model(craters):
    """Training is no label: a head would be fitted on slips that were put right."""
    table, embeddings = craters
    gold = table["crater_id"][:40]
    for states, method in ((["New"], "design"), (["New", "Old"], "design")):
        votes = votes_on(gold, [states[k % len(states)] for k in range(40)])
        votes.votes["kind"] = "gold"
        found = choose_next(table, embeddings, votes, 20, without=gold.tolist())
        assert found.method == method
        assert (found.order["reason"] == "selected").sum() == 20


def test_labels_that_are_not_blind_make_no_head(craters):
    table, embeddings = craters
    votes = votes_on(table["crater_id"][:40], ["New", "Old"] * 20)
    votes.votes["blind"] = False
    assert choose_next(table, embeddings, votes, 20).method == "design"
