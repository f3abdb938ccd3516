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


def test_equilibrium_lines():
    assert TRASK.density(0.1) == pytest.approx(10**0.9)  # 10^(-1.1) D^(-2)
    # Hartmann's incremental line on √2 bins is the difference of the cumulative one
    d = np.array([1.0, 4.0])
    step = HARTMANN.density(d * 2**-0.25) - HARTMANN.density(d * 2**0.25)
    np.testing.assert_allclose(np.log10(step), -1.33 - 1.83 * np.log10(d), atol=0.01)


def test_an_unknown_system_is_named():
    with pytest.raises(ConfigError, match="neukum1983, neukum2001, yue2022"):
        chronology_system("mars")
