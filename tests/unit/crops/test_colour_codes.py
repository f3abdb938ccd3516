"""Colours that stand for a quantity are told from those of photographs."""

import matplotlib as mpl
import numpy as np
import pytest

from lunar_models.crops.colour_codes import is_colour_code

RNG = np.random.default_rng(0)
BRIGHTNESS = np.clip(RNG.normal(0.5, 0.15, 4000), 0.02, 1.0)
ELEVATION = RNG.uniform(0.0, 1.0, 4000)


@pytest.mark.parametrize("name", ["jet", "viridis", "terrain", "turbo", "RdBu", "hsv", "magma"])
def test_colour_maps_are_codes(name: str) -> None:
    colours = mpl.colormaps[name](ELEVATION)[:, :3].T
    assert is_colour_code(colours)
    assert is_colour_code(np.round(colours * BRIGHTNESS * 255.0))  # over a shaded relief
    assert is_colour_code(np.c_[np.full((3, 500), np.nan), np.zeros((3, 500)), colours])


@pytest.mark.parametrize(
    "tint", [(1.0, 1.0, 1.0), (1.0, 0.85, 0.7), (1.0, 0.7, 0.4), (1.0, 0.0, 0.0)]
)
def test_tinted_photographs_are_not(tint: tuple[float, float, float]) -> None:
    colours = np.array(tint)[:, None] * BRIGHTNESS
    assert not is_colour_code(colours)
    assert not is_colour_code(np.clip(colours * 255.0 + RNG.normal(0.0, 4.0, (3, 4000)), 0, 255))


def test_noise_of_even_ground_and_few_pixels_say_nothing() -> None:
    assert not is_colour_code(60.0 + RNG.normal(0.0, 4.0, (3, 4000)))
    assert not is_colour_code(np.ones((3, 100)) * np.array([[1.0], [0.5], [0.0]]))
    assert not is_colour_code(RNG.uniform(0.0, 1.0, (3, 15)))
    assert not is_colour_code(np.empty((3, 0)))
