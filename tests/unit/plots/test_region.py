import numpy as np
import pandas as pd
import pytest

from lunar_models.degradation.analysis import Choices, analyse
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.crater_shape import state_of
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.plots.print import WIDTH_IN, save_print
from lunar_models.plots.region import region_figures
from lunar_models.plots.size_frequency import size_frequency_figure

GREY = "#b0b0b0"


@pytest.fixture(scope="module")
def craters():
    rng = np.random.default_rng(0)
    k = rng.uniform(0.001, 0.29, 500)
    diameter = rng.random(500) ** (-1 / 2.5)
    return pd.DataFrame(
        {
            "crater_id": [str(i) for i in range(500)],
            "longitude_deg": rng.uniform(0, 10, 500),
            "latitude_deg": rng.uniform(0, 10, 500),
            "diameter_km": diameter,
            "k_over_r2": k,
            "k_m2": k * (diameter * 500) ** 2,
            "state": pd.array(state_of(k), dtype="Int64"),
        }
    )


@pytest.fixture(scope="module")
def analysis(craters):
    choices = Choices(SYSTEMS["neukum1983"], MARE, pixel_size_m=150.0)
    return analyse(craters, bounds_area(0, 0, 10, 10), choices)


def test_every_axis_has_a_label_with_its_unit(analysis):
    figures = region_figures(analysis, "one", sun_side="west")
    assert set(figures) == {
        "csfd_cumulative", "csfd_differential", "csfd_r", "area_map", "states_by_diameter",
        "retention", "k_by_diameter",
    }  # fmt: skip
    for name in ("csfd_cumulative", "csfd_differential", "csfd_r", "retention", "k_by_diameter"):
        axes = figures[name].axes[0]
        assert axes.get_xlabel() == "crater diameter (km)"
        assert axes.get_ylabel()
    assert figures["csfd_cumulative"].axes[0].get_ylabel() == "cumulative density (km⁻²)"
    (axes,) = figures["area_map"].axes
    texts = [text.get_text() for text in axes.texts]
    assert "N" in texts
    assert any(text.endswith(" km") for text in texts)
    assert axes.get_title(loc="right") == "Sun: west"


@pytest.mark.parametrize("width", ["one", "two"])
def test_figures_have_the_width_of_columns(analysis, width):
    figure = size_frequency_figure(analysis, "r", width)
    assert figure.get_size_inches()[0] == WIDTH_IN[width]


def test_bins_below_the_completeness_limit_are_grey(analysis):
    axes = size_frequency_figure(analysis, "r").axes[0]
    grey = [
        line.get_xdata()
        for line in axes.lines
        if line.get_color() == GREY and len(line.get_xdata())
    ]
    assert np.concatenate(grey).max() < 1.5 * 2**0.5
    table = analysis.size_frequency
    shown = table[(table["count"] > 0) & ~table["complete"]]
    assert sum(map(len, grey)) == len(shown) > 0


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_vector_files_are_equal_and_hold_text(analysis, tmp_path, suffix):
    for name in ("a", "b"):
        save_print(size_frequency_figure(analysis, "r"), tmp_path / f"{name}.{suffix}")
    first, second = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in ("a", "b"))
    assert first == second
    if suffix == "svg":
        assert b">crater diameter (km)</text>" in first


def test_without_states_or_k_fewer_figures_are_drawn(craters):
    bare = craters[["crater_id", "longitude_deg", "latitude_deg", "diameter_km"]]
    choices = Choices(SYSTEMS["neukum1983"], MARE)
    figures = region_figures(analyse(bare, bounds_area(0, 0, 10, 10), choices), "one")
    assert set(figures) == {"csfd_cumulative", "csfd_differential", "csfd_r", "area_map"}
