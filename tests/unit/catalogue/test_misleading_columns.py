"""Columns beside or named otherwise than one expects: the number is right, or there is a question.

The truth is one crater at 20.5 W, 9.62 N of 5 km, unless a test says another.
"""

from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from shapely.geometry import Point

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.errors import CatalogueError

HEADER = "id,lon,lat,diameter_km"


def read(folder: Path, text: str, columns: dict[str, str] | None = None) -> list[list[float]]:
    """Longitude in [-180, 180), latitude and diameter of each row."""
    (folder / "c.csv").write_text(text, encoding="utf-8")
    return understood(folder / "c.csv", columns)


def understood(path: Path, columns: dict[str, str] | None = None) -> list[list[float]]:
    """Longitude in [-180, 180), latitude and diameter of each row."""
    rows = understand_catalogue(path, columns).rows
    rows["longitude_deg"] = (rows["longitude_deg"] + 180.0) % 360.0 - 180.0
    return rows[["longitude_deg", "latitude_deg", "diameter_km"]].to_numpy().tolist()


UNITS_READ = {
    "in brackets": "id,lon,lat,diameter,diameter_unit\na,-20.5,9.62,5000,[m]\n",
    "with a full stop": "id,lon,lat,diameter,diameter_unit\na,-20.5,9.62,5000,m.\n",
    "in words": "id,lon,lat,diameter,Units of diameter\na,-20.5,9.62,5000,(metres)\n",
    "in the cells, too": "id,lon,lat,diameter,diameter_unit\na,-20.5,9.62,5000 m,[m]\n",
    "of radii": "id,lon,lat,radius,radius_unit\na,-20.5,9.62,2500,m\n",
    "as the name says": f"{HEADER},unit\na,-20.5,9.62,5,km\n",
    "geological": f"{HEADER},unit\na,-20.5,9.62,5,Imbrian\n",
    "of angles": f"{HEADER},lon_unit,lat_unit\na,20.5,9.62,5,deg W,deg N\n",
    "row with full stops": "id,lon,lat,diameter\n,deg.,deg.,m\na,-20.5,9.62,5000\n",
}


@pytest.mark.parametrize("name", UNITS_READ)
def test_units_in_a_column(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, UNITS_READ[name]) == [pytest.approx([-20.5, 9.62, 5.0])]


UNITS_REFUSED = {
    "miles": ("diameter,diameter_unit\na,-20.5,9.62,5,mi\n", r"'mi' in row 1.*by 1\.60934 for km"),
    "centimetres": ("diameter,diameter_unit\na,-20.5,9.62,50,cm\n", "'cm' in row 1"),
    "other in the cells": (
        "diameter,diameter_unit\na,-20.5,9.62,50 m,km\n",
        "row 1 has '50 m', but column 'diameter_unit' says another unit",
    ),
    "southward": ("diameter_km,lat_unit\na,-20.5,9.62,5,deg S\n", "unit 'deg s' of column 'lat'"),
    "unknown": ("diameter,diameter_unit\na,-20.5,9.62,50,hm\n", "'hm' in row 1.*Write km or m"),
    "unknown, in words": ("diameter,units of diameter\na,-20.5,9.62,50,hm\n", "'hm' in row 1"),
    "miles beside km": ("diameter_km,diameter_unit\na,-20.5,9.62,5,mi\n", "'mi' in row 1"),
    "metres beside km": ("diameter_km,diameter_unit\na,-20.5,9.62,5,[m]\n", "says other units"),
    "a cell without": (
        "diameter,unit\na,-20.5,9.62,500,m\nb,-20.5,9.62,500,\n",
        "'unit' gives the unit of 'diameter', but is empty in 1 rows, first in row 2",
    ),
    "a plain unit in miles": ("diameter,unit\na,-20.5,9.62,5,mi\n", "'mi' in row 1.*geological"),
    "lengths among others": (
        "diameter,unit\na,-20.5,9.62,5,m\nb,-20.5,9.62,5,Imbrian\n",
        "'Imbrian' in row 2.*rename 'unit' if it holds geological",
    ),
    "radians": ("diameter_km,lon_unit\na,-0.36,9.62,5,rad\n", "unit 'rad' of column 'lon'"),
    "some west": (
        "diameter_km,lon_unit\na,20.5,9.62,5,deg W\nb,20.5,9.62,5,deg\n",
        "'lon_unit' holds several units",
    ),
}


