"""Test sizes, states and positions of synthetic craters."""

import numpy as np
import pytest

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.degradation.crater_shape import (
    state_of,
)
from lunar_models.errors import ConfigError
from lunar_models.synthetic.frame import MapFrame
from lunar_models.synthetic.population import (
    catalogued_craters,
    sample_degradation,
    sample_diameters,
)
from lunar_models.synthetic.synthesize import synthesize


def test_sizes_follow_the_slope() -> None:
    sizes = sample_diameters(np.random.default_rng(0), 100_000, 1, 10, -2)
    assert sizes.min() >= 1
    assert sizes.max() <= 10
    # N(>2) / N(>1), cut off at 10: (1/4 - 1/100) / (1 - 1/100)
    assert np.mean(sizes > 2) == pytest.approx(0.2424, abs=0.005)


def test_the_four_states_are_equally_likely() -> None:
    states = state_of(sample_degradation(np.random.default_rng(0), 8000))
    np.testing.assert_allclose(np.bincount(states)[1:] / 8000, 0.25, atol=0.02)


def test_craters_overlap_only_larger_and_older_ones() -> None:
    config = SynthesizeConfig(width_px=800, height_px=800, crater_count=300)
    frame = MapFrame.of(config)
    craters = catalogued_craters(np.random.default_rng(1), config, frame)
    cosine = frame.cosine(craters.y_px).mean()
    radius = craters.diameter_m / 2
    distance = config.pixel_size_m * np.hypot(
        np.subtract.outer(craters.x_px, craters.x_px) * cosine,
        np.subtract.outer(craters.y_px, craters.y_px),
    )
    large, small = np.nonzero(np.triu(distance < 0.99 * np.add.outer(radius, radius), k=1))
    assert len(large) < 30
    assert np.all(radius[small] < 0.4 * radius[large])
    assert np.all(craters.k_over_r2[small] < craters.k_over_r2[large])


def test_too_many_or_too_large_craters_are_an_error() -> None:
    with pytest.raises(ConfigError, match="crater_count=2500 craters do not fit into 200 x 200"):
        synthesize(SynthesizeConfig(width_px=200, height_px=200, diameter_max_km=2))
    with pytest.raises(ConfigError, match="does not fit into 200 x 200 px; lower diameter_max_km"):
        synthesize(
            SynthesizeConfig(
                width_px=200, height_px=200, diameter_min_km=30, diameter_max_km=30, crater_count=1
            )
        )
