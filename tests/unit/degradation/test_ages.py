import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma

from lunar_models.degradation.ages import (
    expected_craters,
    model_age,
    production_fit,
    retention_ages,
)
from lunar_models.degradation.chronology import SYSTEMS
from lunar_models.errors import ConfigError

NEUKUM = SYSTEMS["neukum1983"]


def test_a_hand_computed_age():
    # 838 craters of 1 km and larger on 10⁶ km² are N(1) = 8.38e-4: one billion years, because
    # the exponential adds 5.6e-11 only
    age = model_age(NEUKUM, np.full(838, 1.0), 1e6, 1.0, np.inf)
    assert age.craters == 838
    assert age.median_ga == pytest.approx(1.0, rel=2e-3)
    assert age.n1_per_km2 == pytest.approx(8.38e-4, rel=2e-3)
    assert (age.high_ga - age.low_ga) / 2 == pytest.approx(1 / np.sqrt(838), rel=0.03)


@pytest.mark.parametrize("count", [0, 1, 4, 30])
def test_the_interval_is_that_of_a_poisson_count(count):
    # where N(1) = c T the posterior of the expected number is a gamma distribution of count + 1
    area = 1e5
    age = model_age(NEUKUM, np.full(count, 2.0), area, 1.0, np.inf, level=0.9)
    one = expected_craters(NEUKUM, np.array([1.0]), area, 1.0, 300.0)[0]
    truth = gamma.ppf([0.05, 0.5, 0.95], count + 1) / one
    np.testing.assert_allclose([age.low_ga, age.median_ga, age.high_ga], truth, rtol=1e-3)


@pytest.mark.parametrize("truth_ga", [0.5, 3.0, 3.8])
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_planted_age_lies_in_its_interval_as_often_as_stated(name, truth_ga):
    rng = np.random.default_rng(1)
    system, area, low, high = SYSTEMS[name], 30_000.0, 1.0, 20.0
    mean = expected_craters(system, np.array([truth_ga]), area, low, high)[0]
    inside = 0
    for count in rng.poisson(mean, 100):
        age = model_age(system, np.full(count, 1.5), area, low, high, level=0.9)
        inside += age.low_ga <= truth_ga <= age.high_ga
    assert 82 <= inside <= 97


def test_only_the_diameters_asked_for_count():
    diameters = np.array([0.5, 1.0, 1.5, 4.0, 5.0])
    assert model_age(NEUKUM, diameters, 1e4, 1.0, 4.0).craters == 2


def test_more_craters_than_the_oldest_surface_has_are_flagged():
    assert model_age(NEUKUM, np.full(5000, 1.0), 1000.0, 1.0, np.inf).at_limit
    assert not model_age(NEUKUM, np.full(5, 1.0), 1000.0, 1.0, np.inf).at_limit


def test_retention_ages_grow_with_the_state_and_end_at_the_surface_age():
    rng = np.random.default_rng(0)
    craters = pd.DataFrame({"diameter_km": 1.0 + rng.random(400), "state": rng.integers(1, 5, 400)})
    table = retention_ages(NEUKUM, craters, 2e5, 1.0, np.inf)
    assert table["state"].tolist() == [1, 2, 3, 4]
    assert table["age_ga"].is_monotonic_increasing
    whole = model_age(NEUKUM, craters["diameter_km"].to_numpy(), 2e5, 1.0, np.inf)
    assert table["age_ga"].iloc[-1] == whole.median_ga
    assert table["craters"].iloc[-1] == 400


@pytest.mark.parametrize(
    ("area", "low", "high", "message"),
    [
        (0.0, 1.0, 2.0, "not positive"),
        (np.nan, 1.0, 2.0, "not positive"),
        (1.0, 2.0, 2.0, "hold nothing"),
        (1.0, 400.0, 500.0, "hold nothing"),
    ],
)
def test_impossible_questions_are_refused(area, low, high, message):
    with pytest.raises(ConfigError, match=message):
        model_age(NEUKUM, np.ones(3), area, low, high)


def planted_diameters(seed, area_km2=None):
    """Diameters of 1-20 km that follow the production function, on a constant or growing area."""
    grid = np.geomspace(1.0, 20.0, 4000)
    share = -np.diff(NEUKUM.production.relative(grid))
    middle = np.sqrt(grid[:-1] * grid[1:])
    share = share if area_km2 is None else share * area_km2(middle)
    return np.random.default_rng(seed).choice(middle, 300, p=share / share.sum())


def test_diameters_of_the_production_function_fit_it_as_often_as_a_test_may_err():
    p = np.array([production_fit(NEUKUM, planted_diameters(n), 1e4, 1.0, 20.0) for n in range(100)])
    assert 2 <= (p < 0.1).sum() <= 20
    assert p.min() > 1e-4


def test_other_slopes_do_not_fit_and_a_growing_area_is_allowed_for():
    shallow = np.random.default_rng(0).random(3000) ** (-1 / 2.4)
    assert production_fit(NEUKUM, shallow, 1e4, 1.0, 300.0) < 1e-6
    grows = planted_diameters(0, lambda d: 1000.0 * d**1.5)
    assert production_fit(NEUKUM, grows, lambda d: 1000.0 * d**1.5, 1.0, 20.0) > 1e-3
    assert production_fit(NEUKUM, grows, 1000.0, 1.0, 20.0) < 1e-6
