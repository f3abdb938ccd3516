from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import QuadMesh

from lunar_models.colours import FRESH_TO_OLD
from lunar_models.degradation.analysis import Choices, analyse
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.degradation.crater_shape import state_of
from lunar_models.degradation.diffusion_age import MARE
from lunar_models.plots.area_map import area_map
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.degradation import retention_figure
from lunar_models.plots.print import WIDTH_IN, save_print
from lunar_models.plots.region import region_figures
from lunar_models.plots.size_frequency import size_frequency_figure
from lunar_models.plots.thumbnails import Bounds

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


def test_the_side_of_the_sun_comes_from_the_craters_unless_it_is_given(craters):
    lit = craters.assign(sun_azimuth_deg=88.0)
    analysis = analyse(lit, bounds_area(0, 0, 10, 10), Choices(SYSTEMS["neukum1983"], MARE))
    for given, noted in ((None, "Sun: east (azimuth 88°)"), ("west", "Sun: west")):
        (axes,) = region_figures(analysis, "one", sun_side=given)["area_map"].axes
        assert axes.get_title(loc="right") == noted


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
    (legend,) = size_frequency_figure(analysis, "r").legends
    assert [text.get_text() for text in legend.texts].count("below the completeness limit") == 1


def test_the_line_of_a_state_breaks_where_it_has_no_crater(analysis):
    table = analysis.retention_by_diameter.copy()
    row = table.index[table["state"] == 4][1]
    table.loc[row, "craters"] = 0
    axes = retention_figure(replace(analysis, retention_by_diameter=table)).axes[0]
    lines = [line for line in axes.lines if line.get_color() == FRESH_TO_OLD[3]]
    (joined,) = [line for line in lines if line.get_linestyle() == "-"]
    assert np.flatnonzero(pd.isna(joined.get_ydata())).tolist() == [1]
    (limits,) = [line for line in lines if line.get_marker() == "v"]
    assert limits.get_ydata().tolist() == [table.loc[row, "age_high_ga"]]


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


@pytest.mark.parametrize(
    "bounds", [(-180, -90, 180, 90), (-180, -60, 180, 60), (170, -20, -160, 10)]
)
def test_maps_of_wide_areas_show_a_mosaic_of_the_whole_moon(craters, bounds):
    image = np.full((90, 180), 90, np.uint8)
    spread = craters.assign(longitude_deg=(np.linspace(172, 188, 500) + 180) % 360 - 180)
    analysis = analyse(spread, bounds_area(*bounds), Choices(SYSTEMS["neukum1983"], MARE))
    figure = area_map(analysis, background=Background(image, Bounds(-180, 180, -90, 90)))
    (axes,) = figure.axes
    (mesh,) = [part for part in axes.collections if isinstance(part, QuadMesh)]
    places = mesh.get_coordinates()
    assert np.isfinite(places).all()
    shown = ~np.ma.getmaskarray(mesh.get_array())
    assert shown.mean() > 0.9
    widths = np.abs(np.diff(places[..., 0], axis=1))
    span = np.ptp(axes.get_xlim())
    assert np.maximum(widths[:-1], widths[1:])[shown].max() < span / 2  # no cell across the map


def test_few_craters_leave_the_axes_legible(craters):
    few = analyse(craters[:50], bounds_area(0, 0, 10, 10), Choices(SYSTEMS["neukum1983"], MARE))
    figures = region_figures(few, "one", background=None, sun_side=None)
    figures["states_by_diameter"].draw_without_rendering()
    counts = figures["states_by_diameter"].axes[1].yaxis
    assert not any(label.get_text() for label in counts.get_minorticklabels())
    low, high = figures["retention"].axes[0].get_xlim()
    assert low < few.retention_by_diameter["d_low_km"].min()
    assert high / low > 3