@pytest.mark.parametrize("name", UNITS_REFUSED)
def test_units_that_are_not_read_are_refused(tmp_path: Path, name: str) -> None:
    text, said = UNITS_REFUSED[name]
    with pytest.raises(CatalogueError, match=said):
        read(tmp_path, f"id,lon,lat,{text}")


@pytest.mark.parametrize(
    ("units", "said"),
    [("degrees_north,degrees_east", "'degrees_north' of column 'lon'"),
     ("deg,degrees_west", "'degrees_west' of column 'lat'")],
)  # fmt: skip
def test_units_of_the_other_axis_are_refused(tmp_path: Path, units: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        read(tmp_path, f"{HEADER}\n,{units},km\na,20.5,9.62,5\n")


def test_a_diameter_in_km_by_its_units_row_beside_another(tmp_path: Path) -> None:
    text = "id,lon,lat,diameter_km,diameter\n,deg,deg,km,km\na,-20.5,9.62,5,{}\n"
    assert read(tmp_path, text.format(5)) == [pytest.approx([-20.5, 9.62, 5.0])]
    with pytest.raises(CatalogueError, match=r"'diameter.*' may both be diameter_km"):
        read(tmp_path, text.format(0.5))


EXCHANGED = {
    "east in a latitude": "id,lat,lon,diameter_km\na,20.08 E,9.62 N,93\n",
    "west in a latitude": f"{HEADER}\na,9.62,W 20.5,5\n",
    "word in a latitude": f"{HEADER}\na,9.62,20°30' West,5\n",
    "south in a longitude": f"{HEADER}\na,9.62S,20.5,5\n",
    "north in one of two": f"{HEADER}\na,20.5 W,9.62 N,5\nb,9.62 N,20.5,5\n",
}


@pytest.mark.parametrize("name", EXCHANGED)
def test_directions_of_the_other_axis_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(CatalogueError, match=r"column 'l(at|on)', taken as .*exchanged"):
        read(tmp_path, EXCHANGED[name])


RIVALS = {
    "west beside east": ("lon,lon_w,lat,diameter_km\na,20.5,20.5,9.62,5", "'lon' and .*'lon_w'"),
    "depth beside radius": ("lon,lat,D,R_km\na,-20.5,9.62,0.5,2.5", "'R_km' and 'D'"),
    "diameter beside radius": ("lon,lat,Diameter,R_m\na,-20.5,9.62,7,2500", "'R_m' and 'Diameter'"),
}


@pytest.mark.parametrize("name", RIVALS)
def test_rivals_that_contradict_are_refused(tmp_path: Path, name: str) -> None:
    text, said = RIVALS[name]
    with pytest.raises(CatalogueError, match=said):
        read(tmp_path, f"id,{text}\n")


@pytest.mark.parametrize(
    "text",
    [
        "lon,lon_w,lat,diameter_km\na,-20.5,20.5,9.62,5",
        "lon,lon_w,lat,diameter_km\na,339.5,20.5,9.62,5",
        "lon,EW,lon_w,lat,diameter_km\na,20.5,W,20.5,9.62,5",
        "lon,lon_w,lat,diameter_km\na,-20.5,20.5 W,9.62,5",
        "lon,lat,D,R_km\na,-20.5,9.62,5,2.5",
        "lon,lat,D,R_km\na,-20.5,9.62,5000,2.5",
        "lon,lat,D,R_km,D_unit\na,-20.5,9.62,5000,2.5,m",
    ],
)
def test_rivals_that_agree_are_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"id,{text}\n") == [pytest.approx([-20.5, 9.62, 5.0])]


LETTERS = {
    "type": "id,lon,lat,type,diameter_km\na,20.5,9.6,S,5\nb,30.5,9.6,S,7\n",
    "facing": "id,lon,lat,diameter_km,facing\na,20.5,9.6,5,west\nb,30.5,9.6,7,east\n",
    "class": "id,lon,class,lat,diameter_km\na,20.5,W,9.6,5\nb,30.5,E,9.6,7\n",
}


@pytest.mark.parametrize("name", LETTERS)
def test_letters_that_may_be_types_are_a_question(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        CatalogueError, match=f"column '{name}' holds '(S|W|west)', which may be the hem"
    ):
        read(tmp_path, LETTERS[name])
    columns = {"longitude_deg": "lon", "latitude_deg": "lat", "diameter_km": "diameter_km"}
    unsigned = [pytest.approx([20.5, 9.6, 5.0]), pytest.approx([30.5, 9.6, 7.0])]
    assert read(tmp_path, LETTERS[name], columns) == unsigned
    axis = "latitude" if name == "type" else "longitude"
    signed = read(tmp_path, LETTERS[name], columns | {f"{axis}_hemisphere": name})
    assert signed[0] == pytest.approx([20.5, -9.6, 5.0] if name == "type" else [-20.5, 9.6, 5.0])


