"""How crops are turned, and what is known of the Sun."""

import numpy as np
import pandas as pd
import pytest

from lunar_models.cropping.sun.estimation import find_sun
from lunar_models.cropping.sun.geometry import (
    incidence_from_azimuth,
    orientation,
    sun_from_sub_solar,
)


def test_orientation_is_the_smaller_change():
    azimuth = [90, 270, 0, 180, 45, 315, 200, 92, 267, np.nan, 360]
    rotation, flipped = orientation(azimuth)
    assert rotation.tolist() == [0, 0, 90, -90, 45, -45, 70, 0, 0, 0, 90]
    assert flipped.tolist() == [
        False, True, False, False, False, True, True, False, True, False, False
    ]  # fmt: skip


@pytest.mark.parametrize("azimuth", range(1, 360, 7))
def test_after_rotation_and_mirroring_the_sun_stands_in_the_east(azimuth):
    (rotation,), (flipped,) = orientation([float(azimuth)])
    turned = (azimuth + rotation) % 360
    final = (360 - turned) % 360 if flipped else turned
    assert final == pytest.approx(90, abs=5)
    assert abs(rotation) <= 90


def test_azimuth_and_incidence_from_the_sub_solar_point():
    craters = pd.DataFrame(
        {"longitude_deg": [0.0, 0.0, 10.0, 0.0], "latitude_deg": [0.0, 60.0, -45.0, 80.0]}
    )
    azimuth, incidence = sun_from_sub_solar(
        craters, longitude_deg=[60.0, 0.0, 10.0, 90.0], latitude_deg=0.0
    )
    np.testing.assert_allclose(azimuth, [90, 180, 0, 90], atol=1e-6)
    np.testing.assert_allclose(incidence, [60, 60, 45, 90], atol=1e-6)


def test_incidence_follows_from_azimuth_and_latitude_where_it_can():
    generator = np.random.default_rng(0)
    craters = pd.DataFrame(
        {
            "longitude_deg": generator.uniform(-180, 180, 4000),
            "latitude_deg": generator.uniform(-89, 89, 4000),
        }
    )
    sun = 1.54 * np.sin(generator.uniform(0, 2 * np.pi, 4000))
    azimuth, incidence = sun_from_sub_solar(craters, longitude_deg=30.0, latitude_deg=sun)
    day = incidence < 89
    found = incidence_from_azimuth(azimuth, np.full(4000, 3.0), craters["latitude_deg"].to_numpy())
    known = day & np.isfinite(found)
    assert known.mean() > 0.2
    assert np.quantile(np.abs(found - incidence)[known], 0.9) < 5
    equator = incidence_from_azimuth(np.array([100.0]), np.array([5.0]), np.array([2.0]))
    assert np.isnan(equator).all()
    impossible = incidence_from_azimuth(np.array([0.0]), np.array([1.0]), np.array([70.0]))
    assert np.isnan(impossible).all()  # the Sun cannot stand in the north of 70 degrees north


def test_sun_of_an_equatorial_mosaic_is_a_side():
    generator = np.random.default_rng(0)
    craters = pd.DataFrame(
        {
            "longitude_deg": generator.uniform(-40, 40, 1000),
            "latitude_deg": generator.uniform(-10, 10, 1000),
        }
    )
    west = craters["longitude_deg"].to_numpy() > 5
    evidence = generator.normal(0, 0.08, (1000, 2))
    evidence[:, 0] += np.where(west, -0.4, 0.4)
    sun = find_sun(craters, evidence)
    assert (sun["rotation_deg"] == 0).all()
    assert (sun["flipped"] == west).mean() > 0.99
    known = sun["sun_azimuth_deg"].notna()
    assert set(sun["sun_azimuth_deg"][known]) == {90.0, 270.0}
    assert known.mean() > 0.99
    assert (sun["flipped"] == west)[known].mean() >= (sun["flipped"] == west).mean()
    assert (sun["illumination_confidence"][~known] == 0.5).all()
    assert sun["incidence_deg"].isna().all()


def test_a_side_that_is_a_toss_of_a_coin_is_unknown():
    """Such a crop is left as it is: of these votes fewer than half are right."""
    craters = pd.DataFrame({"longitude_deg": [10.0, 10.1], "latitude_deg": [0.0, 0.0]})
    for evidence, azimuth in ((-0.2, 270.0), (0.2, 90.0), (-0.005, np.nan), (0.0, np.nan)):
        sun = find_sun(craters, np.array([[evidence, 0.0]] * 2))
        np.testing.assert_array_equal(sun["sun_azimuth_deg"], [azimuth] * 2)
        assert (sun["flipped"] == (azimuth == 270.0)).all()
        assert ((sun["illumination_confidence"] > 0.5) == np.isfinite(azimuth)).all()
