"""Every map has a scale bar of known length, north, and the Sun's side."""

import numpy as np
import pytest

from lunar_models.plots.cluster_map import density_maps, map_dots
from lunar_models.plots.degradation_map import degradation_map, state_map
from lunar_models.plots.groups import cluster_groups
from lunar_models.plots.map_marks import describe_sun

RADIUS_KM = 1737.4
LONLAT = np.array([[0.0, 59.0], [10.0, 61.0], [4.0, 60.0]])


@pytest.mark.parametrize(
    ("azimuth", "text"),
    [
        ([88.0, 92.0, np.nan, 96.0], "east (azimuth 92°)"),
        ([359.0, 1.0, 0.0], "north (azimuth 0°)"),
        ([350.0, 340.0], "north (azimuth 345°)"),
        ([-90.0, 270.0], "west (azimuth 270°)"),
        ([90.0, 91.0, 92.0, 270.0], "east 75%, west 25% of craters"),
        ([0.0, 90.0, 180.0, 270.0], "north 25%, east 25%, south 25%, west 25% of craters"),
        ([90.0] * 60 + [270.0] * 38 + [0.0] * 2, "east 60%, west 38% of craters"),
        ([np.nan, np.nan], None),
        ([], None),
    ],
)
def test_the_sun_is_described_by_its_azimuth_or_by_shares_of_its_sides(azimuth, text):
    assert describe_sun(azimuth) == text


def maps(sun=None):
    groups = cluster_groups(np.array([0, 1, 0]))
    return {
        "dots": map_dots(LONLAT, groups, None, sun=sun),
        "states": state_map(LONLAT, np.array([1, 2, 2]), {1: "New", 2: "Old"}, None, sun=sun),
        "degradation": degradation_map(LONLAT, np.array([0.0, 0.5, 1.0]), None, sun=sun),
        "density": density_maps(LONLAT, groups, None),
    }


@pytest.mark.parametrize("name", ["dots", "states", "degradation", "density"])
def test_the_bar_is_as_long_as_it_says_where_it_says(name):
    axes = maps()[name].axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert "N" in texts
    (label,) = [text for text in texts if " km" in text]
    length, latitude = label.split(" km at ")
    assert latitude == "60° N"
    bar = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 2.5]
    degrees = np.ptp(bar[0])
    # 60° N: a degree of longitude is half as long as on the equator
    assert degrees * np.radians(1) * RADIUS_KM / 2 == pytest.approx(float(length), rel=1e-9)
    assert axes.get_xlim()[0] < bar[0][0] < bar[0][1] < axes.get_xlim()[1]


@pytest.mark.parametrize("name", ["dots", "states", "degradation"])
def test_the_side_of_the_sun_is_noted_above_the_map(name):
    assert maps("east (azimuth 92°)")[name].axes[0].get_title(loc="left") == (
        "Sun: east (azimuth 92°)"
    )
    assert maps()[name].axes[0].get_title(loc="left") == ""
