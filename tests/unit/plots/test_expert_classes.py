import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.crater_shape import k_over_r2_of_depth
from lunar_models.degradation.expert_classes import ExpertClass
from lunar_models.plots.expert_classes import expert_classes_figure
from lunar_models.plots.style import BLACK, VERMILION


@pytest.fixture(scope="module")
def panels():
    def one(name, depth):
        return ExpertClass(name, np.array([depth, depth + 0.01]), np.full(2, 2.0))

    measured = pd.DataFrame(
        {"class": ["a", "a", "b"], "k_over_r2": [0.01, 0.02, 0.2], "diameter_km": [3.0, 1.0, 4.0]}
    )
    groups = {"one": [one("a", 0.2), one("b", 0.05)], "two": [one("c", 0.1)]}
    figure = expert_classes_figure(groups, {"one": [0.14], "two": []}, measured, sharp_from_km=2.0)
    return figure.axes


def test_the_edge_of_a_scheme_is_at_the_same_craters_in_depth_and_k(panels):
    for axes, height in ((panels[0], 0.14), (panels[1], float(k_over_r2_of_depth(0.14)))):
        spans = [
            line for line in axes.lines if line.get_linewidth() == 0.9 and len(line.get_xdata())
        ]
        (edge,) = [line for line in spans if line.get_color() == BLACK]
        assert edge.get_ydata() == pytest.approx([height, height])
        assert tuple(edge.get_xdata()) == (0.5, 2.5)  # of its own classes only


def test_measured_craters_stand_at_their_class_filled_where_the_image_is_sharp(panels):
    marks = [line for line in panels[1].lines if line.get_markeredgecolor() == VERMILION]
    filled = [line for line in marks if line.get_markerfacecolor() == VERMILION]
    open_ = [line for line in marks if line.get_markerfacecolor() == "none"]
    places = np.concatenate([line.get_xdata() for line in filled])
    assert sorted(np.concatenate([line.get_ydata() for line in filled]).tolist()) == [0.01, 0.2]
    assert np.rint(places).tolist() == [1, 2]
    assert np.concatenate([line.get_ydata() for line in open_]).tolist() == [0.02]


def test_classes_are_named_with_their_craters(panels):
    labels = [text.get_text() for text in panels[2].get_xticklabels()]
    assert labels == ["a\n2", "b\n2", "c\n2"]
    assert panels[0].get_ylabel() == "depth / diameter"
    assert panels[1].get_ylabel() == "K/R²"
