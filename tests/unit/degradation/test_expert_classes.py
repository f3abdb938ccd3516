"""Expert classes beside depths, K and our states, with tables of known truth."""

import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.analysis import in_scheme
from lunar_models.degradation.crater_shape import depth_over_diameter, k_over_r2_of_depth
from lunar_models.degradation.expert_classes import (
    ExpertClass,
    class_summary,
    edge_accuracy,
    expert_classes,
)
from lunar_models.degradation.schemes import SCHEMES

COLUMNS = {"class": "kind", "depth_over_diameter": "d_over_d", "diameter_km": "km"}


def diffused(name, k_over_r2, diameter_km=2.0):
    k = np.asarray(k_over_r2, np.float64)
    return ExpertClass(name, depth_over_diameter(k), np.full(len(k), diameter_km))


def test_craters_are_grouped_in_the_order_given_and_need_a_depth():
    table = pd.DataFrame(
        {"kind": ["B", "A", "B", "A"], "d_over_d": [0.1, 0.2, np.nan, 0.18], "km": [1, 2, 3, 4]}
    )
    fresh, old = expert_classes(table, ("A", "B"), COLUMNS)
    assert (fresh.name, fresh.depth_over_diameter.tolist()) == ("A", [0.2, 0.18])
    assert old.diameter_km.tolist() == [1.0]


def test_k_and_states_are_those_that_were_planted():
    k = [0.005, 0.02, 0.03, 0.10, 0.20]
    row = class_summary([diffused("all", k)]).iloc[0]
    assert row["craters"] == 5
    assert row["k_over_r2"] == pytest.approx(0.03, rel=0.02)
    assert row["k_m2"] == pytest.approx(0.03 * 1000**2, rel=0.02)  # R = 1000 m
    assert row[["share_1", "share_2", "share_3", "share_4"]].tolist() == [0.2, 0.4, 0.2, 0.2]
    assert row["depth_over_diameter_p16"] < row["depth_over_diameter"]


def test_the_accuracy_of_an_edge_by_hand():
    fresh = ExpertClass("fresh", np.array([0.2, 0.15, 0.1, 0.16]), np.ones(4))
    old = ExpertClass("old", np.array([0.05, 0.14]), np.ones(2))
    assert edge_accuracy([fresh], [old], 0.15) == pytest.approx((3 / 4 + 1) / 2)
    assert edge_accuracy([fresh], [old], 0.12) == pytest.approx((3 / 4 + 1 / 2) / 2)


@pytest.mark.parametrize("name", ["expert4", "stopar"])
def test_a_scheme_cuts_k_where_the_figure_draws_its_edges(name):
    scheme = SCHEMES[name]
    for rank, edge in enumerate(scheme.depth_edges, start=1):
        k = float(k_over_r2_of_depth(edge))
        sides = in_scheme(pd.DataFrame({"k_over_r2": [k * 0.98, k * 1.02]}), scheme)
        assert sides["state"].tolist() == [rank, rank + 1]
        depths = pd.DataFrame({"depth_over_diameter": [edge + 1e-6, edge - 1e-6]})
        both = in_scheme(depths.assign(diameter_km=2.0), scheme)
        assert both["state_name"].tolist() == list(scheme.classes[rank - 1 : rank + 1])
