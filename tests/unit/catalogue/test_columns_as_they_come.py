"""Names, numbers and units of columns as they come: two craters of known place and size."""

import json
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from shapely.geometry import Point

from lunar_models.catalogue import read_catalogue
from lunar_models.catalogue.column_names import ALIASES
from lunar_models.catalogue.columns import match_columns, plain_name
from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.errors import CatalogueError

TRUTH = [(-25.25, 15.125, 2.5), (110.5, -43.75, 85.0)]
ROWS = "T-01,-25.25,15.125,2.5\nT-02,110.5,-43.75,85\n"
HEADER = "crater_id,lon,lat,diam_km\n"
WEST = "T-01,25.25,15.125,2.5\nT-02,249.5,-43.75,85\n"


def check(path: Path, **options: object) -> None:
    table, _ = read_catalogue(path, **options)
    found = table[["longitude_deg", "latitude_deg", "diameter_km"]].to_numpy()
    assert found == pytest.approx(pd.DataFrame(TRUTH).to_numpy(), abs=1e-9)


def write(folder: Path, text: str, name: str = "c.csv", encoding: str = "utf-8") -> Path:
    (folder / name).write_bytes(text.encode(encoding))
    return folder / name


READ = {
    "blanks": "crater_id lon lat diam_km\nT-01  -25.25 15.125   2.5\nT-02 110.5 -43.75 85\n",
    "blanks, comment": "# made by hand\n  ID  LON   LAT  D_KM\n A -25.25 15.125 2.5\n"
    "# far side\n B 110.5 -43.75 85\n",
    "comment between rows": HEADER + ROWS.replace("\n", "\n# a comment\n", 1),
    "units below": "crater_id,lon,lat,diameter\n,deg,deg,m\nA,-25.25,15.125,2500\n"
    "B,110.5,-43.75,85000\n",
    "units below, west": "crater_id,lon,lat,diameter\n,degrees_west,degrees_north,km\n" + WEST,
    "thousands by thin space": "id;lon;lat;diameter_m\nA;-25,25;15,125;2\u2009500\n"
    "B;110,5;-43,75;85\u202f000\n",
    "thousands by underscore": "id,lon,lat,diameter_m\nA,-25.25,15.125,2_500\n"
    "B,110.5,-43.75,85_000\n",
    "Fortran": HEADER + "A,-2.525D1,1.5125D+01,2.5D0\nB,1.105d2,-4.375D1,8.5D1\n",
    "hyphens": HEADER + ROWS.replace(",-25", ",\u201025").replace(",-43", ",\uff0d43"),
    "words": HEADER + "A,25.25 West,15.125 north,2.5\nB,East 110.5,43.75 South,85\n",
    "Ost": "id,lon,r,lat,diam_km\nA,25.25,W,15.125,2.5\nB,110.5,O,-43.75,85\n",
    "ouest": "id,lon,r,lat,diam_km\nA,25.25,O,15.125,2.5\nB,110.5,E,-43.75,85\n",
    "ISIS": "id,PositiveWest360Longitude,PlanetocentricLatitude,diam_km\n" + WEST,
    "metres in words": "id,lon,lat,Diameter in metres\nA,-25.25,15.125,2500\n"
    "B,110.5,-43.75,85000\n",
} | {
    f"west as {name}": f"id,{name},Lat,D (km)\n{WEST}"
    for name in ("Lon_degW", "W Longitude", "WestLon", "Lon_PW", "Lon (°W)", "Longitude [W]")
}  # fmt: skip


@pytest.mark.parametrize("name", READ)
def test_read(tmp_path: Path, name: str) -> None:
    check(write(tmp_path, READ[name]))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_its_mark(tmp_path: Path, encoding: str) -> None:
    check(write(tmp_path, HEADER + ROWS, encoding=encoding))


@pytest.mark.parametrize("name", ["craters", "c.tbl", "c.asc", "c.lis"])
def test_a_text_is_one_under_any_name(tmp_path: Path, name: str) -> None:
    check(write(tmp_path, HEADER + ROWS, name))


