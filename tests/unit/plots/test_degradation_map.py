"""States and degradation have one colour scheme, from fresh to old."""

import numpy as np
from matplotlib.colors import to_hex

from lunar_models.colours import state_colours
from lunar_models.plots.degradation_map import degradation_map, state_map
from lunar_models.terms import STATE_NAMES

LONLAT = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.5], [0.5, 2.0]])


def test_four_states_have_the_colours_of_the_states():
    dots = degradation_map(LONLAT, np.array([0, 1 / 3, 2 / 3, 1.0]), None).axes[0].collections[0]
    shades = [to_hex(dots.to_rgba(x)) for x in (0, 1 / 3, 2 / 3, 1.0)]
    channels = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in shades]
    known = state_colours(dict(enumerate(STATE_NAMES, start=1)))
    wanted = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in known.values()]
    assert np.abs(np.subtract(channels, wanted)).max() <= 2  # 256 steps


def test_the_users_own_states_are_in_the_legend():
    names = {1: "sharp", 2: "soft", 3: "ghost"}
    figure = state_map(LONLAT, np.array([1, 2, 3, 3]), names, None)
    texts = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert texts == ["sharp (1)", "soft (1)", "ghost (2)"]


def test_every_crater_is_drawn_in_its_colour_the_freshest_on_top():
    degradation = np.array([0.0, 1.0, 0.5, 0.25])
    dots = degradation_map(LONLAT, degradation, None).axes[0].collections[0]
    np.testing.assert_array_equal(dots.get_offsets()[-1], LONLAT[0])
    np.testing.assert_array_equal(dots.get_array(), np.sort(degradation)[::-1])
    assert dots.get_clim() == (0, 1)