def test_letters_that_would_change_nothing_are_left_alone(tmp_path: Path) -> None:
    text = "id,lon,lat,class,diameter_km\na,20.5,9.6,E,5\nb,30.5,9.6,E,7\n"
    assert read(tmp_path, text)[1] == pytest.approx([30.5, 9.6, 7.0])


@pytest.mark.parametrize("name", ["Lon hemisphere", "Hem.", "E-W", "direction", "longitude E/W"])
def test_directions_by_their_names(tmp_path: Path, name: str) -> None:
    text = f"id,lon,lat,diameter_km,{name}\na,20.5,9.62,5,W\n"
    assert read(tmp_path, text) == [pytest.approx([-20.5, 9.62, 5.0])]


WEST_CELLS = [
    "20.5 W", "20 30 00 W", "20 30 W", "W 20 30 00", "-20 30 00", "21°-", "20°30’W", "20°30’00”W",
    "20° 30′ 00″ W", "20º30'W", "20˚30´W", "20°30’00’’ W", "020 30 0.0 West",
]  # fmt: skip


@pytest.mark.parametrize("cell", WEST_CELLS)
def test_degrees_minutes_and_seconds(tmp_path: Path, cell: str) -> None:
    found = read(tmp_path, f"{HEADER}\na,{cell},9.62,5\n")[0]
    if cell == "21°-":
        assert np.isnan(found[0])
    else:
        assert found == pytest.approx([-20.5, 9.62, 5.0])


@pytest.mark.parametrize("cell", ["20 30", "20 60 00", "20 30 60 W", "20 30 00 W W", "-20 30 00 W"])
def test_what_is_no_angle(tmp_path: Path, cell: str) -> None:
    assert np.isnan(read(tmp_path, f"{HEADER}\na,{cell},9.62,5\nb,1,2,3\n")[0][0])


@pytest.mark.parametrize(
    "text",
    [f"{HEADER}\na,339.5 W,9.62,5", "id,lon,EW,lat,diameter_km\na,339.5,W,9.62,5"],
)
def test_west_up_to_360(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"{text}\n") == [pytest.approx([20.5, 9.62, 5.0])]


def points(folder: Path, kind: str, x: float, **columns: object) -> Path:
    """A file of one point at x, 9.62, with these columns beside it."""
    values = {name: [value] for name, value in columns.items()}
    frame = geopandas.GeoDataFrame(values, geometry=[Point(x, 9.62)], crs="IAU_2015:30100")
    (frame.to_parquet if kind == "parquet" else frame.to_file)(folder / f"c.{kind}")
    return folder / f"c.{kind}"


@pytest.mark.parametrize("kind", ["gpkg", "geojson", "parquet"])
@pytest.mark.parametrize(
    "columns",
    [
        {"lon_w": 20.5},
        {"lon_w": 20.5, "lat": 9.62},
        {"lon": 20.5, "EW": "W", "lat": 9.62},
        {"lon": 20.5, "EW": "W"},
        {"EW": "W"},
        {"lon": "20.5 W", "lat": 9.62},
        {"lon": -20.5},
    ],
)
def test_geometry_that_contradicts_columns_is_refused(
    tmp_path: Path, kind: str, columns: dict[str, object]
) -> None:
    """Points are often made from westward longitudes as if these counted eastward."""
    path = points(tmp_path, kind, 20.5, id="a", diameter_km=5.0, **columns)
    with pytest.raises(CatalogueError, match=r"lie up to 40\.4 deg from its geometry"):
        understood(path)
    by_geometry = understood(path, {"crater_id": "id", "diameter_km": "diameter_km"})
    assert by_geometry == [pytest.approx([20.5, 9.62, 5.0])]
    right = points(tmp_path, kind, -20.5, id="a", diameter_km=5.0, **columns)
    assert understood(right) == [pytest.approx([-20.5, 9.62, 5.0])]


def test_latitudes_that_contradict_the_geometry_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"column lat lie up to 19\.2 deg from its geometry"):
        understood(points(tmp_path, "gpkg", 20.5, id="a", diameter_km=5.0, lat=-9.62))


