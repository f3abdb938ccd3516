"""The audit finds planted lighting, and says so."""

import numpy as np
import pandas as pd
import pytest
from evaluated_moon import embed, judge

from lunar_models.plots.audit import verdict
from lunar_models.plots.evaluation import evaluation_figures


def test_audit_finds_planted_lighting_and_only_that(case):
    metadata, labels, clean = case
    lit = judge(metadata, labels, embed(metadata, labels, signal=0.1, sun=20.0))
    dirty, pure = (e.audit.set_index("property") for e in (lit, clean))
    assert dirty.loc["Sun side", "skill"] > 0.95
    assert dirty.loc["Sun side", "association"] > 0.3
    assert pure.loc["Sun side", "skill"] < 0.25
    assert pure.loc["Sun side", "association"] < 0.05
    assert pure.loc["state", "association"] > 0.4
    assert pure.loc["longitude band", "chance"] == pytest.approx(1 / 4)
    assert (pure.loc[["latitude", "log diameter", "mean brightness"], "value"] < 0.1).all()


@pytest.mark.parametrize(
    ("state", "sun", "sentence"),
    [
        (0.4, 0.1, "Clusters follow geology: state 0.40, Sun side 0.10"),
        (0.1, 0.4, "Clusters follow lighting: Sun side 0.40, state 0.10"),
        (0.01, 0.02, "Clusters follow nothing measured here (all below 0.05)"),
    ],
)
def test_the_verdict_of_the_audit(state, sun, sentence):
    audit = pd.DataFrame(
        {
            "property": ["state", "Sun side"],
            "kind": ["geology", "lighting"],
            "association": [state, sun],
        }
    )
    assert verdict(audit) == sentence


def test_the_audit_figure_states_its_verdict(case):
    title = evaluation_figures(case[2])["figures/audit.png"].get_suptitle()
    assert title.startswith("Clusters follow geology: ")


def test_audit_shows_that_states_depend_on_the_incidence(case):
    """The incidence of most craters is known, and the more worn the higher it is."""
    metadata, labels, _ = case
    state = labels.set_index("crater_id")["state"].reindex(metadata["crater_id"]).to_numpy(float)
    noise = np.random.default_rng(0).normal(size=len(metadata))
    incidence = np.where(noise < 1, 55 + 5 * state + 2 * noise, np.nan)
    table = metadata.assign(
        incidence_deg=incidence,
        rotation_deg=20.0,
        sun_azimuth_deg=np.where(noise > 0.5, np.nan, 180 + 90 * np.sign(noise)),
    )
    audit = judge(table, labels, embed(metadata, labels)).audit.set_index("property")
    assert audit.loc["incidence", "state_association"] > 0.4
    assert audit.loc["incidence", "value"] > 0.5
    assert abs(audit.loc["Sun azimuth", "state_association"]) < 0.05
    assert audit.loc["Sun azimuth", "chance"] == pytest.approx(1 / 2)
    assert audit.loc["state", "state_association"] == pytest.approx(1)
    few = metadata.assign(incidence_deg=np.where(np.arange(len(metadata)) < 50, incidence, np.nan))
    assert "incidence" not in set(judge(few, labels, embed(metadata, labels)).audit["property"])
