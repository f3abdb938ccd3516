"""The sub-solar point from the time, against published values."""

import numpy as np
import pandas as pd
import pytest

from lunar_models.catalogue import read_catalogue
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.sun.geometry import sun_from_sub_solar
from lunar_models.cropping.sun.given import given_sun
from lunar_models.errors import ConfigError
from lunar_models.sub_solar import sub_solar_point


def test_example_of_meeus():
    """Astronomical Algorithms, example 53.a: 67.89 and 1.46 degrees."""
    longitude, latitude = sub_solar_point(np.array(["1992-04-12T00:00:00"], "datetime64[ms]"))
    assert longitude[0] == pytest.approx(67.89, abs=0.1)
    assert latitude[0] == pytest.approx(1.46, abs=0.05)


KAGUYA = ("2008-12-07T05:04:49", 4.042497, 22.472717, 102.71, 65.012)
"""Time, place, azimuth and incidence of the Sun by the label of TC1S2B0_01_05186N225E0040."""


def test_label_of_a_photograph():
    time, east, north, azimuth, incidence = KAGUYA
    longitude, latitude = sub_solar_point(np.array([time], "datetime64[ms]"))
    crater = pd.DataFrame({"longitude_deg": [east], "latitude_deg": [north]})
    found = sun_from_sub_solar(crater, longitude_deg=longitude, latitude_deg=latitude)
    assert found[0][0] == pytest.approx(azimuth, abs=0.1)
    assert found[1][0] == pytest.approx(incidence, abs=0.1)


def test_the_sun_goes_around_in_a_synodic_month():
    start = np.datetime64("2010-01-01T00:00:00", "ms")
    months = start + (np.arange(0, 240) * 29.530589 * 86400e3).astype("timedelta64[ms]")
    longitude, latitude = sub_solar_point(months)
    assert np.ptp(np.degrees(np.unwrap(np.radians(longitude)))) < 8.0  # the orbits' ellipses
    assert np.abs(latitude).max() == pytest.approx(1.56, abs=0.06)


def settings(**parameters):
    return PreprocessConfig(
        mosaic=("m.tif",), catalogue="c.csv", illumination="sub_solar", **parameters
    )


@pytest.mark.parametrize(
    "text", ["2008-12-07T05:04:49", "2008-12-07 07:04:49+02:00", "2008-342T05:04:49.000Z"]
)
def test_a_column_and_a_parameter(tmp_path, text):
    _, east, north, azimuth, incidence = KAGUYA
    rows = f"id,lon,lat,diam_km,START_TIME\na,{east},{north},2,{text}\nb,{east},{north},2,\n"
    (tmp_path / "c.csv").write_text(rows)
    craters, _ = read_catalogue(tmp_path / "c.csv")
    sun = given_sun(settings(), craters)
    assert sun["sun_azimuth_deg"][0] == pytest.approx(azimuth, abs=0.1)
    assert sun["incidence_deg"][0] == pytest.approx(incidence, abs=0.1)
    assert np.isnan(sun["sun_azimuth_deg"][1])
    sun = given_sun(settings(acquisition_time=text), craters)
    assert sun["sun_azimuth_deg"].to_numpy() == pytest.approx(azimuth, abs=0.1)


def test_what_is_no_time_is_told(tmp_path, caplog):
    rows = "id,lon,lat,diam_km,acquisition_time\na,1,2,3,03/04/2010\nb,1,2,3,2010-04-03\n"
    (tmp_path / "c.csv").write_text(rows)
    craters, _ = read_catalogue(tmp_path / "c.csv")
    assert "1 of its values are no times" in caplog.text
    assert np.isnan(given_sun(settings(), craters)["sun_azimuth_deg"]).tolist() == [True, False]
    with pytest.raises(ConfigError, match="acquisition_time=yesterday is not a UTC time"):
        given_sun(settings(acquisition_time="yesterday"), craters)
    with pytest.raises(ConfigError, match="exclude each other"):
        settings(acquisition_time="2010-04-03", sub_solar_longitude_deg=3.0)
    with pytest.raises(ConfigError, match="set illumination=sub_solar"):
        PreprocessConfig(mosaic=("m.tif",), catalogue="c", acquisition_time="2010-04-03")