REFUSED = {
    "names with blanks": ("ID LON LAT D_KM\nMare X 1 2 3\n", "'Mare X 1 2 3' has 5 fields"),
    "ragged": (HEADER + ROWS + "Total: 2\n", "another number of fields .* got 1: Total: 2"),
    "thousands or decimals": (
        "id;lon;lat;diameter_m\nA;-25;15;2.500\nB;110;-43;85.000\n",
        "point in '85.000' may be decimal or separate thousands",
    ),
    "minutes": ("id,lon_deg,lon_min,lat,diam_km\nA,25,15,3,9\n", "'lon_min' looks like minutes"),
    "O alone": ("id,lon,EW,lat,diam_km\nA,25,O,3,9\n", "holds O, which may be Ost"),
    "O beside both": ("id,lon,EW,lat,diam_km\nA,2,O,3,9\nB,2,E,3,9\nC,2,W,3,9\n", "holds O"),
    "point and comma": (
        HEADER + 'A,-25.25,15.125,2.125\nB,110.5,-43.75,"85,0"\n',
        "'85,0' has a decimal comma, '-25.25' a decimal point",
    ),
    "YOLO": ("id,x_px,y_px,diameter_px\na,0.5,0.25,0.02\nb,0.1,0.9,0.1\n", "width and height"),
    "YOLO boxes": ("id,xmin,ymin,xmax,ymax\na,0.5,0.25,0.6,0.3\n", "0.55 at most"),
    "units that contradict": ("id,lon,lat,diam_km\n,deg,deg,m\nA,2,3,9\n", "unit 'm' of column"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_questions(tmp_path: Path, name: str) -> None:
    text, said = REFUSED[name]
    with pytest.raises(CatalogueError, match=said):
        read_catalogue(write(tmp_path, text))


def test_boxes_that_are_no_squares_are_remarked(tmp_path: Path) -> None:
    text = "id,xmin,ymin,xmax,ymax\na,10,20,18,28\nb,10,20,18,60\n"
    reading = understand_catalogue(write(tmp_path, text), None)
    assert "1 boxes are over 1.5 times as long as wide; the mean is their diameter" in reading.notes


def test_bounds_of_an_outline_are_no_minutes(tmp_path: Path) -> None:
    text = "id,lon,lat,diam_km,lon_min,lon_max\nA,-25.25,15.125,2.5,1,2\nB,110.5,-43.75,85,1,2\n"
    check(write(tmp_path, text))


def test_westward_longitudes_are_named_so_in_a_mapping(tmp_path: Path) -> None:
    path = write(tmp_path, f"id,Lon_PW,Lat,D\n{WEST}")
    columns = {"latitude_deg": "Lat", "diameter_km": "D"}
    with pytest.raises(CatalogueError, match="columns=longitude_west=Lon_PW"):
        read_catalogue(path, columns={"longitude_deg": "Lon_PW", **columns})
    check(path, columns={"longitude_west": "Lon_PW", **columns})


@pytest.mark.parametrize("where", ["field", "attrs"])
def test_units_in_the_metadata_of_parquet(tmp_path: Path, where: str) -> None:
    units = {"lon": "degrees_west", "lat": "degrees_north", "diameter": "m"}
    values = {
        "id": ["a", "b"], "lon": [25.25, 249.5], "lat": [15.125, -43.75],
        "diameter": [2500.0, 85000.0],
    }  # fmt: skip

    def save() -> Path:
        schema = pa.table(values).schema
        if where == "field":
            fields = [f.with_metadata({"units": units.get(f.name, "")}) for f in schema]
            schema = pa.schema(fields)
        else:
            schema = schema.with_metadata({"PANDAS_ATTRS": json.dumps({"units": units})})
        pa.parquet.write_table(pa.table(values, schema), tmp_path / "c.parquet")
        return tmp_path / "c.parquet"

    check(save())
    units["diameter"] = "ft"
    with pytest.raises(CatalogueError, match="unit 'ft' of column 'diameter'"):
        read_catalogue(save())


def test_truth_values_are_no_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["a"], "lon": [1.0], "lat": [True], "diam_km": [3.0]})
    table.to_parquet(tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match="latitude_deg=nan"):
        read_catalogue(tmp_path / "c.parquet")


def test_geometry_on_an_ellipsoid_is_refused(tmp_path: Path) -> None:
    body = 'DATUM["D",SPHEROID["Moon",1738100,825]],PRIMEM["R",0]'
    crs = f'GEOGCS["Moon",{body},UNIT["degree",0.0174532925199433]]'
    points = [Point(*row[:2]) for row in TRUTH]
    table = geopandas.GeoDataFrame(
        {"id": ["a", "b"], "diam_km": [2.5, 85]}, geometry=points, crs=crs
    )
    table.to_file(tmp_path / "c.gpkg")
    with pytest.raises(CatalogueError, match=r"1738\.1 by 1736\.0 km.*-a_srs"):
        read_catalogue(tmp_path / "c.gpkg")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("radian", 1.0), ("grad", 0.015707963267949), ("degree", 0.0174532925199433)],
)
@pytest.mark.parametrize("kind", ["gpkg", "shp", "parquet"])
def test_geometry_in_other_units_of_angle(
    tmp_path: Path, unit: str, factor: float, kind: str
) -> None:
    body = 'DATUM["D",SPHEROID["Moon",1737400,0]],PRIMEM["R",0]'
    scale = np.radians(1.0) / factor
    table = geopandas.GeoDataFrame(
        {"id": ["a", "b"], "diam_km": [2.5, 85]},
        geometry=[Point(scale * longitude, scale * latitude) for longitude, latitude, _ in TRUTH],
        crs=f'GEOGCS["Moon",{body},UNIT["{unit}",{factor}]]',
    )
    path = tmp_path / f"c.{kind}"
    (table.to_parquet if kind == "parquet" else table.to_file)(path)
    check(path)


def test_no_name_stands_for_two_fields() -> None:
    """Names are compared without spaces and signs: `dia_m` must not become `diam`."""
    fields: dict[str, set[str]] = {}
    for field, aliases in ALIASES.items():
        for alias in aliases:
            fields.setdefault(plain_name(alias), set()).add(field)
    assert not {name: found for name, found in fields.items() if len(found) > 1}


@pytest.mark.parametrize(
    ("name", "field"),
    [("diam", "diameter"), ("Diam", "diameter"), ("DIAM.", "diameter"), ("dia", "diameter"),
     ("dia_m", "diameter_m"), ("Dia (m)", "diameter_m"), ("DIA M", "diameter_m"),
     ("diam_km", "diameter_km")],
)  # fmt: skip
def test_a_diameter_is_in_metres_only_if_its_name_says_so(name: str, field: str) -> None:
    assert match_columns(["id", "lon", "lat", name], None).found[field] == name
