"""Points and outlines of vector layers: what their axes, names, shapes and words may hide."""

import sqlite3
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from shapely.geometry import LineString, MultiPoint, MultiPolygon, Point, Polygon, box

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.interpretation import CatalogueReading
from lunar_models.errors import CatalogueError
from lunar_models.moon import LUNAR_GEOGRAPHIC, MOON_RADIUS_KM

LONGITUDE, LATITUDE, DIAMETER = [20.5, 339.75, 100.75], [10.25, -35.5, 60.125], [1.5, 7.25, 93.0]
POINTS = [Point((a + 180) % 360 - 180, b) for a, b in zip(LONGITUDE, LATITUDE, strict=True)]
GEOGCS = (
    'GEOGCS["Moon",DATUM["D_Moon",SPHEROID["Moon",1737400.0,0.0]],PRIMEM["Reference",0.0],'
    'UNIT["Degree",0.0174532925199433]AXES]'
)


def rim(longitude: float, latitude: float, diameter_km: float, count: int = 64) -> Any:
    """Vertices of a circle on the sphere, (count, 2) degrees, by the spherical law of cosines."""
    c, lat = diameter_km / 2.0 / MOON_RADIUS_KM, np.radians(latitude)
    azimuth = 2.0 * np.pi * (np.arange(count) + 0.3) / count
    north = np.arcsin(np.sin(lat) * np.cos(c) + np.cos(lat) * np.sin(c) * np.cos(azimuth))
    east = np.arctan2(
        np.sin(azimuth) * np.sin(c) * np.cos(lat), np.cos(c) - np.sin(lat) * np.sin(north)
    )
    return np.column_stack((longitude + np.degrees(east), np.degrees(north)))


OUTLINES = [
    Polygon(rim(p.x, p.y, d)) for p, d in zip(POINTS, DIAMETER, strict=True)
]  # fmt: skip


def written(
    folder: Path,
    shapes: list[Any],
    name: str = "c.gpkg",
    crs: Any = LUNAR_GEOGRAPHIC,
    **columns: Any,
) -> Path:
    table = pd.DataFrame({"id": range(1, len(shapes) + 1), **columns})
    geopandas.GeoDataFrame(table, geometry=shapes, crs=crs).to_file(folder / name)
    return folder / name


def check(reading: CatalogueReading, diameter: Any = DIAMETER) -> None:
    rows = reading.rows
    assert (rows["longitude_deg"] % 360).to_list() == pytest.approx(LONGITUDE, abs=1e-3)
    assert rows["latitude_deg"].to_list() == pytest.approx(LATITUDE, abs=1e-3)
    assert rows["diameter_km"].to_list() == pytest.approx(diameter, rel=1e-3)


@pytest.mark.parametrize("axis", ["WEST", "SOUTH"])
def test_prj_with_reversed_axes(tmp_path: Path, axis: str) -> None:
    path = written(tmp_path, POINTS, "c.shp", diam_km=DIAMETER)
    path.with_suffix(".prj").write_text(GEOGCS.replace("AXES", f',AXIS["Angle",{axis}]'))
    with pytest.raises(CatalogueError, match="reverses an axis"):
        understand_catalogue(path, None)
    path.with_suffix(".prj").write_text(GEOGCS.replace("AXES", ',AXIS["Longitude",EAST]'))
    check(understand_catalogue(path, None))


def test_coordinates_of_a_map_in_columns(tmp_path: Path) -> None:
    crs = "+proj=eqc +R=1737400 +units=m +no_defs +type=crs"
    shapes = list(geopandas.GeoSeries(POINTS, crs=LUNAR_GEOGRAPHIC).to_crs(crs))
    path = written(
        tmp_path, shapes, crs=crs, diameter_km=DIAMETER,
        x_coord=[p.x for p in shapes], y_coord=[p.y for p in shapes],
    )  # fmt: skip
    reading = understand_catalogue(path, None)
    check(reading)
    assert any("x_coord and y_coord hold no degrees" in note for note in reading.notes)


def test_multipoints_of_one_point_each(tmp_path: Path) -> None:
    check(understand_catalogue(
        written(tmp_path, [MultiPoint([p]) for p in POINTS], diameter_km=DIAMETER), None
    ))  # fmt: skip


@pytest.mark.parametrize(
    ("name", "crs"), [("c.geojson", "EPSG:4979"), ("c.gpkg", LUNAR_GEOGRAPHIC)]
)
def test_points_with_heights(tmp_path: Path, name: str, crs: str) -> None:
    points = [Point(p.x, p.y, -1800.0) for p in POINTS]
    check(understand_catalogue(written(tmp_path, points, name, crs, diameter_km=DIAMETER), None))


def test_extents_beside_outlines_are_no_pixels(tmp_path: Path) -> None:
    bounds = np.array([shape.bounds for shape in OUTLINES]).T
    names = ("xmin", "ymin", "xmax", "ymax")
    path = written(tmp_path, OUTLINES, **dict(zip(names, bounds, strict=True)))
    check(understand_catalogue(path, None))


