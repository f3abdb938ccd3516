import numpy as np
import pytest

from lunar_models.degradation.size_frequency import (
    bin_edges,
    density_at,
    poisson_interval,
    power_law_slope,
    size_frequency,
)
from lunar_models.errors import ConfigError


def test_root_2_bins_have_an_edge_at_1_km_and_hold_all_craters():
    edges = bin_edges(0.9, 9.0, "root2")
    np.testing.assert_allclose(edges[1:] / edges[:-1], np.sqrt(2))
    assert 1.0 in edges
    assert edges[0] <= 0.9
    assert edges[-1] > 9.0


def test_pseudo_log_bins_are_neukums():
    edges = bin_edges(1.0, 9.5, "pseudo-log")
    expected = [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.7, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10]
    np.testing.assert_allclose(edges, expected)


def test_the_largest_crater_on_an_edge_has_a_bin():
    table = size_frequency(np.array([1.0, 2.0, 4.0]), 1.0, bin_edges(1.0, 4.0, "root2"))
    assert table["count"].sum() == 3


def test_garwoods_interval():
    # Garwood 1936, 95 %: 0 -> (0, 3.689), 10 -> (4.795, 18.390)
    low, high = poisson_interval([0, 10], 0.95)
    np.testing.assert_allclose(low, [0.0, 4.795], atol=1e-3)
    np.testing.assert_allclose(high, [3.689, 18.390], atol=1e-3)


def test_the_three_forms_by_hand():
    diameters = np.array([1.1, 1.3, 1.5, 2.5, 9.0])
    table = size_frequency(diameters, 100.0, np.array([1.0, 2.0, 3.0]))
    assert table["count"].tolist() == [3, 1]
    np.testing.assert_allclose(table["cumulative"], [0.05, 0.02])  # 9 km is larger than 2, too
    np.testing.assert_allclose(table["differential"], [0.03, 0.01])
    np.testing.assert_allclose(table["r"], [0.03 * 2**1.5, 0.01 * 6**1.5])
    assert (table["r_low"] < table["r"]).all()
    assert (table["r"] < table["r_high"]).all()


def test_density_at_a_diameter():
    count, density, low, high = density_at(np.array([0.9, 1.0, 3.0]), 1000.0, 1.0)
    assert (count, density) == (2, 0.002)
    assert low < density < high


@pytest.mark.parametrize("truth", [-1.5, -2.0, -3.3])
@pytest.mark.parametrize("high", [np.inf, 10.0])
def test_a_planted_slope_lies_in_its_interval_as_often_as_stated(truth, high):
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(100):
        share = rng.random(150) * (1 - (0.0 if np.isinf(high) else (high / 2.0) ** truth))
        diameters = 2.0 * (1 - share) ** (1 / truth)
        used, slope, low_slope, high_slope = power_law_slope(diameters, 2.0, high, level=0.9)
        assert used == 150
        assert low_slope < slope < high_slope
        inside += low_slope <= truth <= high_slope
    assert 82 <= inside <= 97


def test_few_craters_of_nearly_one_size_have_a_wide_interval():
    used, slope, low, high = power_law_slope(np.array([1.02, 1.021, 1.022]), 1.0)
    assert used == 3
    assert slope == pytest.approx(-1 / np.log([1.02, 1.021, 1.022]).mean())
    assert low < 1.5 * slope < slope < high < 0
    used, slope, low, high = power_law_slope(np.array([1.02, 1.021, 1.022]), 1.0, 50.0)
    assert low == -np.inf or low < slope


def test_too_few_craters_have_no_slope():
    assert np.isnan(power_law_slope(np.array([2.0, 3.0]), 1.0)[1])
    assert np.isnan(power_law_slope(np.full(10, 1.0), 1.0)[1])


def test_impossible_bins_are_refused():
    with pytest.raises(ConfigError):
        bin_edges(0.0, 1.0, "root2")
