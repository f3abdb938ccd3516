"""Tables read back with the programs that people use."""

import json
import sqlite3
from xml.etree import ElementTree as xml

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import pytest

from lunar_models.catalogue import geoparquet
from lunar_models.clustering import NOISE, ClusterAssignment
from lunar_models.errors import CatalogueError
from lunar_models.export import columns, tables
from lunar_models.export.geopackage_style import cluster_qml
from lunar_models.heads.head import HeadPrediction
from serving.model.table import flat

COLOURS = ["#0072b2", "#d55e00", "#009e73"]
MOON = pyproj.CRS("IAU_2015:30100")


@pytest.fixture
def table() -> pd.DataFrame:
    metadata = pd.DataFrame(
        {
            "crater_id": [f"00-1-{n:06d}" for n in range(5)],
            "longitude_deg": [-180.0, -90.123456, 0.0, 12.5, 179.999999],
            "latitude_deg": [-90.0, -12.25, 0.0, 45.654321, 90.0],
            "diameter_km": [1.0, 2.5, 3.25, 10.0, 99.0],
            "native_px": np.float32([1, 2, 3, 4, 5]),
        },
        index=[9, 8, 7, 6, 5],
    )
    assignment = ClusterAssignment(
        np.int32([0, 2, NOISE, 1, 0]), *(np.float32([0.0, 0.25, 0.5, 0.75, 1.0]) for _ in range(3))
    )
    extra = pd.DataFrame({"state": np.int8([1, 2, 3, 4, 4]), "note": ['a "b"', "", "é", None, "x"]})
    return tables.cluster_table(metadata, assignment, extra, None)


def check_points(points: gpd.GeoDataFrame, table: pd.DataFrame) -> None:
    assert points.crs.equals(MOON, ignore_axis_order=True)
    assert points.crs.ellipsoid.semi_major_metre == 1_737_400
    assert len(points) == len(table)
    np.testing.assert_allclose(points.geometry.x, table["longitude_deg"], atol=1e-6)
    np.testing.assert_allclose(points.geometry.y, table["latitude_deg"], atol=1e-6)
    assert points["crater_id"].tolist() == table["crater_id"].tolist()
    assert points["cluster_id"].tolist() == [0, 2, NOISE, 1, 0]
    assert points["state"].tolist() == [1, 2, 3, 4, 4]


def test_the_table_keeps_places_and_adds_clusters(table: pd.DataFrame) -> None:
    assert list(table) == [
        "crater_id", "longitude_deg", "latitude_deg", "diameter_km",
        "cluster_id", "cluster_distance", "cluster_confidence", "novelty", "state", "note",
    ]  # fmt: skip
    assert table["cluster_id"].dtype == np.int32
    assert table["cluster_confidence"].dtype == np.float32
    assert table["longitude_deg"].dtype == np.float64


def test_the_suns_azimuth_in_the_image_is_told_where_it_is_known():
    metadata = pd.DataFrame(
        {
            "crater_id": ["a", "b"], "longitude_deg": [0.0, 1.0], "latitude_deg": [0.0, 1.0],
            "diameter_km": [1.0, 2.0], "sun_azimuth_deg": np.float32([90.0, np.nan]),
        }
    )  # fmt: skip
    assignment = ClusterAssignment(np.int32([0, 0]), *(np.float32([0.0, 0.0]) for _ in range(3)))
    told = tables.cluster_table(metadata, assignment)["image_sun_azimuth_deg"]
    assert told[0] == 90.0
    assert np.isnan(told[1])
    unknown = metadata.assign(sun_azimuth_deg=np.nan)
    assert tables.SUN not in tables.cluster_table(unknown, assignment)


def test_rows_must_match(table: pd.DataFrame) -> None:
    assignment = ClusterAssignment(np.zeros(4, np.int32), *(np.zeros(4, np.float32),) * 3)
    with pytest.raises(CatalogueError, match=r"\[4, 5\] rows"):
        tables.cluster_table(table, assignment)


def test_longitudes_of_0_to_360_are_refused(table: pd.DataFrame) -> None:
    east = table.assign(longitude_deg=[0.0, 90.0, 180.0, 270.0, 359.0])
    assignment = ClusterAssignment(np.zeros(5, np.int32), *(np.zeros(5, np.float32),) * 3)
    with pytest.raises(CatalogueError, match=r"359\.000"):
        tables.cluster_table(east, assignment)


def test_csv(table: pd.DataFrame, tmp_path) -> None:
    tables.write_csv(tmp_path / "clusters.csv", table)
    back = pd.read_csv(tmp_path / "clusters.csv")
    assert list(back) == list(table)
    assert back["cluster_id"].dtype == np.int64
    np.testing.assert_allclose(back["longitude_deg"], table["longitude_deg"], atol=1e-6)


@pytest.mark.parametrize("piece", [2, 50_000])
def test_geojson(table: pd.DataFrame, tmp_path, monkeypatch, piece: int) -> None:
    monkeypatch.setattr(tables, "_PIECE", piece)
    path = tmp_path / "clusters.geojson"
    tables.write_geojson(path, table)
    check_points(gpd.read_file(path), table)
    properties = [f["properties"] for f in json.loads(path.read_text())["features"]]
    assert properties[0]["note"] == 'a "b"'
    assert properties[3]["note"] is None


def test_geojson_without_craters_is_valid(table: pd.DataFrame, tmp_path) -> None:
    tables.write_geojson(tmp_path / "empty.geojson", table[:0])
    assert json.loads((tmp_path / "empty.geojson").read_text())["features"] == []


