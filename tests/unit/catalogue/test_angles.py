"""The Sun's columns hold angles as people write them, and nothing else is taken for unknown."""

import numpy as np
import pytest

from lunar_models.catalogue import read_catalogue
from lunar_models.errors import CatalogueError


def read(tmp_path, column, *cells):
    lines = [f"a{n},{n},0,5,{cell}" for n, cell in enumerate(cells)]
    header = f"crater_id,longitude_deg,latitude_deg,diameter_km,{column}"
    path = tmp_path / "craters.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return read_catalogue(path)[0][column].to_numpy()


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ("sun_azimuth_deg", ["180°", "270 deg", "90.5 degrees"], [180, 270, 90.5]),
        ("sun_azimuth_deg", ["12°30'", "1.8e2 º", "-45 Deg."], [12.5, 180, -45]),
        ("sun_azimuth_deg", ["90 deg", "", "NaN"], [90, np.nan, np.nan]),
        ("sun_azimuth_deg", ["90 deg", "unknown", "?"], [90, np.nan, np.nan]),
        ("sub_solar_longitude_deg", ["30 W", "30 E", "W 12.5"], [-30, 30, -12.5]),
        ("sub_solar_latitude_deg", ["1.5 S", "1.5° N", "0.5"], [-1.5, 1.5, 0.5]),
        ("incidence_deg", ["65°", "70 deg", "0"], [65, 70, 0]),
    ],
)
def test_angles_are_understood(tmp_path, column, cells, expected):
    np.testing.assert_allclose(read(tmp_path, column, *cells), expected)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("sun_azimuth_deg", "east"),
        ("sun_azimuth_deg", "90 E"),
        ("sun_azimuth_deg", "1.57 rad"),
        ("sub_solar_longitude_deg", "30 S"),
        ("sub_solar_latitude_deg", "E1"),
        ("sub_solar_longitude_deg", "-30 W"),
        ("incidence_deg", "low"),
    ],
)
def test_what_is_no_angle_is_refused_by_row(tmp_path, column, cell):
    with pytest.raises(CatalogueError, match=rf"row 2 of column {column} holds '{cell}'"):
        read(tmp_path, column, "10", cell, "12")
