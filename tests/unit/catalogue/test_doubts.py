"""A catalogue that contradicts itself is a question; nothing is guessed."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.table import read_catalogue
from lunar_models.errors import CatalogueError

LONGITUDE = np.array([-170.25, -75.75, -30.5, 0.5, 12.75, 90.25, 120.75, 179.5])
LATITUDE = np.array([-80.5, -45.5, -10.5, -0.25, 5.5, 30.75, 60.25, 85.5])
DIAMETER = np.array([1.5, 2.25, 3.5, 4.75, 7.25, 12.75, 35.25, 90.75])
TABLE = pd.DataFrame(
    {
        "crater_id": [f"A-{n}" for n in range(8)],
        "longitude_deg": LONGITUDE,
        "latitude_deg": LATITUDE,
        "diameter_km": DIAMETER,
    }
)


def save(folder: Path, table: pd.DataFrame) -> Path:
    table.to_csv(folder / "craters.csv", index=False)
    return folder / "craters.csv"


def sizes(texts: list[str], name: str = "Diameter") -> pd.DataFrame:
    return TABLE.drop(columns="diameter_km").assign(**{name: texts})


REFUSED = {
    "two longitudes": (
        TABLE.rename(columns={"longitude_deg": "Longitude"}).assign(Lon=LONGITUDE + 3.0),
        "'Longitude' and 'Lon' may both be longitude_deg, but differ in 8 of 8 rows",
    ),
    "other case": (
        TABLE.rename(columns={"longitude_deg": "Longitude"}).assign(LONGITUDE=LONGITUDE + 9.0),
        "'Longitude' and 'LONGITUDE'",
    ),
    "two sizes": (TABLE.assign(diameter_m=3000.0 * DIAMETER), "'diameter_km' and 'diameter_m'"),
    "radius as diameter": (TABLE.assign(radius_km=DIAMETER), "'diameter_km' and 'radius_km'"),
    "exchanged axes": (
        TABLE.assign(longitude_deg=LATITUDE, latitude_deg=LONGITUDE),
        "latitudes lie beyond 90 deg .*may be exchanged",
    ),
    "colatitude": (TABLE.assign(latitude_deg=90.0 - LATITUDE), "counted from a pole"),
    "some units": (
        sizes([f"{d} km" for d in DIAMETER[:4]] + [f"{d}" for d in DIAMETER[4:]]),
        "some sizes carry a unit, such as '1.5 km', and others do not, such as '7.25'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_contradictions_are_questions(tmp_path: Path, name: str) -> None:
    table, said = REFUSED[name]
    with pytest.raises(CatalogueError, match=said):
        understand_catalogue(save(tmp_path, table), None)


def test_a_repeated_column_name(tmp_path: Path) -> None:
    for path, write in ((tmp_path / "a.csv", "to_csv"), (tmp_path / "a.xlsx", "to_excel")):
        for shift in (0.0, 7.0):
            table = TABLE.copy()
            table.insert(2, "longitude_deg", LONGITUDE + shift, allow_duplicates=True)
            getattr(table, write)(path, index=False)
            if shift:
                with pytest.raises(CatalogueError, match="may both be longitude_deg"):
                    understand_catalogue(path, None)
            else:
                assert len(understand_catalogue(path, None).rows) == 8


READ = {
    "cells in metres": sizes([f"{1000.0 * d:.0f} m" for d in DIAMETER]),
    "cells of both": sizes(
        [f"{1000.0 * d:.0f} m" if n % 2 else f"{d} km" for n, d in enumerate(DIAMETER)]
    ),
    "kilometres in a column of metres": sizes([f"{d} km" for d in DIAMETER], "diameter_m"),
    "a column of units": sizes([f"{1000.0 * d}" for d in DIAMETER]).assign(unit="m"),
    "geological units": sizes([f"{d}" for d in DIAMETER]).assign(unit=list("NIECNIEC")),
    "longitudes to 360 beside": TABLE.rename(columns={"longitude_deg": "Longitude"}).assign(
        Lon=LONGITUDE % 360.0
    ),
    "metres of a map beside": TABLE.assign(x_coord=LONGITUDE * 30_000.0),
    "ids as floats in a text": TABLE.assign(crater_id=np.arange(8.0)),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_clear_is_read(tmp_path: Path, name: str) -> None:
    craters, rejected = read_catalogue(save(tmp_path, READ[name]))
    assert rejected.empty
    np.testing.assert_allclose(craters["diameter_km"], DIAMETER)
    np.testing.assert_allclose(craters["longitude_deg"], LONGITUDE)
    if name.startswith("ids"):
        assert list(craters["crater_id"]) == [str(n) for n in range(8)]


def test_odd_units_are_remarked(tmp_path: Path) -> None:
    small = TABLE.rename(columns={"diameter_km": "diameter_m"})
    assert "holds kilometres" in str(understand_catalogue(save(tmp_path, small), None).notes)
    radians = TABLE.assign(longitude_deg=np.radians(LONGITUDE), latitude_deg=np.radians(LATITUDE))
    assert "may be radians" in str(understand_catalogue(save(tmp_path, radians), None).notes)


@pytest.mark.parametrize("size", ["diameter_km", "diameter_m", "diameter"])
def test_metres_among_kilometres_are_remarked(tmp_path: Path, size: str) -> None:
    mixed = [1.2, 2.4, 5.6, 3.1, 4.8, 800.0, 1700.0, 2600.0]
    table = TABLE.rename(columns={"diameter_km": size}).assign(**{size: mixed})
    notes = str(understand_catalogue(save(tmp_path, table), None).notes)
    unit = size.removeprefix("diameter").strip("_") or "km"
    assert f"5 sizes are at most 5.6 {unit} and 3 at least 800 {unit}" in notes


@pytest.mark.parametrize("mixed", [DIAMETER, [5.0, 9.0, 15.0, 21.0, 40.0, 321.0, 500.0, 1160.0]])
def test_basins_among_craters_are_no_metres(tmp_path: Path, mixed: list[float]) -> None:
    reading = understand_catalogue(save(tmp_path, TABLE.assign(diameter_km=mixed)), None)
    assert "may mix" not in str(reading.notes)


def test_craters_where_both_coordinates_are_zero(tmp_path: Path) -> None:
    table = TABLE.assign(
        longitude_deg=[0.0, 0.0, 0.0, *LONGITUDE[3:]], latitude_deg=[0.0, 0.0, 0.0, *LATITUDE[3:]]
    )
    notes = understand_catalogue(save(tmp_path, table), None).notes
    assert "3 craters lie at exactly 0, 0, which may stand for unknown places" in notes
    assert not understand_catalogue(save(tmp_path, TABLE), None).notes


@pytest.mark.parametrize(("most", "doubted"), [(60, True), (62, False), (100, False)])
def test_decimals_that_may_be_minutes(tmp_path: Path, most: int, *, doubted: bool) -> None:
    decimals = np.arange(most) / 100.0
    table = pd.DataFrame({"lon": 10.0 + decimals, "lat": 30.0 + decimals, "diameter_km": 5.0})
    notes = str(understand_catalogue(save(tmp_path, table.round(2)), None).notes)
    assert ("no decimals of the coordinates exceed 59" in notes) == doubted


@pytest.mark.parametrize("step", [0.5, 0.25, 0.1, 1.0])
def test_rounded_coordinates_are_no_minutes(tmp_path: Path, step: float) -> None:
    table = pd.DataFrame({"lon": step * np.arange(40), "lat": step * np.arange(40)})
    reading = understand_catalogue(save(tmp_path, table.assign(diameter_km=5.0)), None)
    assert "minutes" not in str(reading.notes)


@pytest.mark.parametrize("name", ["Mean (n=8)", "Avg", "N = 8", "Σ", "Grand total", "Average D"])
def test_rows_that_sum_up_others_are_rejected(tmp_path: Path, name: str) -> None:
    table = TABLE.assign(crater_id=[*"abcdef", "Meantes", name])
    craters, rejected = read_catalogue(save(tmp_path, table))
    assert list(craters["crater_id"]) == [*"abcdef", "Meantes"]
    assert "sums up" in rejected["reason"].iloc[0]


def test_sixty_minutes_are_no_angle(tmp_path: Path) -> None:
    table = TABLE.assign(latitude_deg=["12°75'", *LATITUDE[1:]])
    craters, rejected = read_catalogue(save(tmp_path, table))
    assert len(craters) == 7
    assert "latitude_deg" in rejected["reason"].iloc[0]


def test_of_several_sheets_or_layers_none_is_chosen(tmp_path: Path) -> None:
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        for name, part in (("north", TABLE[4:]), ("south", TABLE[:4])):
            part.to_excel(book, sheet_name=name, index=False)
    with pytest.raises(CatalogueError, match=r"2 sheets \(north, south\)"):
        understand_catalogue(tmp_path / "a.xlsx", None)
    frame = gpd.GeoDataFrame(
        TABLE[["crater_id", "diameter_km"]],
        geometry=gpd.points_from_xy(LONGITUDE, LATITUDE),
        crs="IAU_2015:30100",
    )
    frame.to_file(tmp_path / "a.gpkg", layer="first")
    assert len(understand_catalogue(tmp_path / "a.gpkg", None).rows) == 8
    frame.to_file(tmp_path / "a.gpkg", layer="second")
    with pytest.raises(CatalogueError, match=r"several layers \(first, second\).*ogr2ogr"):
        understand_catalogue(tmp_path / "a.gpkg", None)
    frame.to_file(tmp_path / "a.gml")
    with pytest.raises(CatalogueError, match="latitude first"):
        understand_catalogue(tmp_path / "a.gml", None)