@pytest.mark.parametrize("seam", [180.0, 360.0])
def test_outlines_cut_at_a_meridian(tmp_path: Path, seam: float) -> None:
    truth = [(seam, 0.0, 60.0), (seam - 0.5, 10.0, 50.0), (seam + 0.4, -20.0, 40.0)]
    shapes = []
    for crater in truth:
        whole = Polygon(rim(*crater, count=128))
        west = whole.intersection(box(seam - 90, -90, seam, 90))
        east = whole.intersection(box(seam, -90, seam + 90, 90))
        shapes.append(MultiPolygon([west, shapely.affinity.translate(east, -360)]))
    rows = understand_catalogue(written(tmp_path, shapes), None).rows
    away = (rows["longitude_deg"] - [c[0] for c in truth] + 180) % 360 - 180
    assert away.abs().max() < 1e-3
    assert rows["latitude_deg"].to_list() == pytest.approx([c[1] for c in truth], abs=1e-3)
    assert rows["diameter_km"].to_list() == pytest.approx([c[2] for c in truth], rel=1e-3)


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ([box(a, b, a + 0.1, b + 0.1) for a, b in ((1, 1), (2, 2), (3, 3))], "boxes"),
        ([Polygon(rim(p.x, p.y, 30.0, 3)) for p in POINTS], "triangles"),
        ([LineString([(p.x, p.y), (p.x, p.y + 1)]) for p in POINTS], "fewer than 5 vertices"),
        ([Polygon([(0, 0), (10, 1), (12, 8), (3, 20), (1, 4), (-5, 2)])] * 3, "no circles"),
    ],
)
def test_shapes_that_are_no_rims(tmp_path: Path, shapes: list[Any], said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        understand_catalogue(written(tmp_path, shapes), None)


def test_sizes_beside_outlines(tmp_path: Path) -> None:
    check(understand_catalogue(written(tmp_path, OUTLINES, diameter=DIAMETER), None))
    half = [value / 2.0 for value in DIAMETER]
    with pytest.raises(CatalogueError, match=r"outlines are 2 times as large as column 'diameter'"):
        understand_catalogue(written(tmp_path, OUTLINES, diameter=half), None)
    reading = understand_catalogue(written(tmp_path, OUTLINES, diameter_km=half), None)
    assert any("outlines are 2 times as large" in note for note in reading.notes)


def test_westward_columns_beside_outlines(tmp_path: Path) -> None:
    west = [-value for value in LONGITUDE]
    path = written(tmp_path, OUTLINES, lon=west, lat=LATITUDE, diameter_km=DIAMETER)
    with pytest.raises(CatalogueError, match="from its geometry"):
        understand_catalogue(path, None)


@pytest.mark.filterwarnings("ignore:.*(truncated|laundered)")
@pytest.mark.parametrize(
    ("name", "factor", "said"),
    [
        ("crater_diameter_km", 1.0, None),
        ("diameter_kilometers", 1.0, None),
        ("crater_diameter_m", 1000.0, "names no unit"),
        ("diameter_in_m", 1000.0, "names no unit"),
        ("radius_in_m", 500.0, "names no unit"),
        ("diameter_mean_km", 1.0, "may have been cut"),
        ("diameter_meters", 1000.0, None),
    ],
)
def test_names_of_sizes_that_a_shapefile_cut(
    tmp_path: Path, name: str, factor: float, said: str | None
) -> None:
    values = [value * factor for value in DIAMETER]
    path = written(tmp_path, POINTS, "c.shp", **{name: values})
    if said is None:
        check(understand_catalogue(path, None))
    else:
        with pytest.raises(CatalogueError, match=said):
            understand_catalogue(path, None)


@pytest.mark.filterwarnings("ignore:.*(truncated|laundered)")
def test_cut_names_without_geometry(tmp_path: Path) -> None:
    path = written(
        tmp_path, POINTS, "c.shp", longitude_west=LONGITUDE, lat=LATITUDE, diam_km=DIAMETER
    )
    alone = path.with_name("alone.dbf")
    alone.write_bytes(path.with_suffix(".dbf").read_bytes())
    with pytest.raises(CatalogueError, match="may be cut from a name of eastward or of westward"):
        understand_catalogue(alone, None)
    path = written(
        tmp_path, POINTS, "s.shp", diam_km=DIAMETER,
        SUB_SOLAR_LATITUDE=[0.5] * 3, SUB_SOLAR_LONGITUDE=[120.0] * 3,
    )  # fmt: skip
    assert "sub_solar_longitude_deg" not in understand_catalogue(path, None).rows


def described(path: Path, text: str) -> Path:
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_contents SET description = ?", (text,))
    database.close()
    return path


def test_description_of_a_layer(tmp_path: Path) -> None:
    columns = {"lat": LATITUDE, "diameter_km": DIAMETER}
    path = written(tmp_path, [None] * 3, lon=[-a for a in LONGITUDE], **columns)
    check(understand_catalogue(described(path, "longitudes are positive west"), None))
    path = written(tmp_path, POINTS, "p.gpkg", diameter=[1500.0, 7250.0, 93000.0])
    check(understand_catalogue(described(path, "Diameters in metres"), None))


def test_metadata_beside_a_shapefile(tmp_path: Path) -> None:
    path = written(tmp_path, POINTS, "c.shp", diameter=[0.75, 3.625, 46.5])
    path.with_suffix(".shp.xml").write_text(
        "<metadata><attrlabl>diameter</attrlabl>\n<attrdef>values are radii</attrdef></metadata>"
    )
    with pytest.raises(CatalogueError, match="radii or diameters"):
        understand_catalogue(path, None)
