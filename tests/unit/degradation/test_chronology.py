import numpy as np
import pytest

from lunar_models.degradation.chronology import HARTMANN, SYSTEMS, TRASK, chronology_system
from lunar_models.errors import ConfigError


@pytest.mark.parametrize("name", SYSTEMS)
def test_chronology_inverts_itself_and_is_nan_beyond_the_moons_age(name):
    chronology = SYSTEMS[name].chronology
    ages = np.array([1e-6, 0.01, 1.0, 3.0, 3.8, 4.2, 4.6])
    np.testing.assert_allclose(chronology.age(chronology.density(ages)), ages, rtol=1e-9)
    assert np.isnan(chronology.age(10.0))


def test_published_values():
    # Neukum, Ivanov & Hartmann 2001, equation 5, by hand: linear below about 3 Ga
    neukum = SYSTEMS["neukum2001"].chronology
    assert neukum.density(1.0) == pytest.approx(8.38e-4, rel=1e-4)
    assert neukum.density(3.5) == pytest.approx(5.44e-14 * np.exp(24.255) + 2.933e-3, rel=1e-6)
    # log10 N(10 km) - log10 N(1 km) is the sum of a1 … a11
    shape = SYSTEMS["neukum2001"].production
    assert np.log10(shape.relative(10.0)) == pytest.approx(sum(shape.coefficients[1:]), abs=1e-9)
    assert np.log10(shape.relative(10.0)) == pytest.approx(-2.26, abs=0.01)
    assert shape.slope(1.0) == pytest.approx(-3.557528)


def test_a_table_of_root_2_bins():
    # Hartmann's bins of 1-1.41 and 1.41-2 km hold 1.25e-3 and 4.73e-4; all from 1 km on 2.26796e-3
    shape = SYSTEMS["hartmann2010"].production
    assert shape.relative(1.0) == pytest.approx(1.0)
    assert shape.relative(2**0.5) == pytest.approx(1 - 1.25e-3 / 2.26796e-3, rel=1e-3)
    assert shape.relative(1.0) - shape.relative(2.0) == pytest.approx(
        (1.25e-3 + 4.73e-4) / 2.26796e-3, rel=1e-3
    )
    assert shape.range_km == pytest.approx((2**-6.5, 2**6.5))
    middle = 2**0.25
    local = np.log(shape.relative(middle * 1.01) / shape.relative(middle / 1.01)) / np.log(1.01**2)
    assert shape.slope(middle) == pytest.approx(local, rel=1e-9)
    assert (shape.slope(np.geomspace(0.01, 100, 50)) < 0).all()


def test_equilibrium_lines():
    assert TRASK.density(0.1) == pytest.approx(10**0.9)  # 10^(-1.1) D^(-2)
    # Hartmann's incremental line on √2 bins is the difference of the cumulative one
    d = np.array([1.0, 4.0])
    step = HARTMANN.density(d * 2**-0.25) - HARTMANN.density(d * 2**0.25)
    np.testing.assert_allclose(np.log10(step), -1.33 - 1.83 * np.log10(d), atol=0.01)


def test_an_unknown_system_is_named():
    with pytest.raises(ConfigError, match="neukum1983, neukum2001, yue2022, hartmann2010"):
        chronology_system("mars")