@pytest.mark.parametrize("piece", [2, 50_000])
def test_geoparquet(table: pd.DataFrame, tmp_path, monkeypatch, piece: int) -> None:
    monkeypatch.setattr(geoparquet, "_PIECE", piece)
    geoparquet.write_points(tmp_path / "clusters.parquet", table)
    points = gpd.read_parquet(tmp_path / "clusters.parquet")
    check_points(points, table)
    assert points.crs.to_authority() == ("IAU_2015", "30100")
    assert list(points) == [*table, "geometry"]
    assert points["cluster_id"].dtype == np.int32
    assert points["cluster_distance"].dtype == np.float32
    assert points["crater_id"].dtype == table["crater_id"].dtype
    assert points["note"].tolist() == table["note"].tolist()


def test_geoparquet_without_craters(table: pd.DataFrame, tmp_path) -> None:
    geoparquet.write_points(tmp_path / "empty.parquet", table[:0])
    assert gpd.read_parquet(tmp_path / "empty.parquet").empty


@pytest.mark.parametrize("piece", [2, 50_000])
def test_geopackage(table: pd.DataFrame, tmp_path, monkeypatch, piece: int) -> None:
    monkeypatch.setattr(tables, "_PIECE", piece)
    path = tmp_path / "clusters.gpkg"
    path.write_bytes(b"an older file")
    tables.write_geopackage(path, table, COLOURS)
    points = gpd.read_file(path, layer="clusters")
    check_points(points, table)
    assert points["cluster_id"].dtype == np.int32
    assert points["cluster_distance"].dtype == np.float32


def test_geopackage_carries_a_default_style(table: pd.DataFrame, tmp_path) -> None:
    path = tmp_path / "clusters.gpkg"
    tables.write_geopackage(path, table, COLOURS)
    database = sqlite3.connect(path)
    (layer, geometry, qml, default), = database.execute(
        "SELECT f_table_name, f_geometry_column, styleQML, useAsDefault FROM layer_styles"
    )  # fmt: skip
    registered = database.execute(
        "SELECT column_name FROM gpkg_geometry_columns WHERE table_name = ?", (layer,)
    ).fetchone()
    database.close()
    assert (layer, geometry, default) == ("clusters", registered[0], 1)
    assert qml == cluster_qml(COLOURS)


def test_every_cluster_and_noise_has_its_colour() -> None:
    qgis = xml.fromstring(cluster_qml(COLOURS))
    colour_of = {
        symbol.get("name"): symbol.find(".//Option[@name='color']").get("value")
        for symbol in qgis.iter("symbol")
    }
    shown = {c.get("value"): colour_of[c.get("symbol")] for c in qgis.iter("category")}
    assert shown["0"] == "0,114,178,255"
    assert shown["2"] == "0,158,115,255"
    assert set(shown) == {"0", "1", "2", "-1"}


@pytest.mark.parametrize("piece", [3, 50_000])
def test_embeddings_and_latents(tmp_path, monkeypatch, piece: int) -> None:
    monkeypatch.setattr(tables, "_PIECE", piece)
    ids = [f"c{n}" for n in range(7)]
    embeddings = np.random.default_rng(0).normal(size=(7, 4))
    scores = tables.score_table(np.linspace(0, 1, 14).reshape(7, 2))
    table = pd.DataFrame({"state": 1, "crater_id": ids}).join(scores)
    tables.write_embeddings(tmp_path / "embeddings.parquet", table, embeddings)
    tables.write_latents(tmp_path, ids, embeddings)
    back = pd.read_parquet(tmp_path / "embeddings.parquet")
    latents = np.load(tmp_path / "latents.npy", allow_pickle=False)
    assert list(back) == [
        "crater_id",
        "encoder_degradation",
        "encoder_degradation_uncertainty",
        "embedding",
    ]
    assert back["crater_id"].tolist() == ids
    np.testing.assert_array_equal(back["encoder_degradation"], scores["encoder_degradation"])
    assert back["encoder_degradation_uncertainty"].dtype == np.float32
    assert latents.dtype == np.float32
    np.testing.assert_array_equal(np.stack(back["embedding"]), embeddings.astype(np.float32))
    np.testing.assert_array_equal(latents, embeddings.astype(np.float32))
    assert pd.read_csv(tmp_path / "latents_ids.csv")["crater_id"].tolist() == ids


def test_states_are_told_as_an_answer_over_rest_tells_them() -> None:
    """The same names; with what cannot be excluded, and whether a person should look."""
    prediction = HeadPrediction(
        state=np.array(["fresh", "fresh"]),
        probabilities=np.array([[0.9, 0.1], [0.55, 0.45]]),
        conformal_set=np.array([[True, False], [True, True]]),
        score=np.array([0.1, 0.45]),
        score_std=np.array([0.3, 0.5]),
        abstained=np.array([False, True]),
    )
    made = tables.state_table(prediction, ["fresh", "old"])
    assert made["conformal_set"].tolist() == ["fresh", "fresh|old"]
    assert made["abstained"].tolist() == [False, True]
    assert made["state_name"].tolist() == ["fresh", "fresh"]
    answer = dict.fromkeys(
        ("state", "cluster", "degradation", "error", "encoder_degradation", "novelty", "physics")
    )
    rest = flat({**answer, "similar": [], "warnings": [], "model": {"version": None}})
    told = {*made, *columns.CLUSTER_COLUMNS, *columns.SCORE_COLUMNS} - {"cluster_distance"}
    assert {n for n in told if not n.startswith(("probability_", "state_name"))} <= {*rest}