def test_types_do_not_sign_geometry(tmp_path: Path) -> None:
    path = points(tmp_path, "gpkg", 20.5, id="a", diameter_km=5.0, type="S", group="W")
    assert understood(path) == [pytest.approx([20.5, 9.62, 5.0])]


@pytest.mark.filterwarnings("ignore:Column names longer", "ignore:Normalized/laundered")
def test_a_name_that_a_shapefile_cut_is_that_of_the_geometry(tmp_path: Path) -> None:
    size = {"id": "a", "diameter_km": 5.0, "latitude_deg": 9.62}
    path = points(tmp_path, "shp", -20.5, **size, longitude_deg=-20.5)
    assert understood(path) == [pytest.approx([-20.5, 9.62, 5.0])]
    path = points(tmp_path, "shp", -20.5, **size, longitude_west=20.5)
    with pytest.raises(CatalogueError, match="deg from its geometry"):
        understood(path)


def with_metadata(path: Path, told: dict[str, dict[str, str]]) -> Path:
    """The Parquet file with metadata of its columns."""
    table = pa.parquet.read_table(path)
    fields = [f.with_metadata(told[f.name]) if f.name in told else f for f in table.schema]
    schema = pa.schema(fields, table.schema.metadata)
    pa.parquet.write_table(table.cast(schema), path)
    return path


def test_units_in_the_metadata_of_geoparquet(tmp_path: Path) -> None:
    path = points(tmp_path, "parquet", -20.5, id="a", diameter=50.0)
    metres = with_metadata(path, {"diameter": {"unit": "m"}})
    assert understood(metres) == [pytest.approx([-20.5, 9.62, 0.05])]
    feet = with_metadata(path, {"diameter": {"units": "ft"}})
    with pytest.raises(CatalogueError, match="unit 'ft' of column 'diameter'"):
        understood(feet)
    path = points(tmp_path, "parquet", -20.5, id="a", diameter_km=5.0, lon=20.5, lat=9.62)
    for told in ({"unit": "degrees_west"}, {"description": "longitude, positive west"}):
        assert understood(with_metadata(path, {"lon": told})) == [pytest.approx([-20.5, 9.62, 5.0])]


def test_geometry_under_another_name_counts(tmp_path: Path) -> None:
    frame = geopandas.read_parquet(points(tmp_path, "parquet", 20.5, id="a", diameter_km=5.0))
    path = tmp_path / "renamed.parquet"
    frame.rename_geometry("geom").to_parquet(path)
    assert understood(path) == [pytest.approx([20.5, 9.62, 5.0])]
    frame.assign(lon_w=20.5, lat=9.62).rename_geometry("geom").to_parquet(path)
    with pytest.raises(CatalogueError, match="deg from its geometry"):
        understood(path)


PLAIN_NAMES = [
    "lon,lat,Diameter (meter)\na,-20.5,9.62,5000",
    'lon,lat,"Diameter, m"\na,-20.5,9.62,5000',
    'lon,lat,"Dia, m"\na,-20.5,9.62,5000',
    'lon,lat,"Diameter, km"\na,-20.5,9.62,5',
    "lon_360,lat,diameter_km\na,339.5,9.62,5",
    "E_Lon,N_Lat,diameter_km\na,-20.5,9.62,5",
    "West Longitude (deg),Latitude (deg N),diameter_km\na,20.5,9.62,5",
    "Lon W (deg),Latitude (degrees),diameter_km\na,20.5,9.62,5",
    "lon,lat,diameter_km,\na,-20.5,9.62,5",
    "lon,lat,diameter_km,\n# a note\na,-20.5,9.62,5",
]


@pytest.mark.parametrize("text", PLAIN_NAMES)
def test_plain_names_are_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, f"id,{text}\n") == [pytest.approx([-20.5, 9.62, 5.0])]


@pytest.mark.parametrize("name", ["PlanetographicLatitude", "Latitude (geodetic)"])
def test_planetographic_latitudes_are_refused_with_what_to_do(tmp_path: Path, name: str) -> None:
    text = f"id,lon,{name},diameter_km\na,-20.5,9.62,5\n"
    with pytest.raises(
        CatalogueError, match=r"1737\.4 km both are equal.*latitude_deg="
    ) as refused:
        read(tmp_path, text)
    assert "ename" not in str(refused.value)
    columns = {"longitude_deg": "lon", "latitude_deg": name, "diameter_km": "diameter_km"}
    assert read(tmp_path, text, columns) == [pytest.approx([-20.5, 9.62, 5.0])]
