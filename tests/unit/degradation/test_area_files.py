"""Counting areas in files: what is none is refused by name, outlines of counts are read."""

import geopandas as gpd
import pandas as pd
import pytest
import shapely
from area_shapes import EQUIRECTANGULAR, GEOGRAPHIC, band_km2, write

from lunar_models.degradation import area_files, outlines
from lunar_models.degradation.area_files import read_area
from lunar_models.errors import AreaError


def craters(*places):
    table = pd.DataFrame(places, columns=["longitude_deg", "latitude_deg"], dtype="float64")
    return table.assign(diameter_km=20.0)


@pytest.mark.parametrize(
    ("shape", "crs", "message"),
    [
        (shapely.Polygon([(0, 0), (10, 10), (10, 0), (0, 10)]), GEOGRAPHIC, "crosses .* 5.000° E"),
        (shapely.box(0, 0, 1, 1), "EPSG:4326", "6,378.1 km radius; the Moon's is 1737.4"),
        (shapely.box(0, 0, 1e5, 1e5), "EPSG:3857", "6,378.1 km radius"),
        (shapely.box(0, 0, 1, 1), "IAU_2015:49900", "3,396.2 km radius"),
        (shapely.box(0, 0, 1, 1), None, "no coordinate reference system"),
        (shapely.box(0, 0, 1e6, 1e6), GEOGRAPHIC, "no longitude and latitude in degrees"),
        (shapely.box(0, 0, 1e9, 1e9), EQUIRECTANGULAR, "outside its projection"),
        (shapely.box(-100, 0, 100, 10), GEOGRAPHIC, "unclear which way round"),
        (shapely.Point(0, 0), GEOGRAPHIC, "feature 1 is a Point"),
        (shapely.Polygon(), GEOGRAPHIC, "feature 1 has an empty geometry"),
        (shapely.Polygon([(0, 0), (1, 1), (0, 0)]), GEOGRAPHIC, "itself|no area|few"),
        (
            shapely.Polygon(shapely.box(0, 0, 5, 5).exterior, [shapely.box(7, 7, 8, 8).exterior]),
            GEOGRAPHIC,
            "hole that is not inside",
        ),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_bad_polygons_are_named(tmp_path, shape, crs, message):
    with pytest.raises(AreaError, match=message):
        read_area(write(tmp_path, shape, crs=crs))


def test_a_wrong_reference_system_can_be_replaced(tmp_path):
    path = write(tmp_path, shapely.box(0, 0, 1, 1), crs="EPSG:4326")
    assert read_area(path, crs=GEOGRAPHIC).area_km2 == pytest.approx(band_km2(0, 0, 1, 1))
    with pytest.raises(AreaError, match="which is not one"):
        read_area(path, crs="moon")


def test_the_layer_with_polygons_is_read_and_several_are_refused(tmp_path):
    path = tmp_path / "layers.gpkg"
    layers = {"craters": shapely.Point(1, 1), "unit": shapely.box(0, 0, 10, 10)}
    for name, shape in layers.items():
        gpd.GeoDataFrame(geometry=[shape], crs=GEOGRAPHIC).to_file(path, layer=name)
    assert read_area(path).area_km2 == pytest.approx(band_km2(0, 0, 10, 10))
    other = gpd.GeoDataFrame(geometry=[shapely.box(20, 0, 30, 10)], crs=GEOGRAPHIC)
    other.to_file(path, layer="other")
    with pytest.raises(AreaError, match=r"several layers of polygons \(unit, other\)"):
        read_area(path)


def test_too_many_vertices_are_refused_with_the_bound(tmp_path, monkeypatch):
    circles = [shapely.Point(x, 0).buffer(0.1, quad_segs=50) for x in range(10)]
    path = write(tmp_path, *circles)  # 201 each
    monkeypatch.setattr(area_files, "MOST_VERTICES", 2_010)
    assert read_area(path).area_km2 > 0
    monkeypatch.setattr(area_files, "MOST_VERTICES", 2_009)
    with pytest.raises(AreaError, match="has 2,010 vertices, more than the 2,009 that are read"):
        read_area(path)
    monkeypatch.setattr(area_files, "MOST_BYTES", 1_000)
    with pytest.raises(AreaError, match="more than 1,000 bytes"):
        read_area(path)


def test_a_ring_of_few_vertices_that_is_long_on_the_ground_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(outlines, "_MOST_VERTICES", 1_000)
    with pytest.raises(AreaError, match="vertices is too long; simplify it to fewer than 1,000"):
        read_area(write(tmp_path, shapely.box(-60, -60, 60, 60)))


def test_files_without_polygons_are_named(tmp_path):
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")
    for path, message in (
        (empty, "no features"),
        (table, "no features|cannot be read"),
        (tmp_path / "missing.gpkg", "no polygon file"),
    ):
        with pytest.raises(AreaError, match=message):
            read_area(path)


def scc(vertices, radius_km=1737.4, area_km2=None):
    rows = "\n".join(
        f"{i}\t{sub}\t{tag}\t{x}\t{y}" for i, (sub, tag, x, y) in enumerate(vertices, 1)
    )
    stated = f"Total_area = {area_km2} <km^2>\n" if area_km2 is not None else ""
    return (
        f"a_axis_radius = {radius_km} <km>\nunit_boundary = {{vertex, sub_area, tag, lon, lat\n"
        f"{rows}\n}}\n{stated}crater = {{diam, lon, lat\n2.5\t1.0\t1.0\n}}\n"
    )


def test_the_outline_of_a_spatial_count(tmp_path):
    path = tmp_path / "count.scc"
    corners = [(1, "ext", 0, 0), (1, "ext", 10, 0), (1, "ext", 10, 10), (1, "ext", 0, 10)]
    hole = [(2, "int", 2, 2), (2, "int", 4, 2), (2, "int", 4, 4), (2, "int", 2, 4)]
    truth = band_km2(0, 0, 10, 10) - band_km2(2, 2, 4, 4)
    path.write_text(scc(corners + hole, area_km2=truth))
    assert read_area(path).area_km2 == pytest.approx(truth)
    assert not read_area(path).notes
    path.write_text(scc(corners, area_km2=50_000))
    assert "states an area of 50,000 km²" in read_area(path).notes[0]
    path.write_text(scc(corners, area_km2=0))
    assert "states an area of 0 km²" in read_area(path).notes[0]
    path.write_text(scc(corners, radius_km=3396.19))
    with pytest.raises(AreaError, match="3396"):
        read_area(path)
