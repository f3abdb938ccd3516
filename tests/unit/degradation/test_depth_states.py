import numpy as np
import pytest
from scipy.stats import norm

from lunar_models.degradation.crater_shape import depth_over_diameter, state_of
from lunar_models.degradation.depth_states import (
    fresh_depth_over_diameter,
    state_of_depth,
    state_probabilities,
)
from lunar_models.heads.physical import PhysicalPrediction, ResidualTable


def test_states_of_diffused_simple_craters_are_those_of_their_k() -> None:
    k = np.array([0.001, 0.008, 0.012, 0.04, 0.06, 0.14, 0.16, 0.3])
    found = state_of_depth(depth_over_diameter(k), np.full(len(k), 3.0))
    np.testing.assert_array_equal(found, state_of(k))
    assert set(found) == {1, 2, 3, 4}


def test_copernicus_is_new_although_it_is_shallow_for_its_diameter() -> None:
    """3.8 km deep, 93 km wide; as a small crater it would be Old."""
    assert state_of_depth(3.8 / 93, 93.0) == 1
    assert state_of_depth(3.8 / 93, 5.0) == 4


def test_fresh_depths_join() -> None:
    small, large = fresh_depth_over_diameter([2.0, 100.0])
    assert small == pytest.approx(fresh_depth_over_diameter(8.0), rel=1e-6)
    assert large == pytest.approx(4.18 / 100, rel=0.01)


def test_probabilities_of_states_are_the_shares_of_depths_drawn_from_the_prediction() -> None:
    levels = np.linspace(0.005, 0.995, 199)
    residuals = ResidualTable(levels, np.tile(norm.ppf(levels), (2, 1)))
    depth, diameter = np.array([0.19, 0.1, 0.05, 0.03]), np.array([3.0, 5.0, 60.0, 4.0])
    deviation = np.array([0.05, 0.3, 0.2, 0.6])
    mean = np.column_stack([np.zeros(4), np.log(depth)])
    prediction = PhysicalPrediction(mean, np.column_stack([np.ones(4), deviation]), residuals)
    found = state_probabilities(prediction, diameter)
    np.testing.assert_allclose(found.sum(1), 1)
    drawn = np.exp(mean[:, 1] + deviation * np.random.default_rng(0).normal(size=(40_000, 4)))
    states = state_of_depth(drawn, np.broadcast_to(diameter, drawn.shape))
    shares = np.column_stack([(states == n).mean(0) for n in (1, 2, 3, 4)])
    np.testing.assert_allclose(found, shares, atol=0.012)
