from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunar_models.catalogue.table import filter_catalogue, read_catalogue
from lunar_models.errors import CatalogueError
from lunar_models.terms import CRATER_COLUMNS

ROBBINS = (
    "CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,LAT_ELLI_IMG,LON_ELLI_IMG,DIAM_CIRC_IMG,ARC_IMG\n"
    "00-1-000001,-19.83,264.757,,,940.96,0.6\n"
    "00-1-000002,44.78,0,44.8,0.1,249.84,\n"
    "00-1-000003,-90,180,,,1.5,\n"
)
OURS = pd.DataFrame(
    {
        "crater_id": ["a", "b"],
        "longitude_deg": [10.0, -170.0],
        "latitude_deg": [5.0, -5.0],
        "diameter_km": [3.0, 4.0],
    }
)


def write(folder: Path, text: str, name: str = "catalogue.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_robbins_is_read_with_longitudes_from_minus_180(tmp_path: Path) -> None:
    catalogue, rejected = read_catalogue(write(tmp_path, ROBBINS))
    assert tuple(catalogue.columns) == CRATER_COLUMNS
    assert catalogue["crater_id"].tolist() == ["00-1-000001", "00-1-000002", "00-1-000003"]
    assert catalogue["longitude_deg"].tolist() == pytest.approx([-95.243, 0, -180])
    assert catalogue["latitude_deg"].tolist() == [-19.83, 44.78, -90]
    assert catalogue["diameter_km"].tolist() == [940.96, 249.84, 1.5]
    assert rejected.empty


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,,10,1", "latitude_deg=nan is missing or not a number (row 2)"),
        ("x,95.5,10,1", "latitude_deg=95.5 is outside [-90, 90] (row 2)"),
        ("x,0,-180.1,1", "longitude_deg=-180.1 is outside [-180, 360] (row 2)"),
        ("x,0,360.5,1", "longitude_deg=360.5 is outside [-180, 360] (row 2)"),
        ("x,0,east,1", "longitude_deg=nan is missing or not a number (row 2)"),
        ("x,0,10,0", "diameter_km=0.0 is not between 0 and 3474.8 km (row 2)"),
        ("x,0,10,-3", "diameter_km=-3.0 is not between 0 and 3474.8 km (row 2)"),
        ("x,0,10,5000", "diameter_km=5000.0 is not between 0 and 3474.8 km (row 2)"),
        (",0,10,1", "crater_id= is empty (row 2)"),
        ("good,0,10,1", "crater_id=good repeats a row above (row 2)"),
    ],
)
def test_bad_rows_are_rejected_with_their_reason(tmp_path: Path, row: str, reason: str) -> None:
    header = "CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,DIAM_CIRC_IMG\ngood,1,2,3\n"
    catalogue, rejected = read_catalogue(write(tmp_path, f"{header}{row}\nlast,1,2,3\n"))
    assert catalogue["crater_id"].tolist() == ["good", "last"]
    assert rejected.to_dict("list") == {"crater_id": [row.split(",")[0]], "reason": [reason]}


def test_all_faults_of_a_row_are_told(tmp_path: Path) -> None:
    text = "crater_id,latitude_deg,longitude_deg,diameter_km\na,0,0,1\nb,99,999,1\n"
    _, rejected = read_catalogue(write(tmp_path, text))
    assert rejected["reason"].tolist() == [
        "longitude_deg=999.0 is outside [-180, 360]; latitude_deg=99.0 is outside [-90, 90] (row 2)"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG\na,1,2\n",
            "no column for diameter_km; .* such as columns=",
        ),
        ("CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,DIAM_CIRC_IMG\n", "no rows"),
        ("", "is empty"),
        ("CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,DIAM_CIRC_IMG\na,,0,1\n", "no valid row among 1"),
        ("CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,DIAM_CIRC_IMG\na,1,0\n", "cannot be read"),
    ],
)
def test_unusable_catalogues_are_errors(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogueError, match=message):
        read_catalogue(write(tmp_path, text))


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no catalogue file"):
        read_catalogue(tmp_path / "none.csv")
    for name in ("broken.parquet", "broken.gpkg", "broken.csv"):
        (tmp_path / name).write_bytes(bytes(range(128, 256)))
        with pytest.raises(CatalogueError, match="cannot be read"):
            read_catalogue(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        # LU1319373: notes above the header, tabs, metres
        (
            "Notes, 2021\n\nmore\nID\tLongitude\tLatitude\tDiameter(m)\tDepth(m)\tSource_lon\n"
            "a\t10\t5\t3000\t1\t0\nb\t-170\t-5\t4000\t1\t0\n",
            "LU.txt",
        ),
        (
            "Feature_ID,Feature_Name,Diameter,Center_Latitude,Center_Longitude\na,A,3,5,10\nb,B,4,-5,190\n",
            "iau.csv",
        ),
        (
            "Feature ID;Center Latitude;Center Longitude;Diameter\na;5;10;3\nb;-5;190;4\n",
            "iau2.csv",
        ),
        (
            "\ufeffcrater_id,longitude_deg,latitude_deg,diameter_km\na,10,5,3\nb,190,-5,4\n",
            "bom.csv",
        ),
    ],
)
def test_known_catalogues_are_recognised(tmp_path: Path, text: str, name: str) -> None:
    catalogue, _ = read_catalogue(write(tmp_path, text, name))
    pd.testing.assert_frame_equal(catalogue, OURS)


@pytest.mark.parametrize(
    "header", ["Lon,Lat,Diam_km", "Long,Lat,Diameter (km)", "x_coord,y_coord,Diam_km"]
)
def test_rows_without_ids_are_numbered(tmp_path: Path, header: str) -> None:
    catalogue, _ = read_catalogue(write(tmp_path, f"{header}\n10,5,3\n190,-5,4\n"))
    numbered = OURS.assign(crater_id=["row-0000001", "row-0000002"])
    pd.testing.assert_frame_equal(catalogue, numbered)


def test_an_explicit_mapping_reads_any_table(tmp_path: Path) -> None:
    path = write(tmp_path, "nr,ost,nord,LON_CIRC_IMG,m\na,10,5,0,3000\nb,190,-5,0,4000\n")
    mapping = {"crater_id": "nr", "longitude_deg": "ost", "latitude_deg": "nord", "diameter_m": "m"}
    catalogue, _ = read_catalogue(path, columns=mapping)
    pd.testing.assert_frame_equal(catalogue, OURS)
    with pytest.raises(CatalogueError, match="no column for west; its columns are nr, ost"):
        read_catalogue(path, columns=mapping | {"longitude_deg": "west"})
    with pytest.raises(CatalogueError, match="Unknown column name longitude"):
        read_catalogue(path, columns={"longitude": "ost"})


def test_parquet_keeps_whole_number_ids(tmp_path: Path) -> None:
    OURS.assign(crater_id=[7, 8], other=1).to_parquet(tmp_path / "c.parquet")
    catalogue, _ = read_catalogue(tmp_path / "c.parquet")
    pd.testing.assert_frame_equal(catalogue, OURS.assign(crater_id=["7", "8"]))


@pytest.mark.parametrize("name", ["c.parquet", "c.gpkg", "c.shp"])
@pytest.mark.parametrize("crs", ["+proj=longlat +R=1737400", "+proj=eqc +R=1737400 +units=m"])
def test_point_geometry_gives_the_coordinates(tmp_path: Path, name: str, crs: str) -> None:
    points = geopandas.points_from_xy(
        OURS["longitude_deg"], OURS["latitude_deg"], crs="+proj=longlat +R=1737400"
    )
    table = OURS[["crater_id", "diameter_km"]].rename(
        columns={"crater_id": "CRATER_ID", "diameter_km": "DIAM_C_IM"}
    )
    frame = geopandas.GeoDataFrame(table, geometry=points).to_crs(crs)
    if name.endswith("parquet"):
        frame.to_parquet(tmp_path / name)
    else:
        frame.to_file(tmp_path / name)
    catalogue, _ = read_catalogue(tmp_path / name)
    pd.testing.assert_frame_equal(catalogue, OURS, check_exact=False, atol=1e-6)


def test_filter_bounds_are_inclusive_and_every_loss_has_a_reason() -> None:
    catalogue = OURS.iloc[[0] * 5].assign(
        crater_id=list("abcde"),
        diameter_km=[1.0, 0.9, 10.0, 10.1, 5.0],
        latitude_deg=[60.0, 0.0, -60.0, 0.0, -60.1],
    )
    kept, rejected = filter_catalogue(
        catalogue,
        diameter_min_km=1,
        diameter_max_km=10,
        latitude_min_deg=-60,
        latitude_max_deg=60,
    )
    assert kept["crater_id"].tolist() == ["a", "c"]
    assert dict(rejected.to_numpy()) == {
        "b": "diameter_km is below 1",
        "d": "diameter_km is above 10",
        "e": "latitude_deg is below -60",
    }


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (None, None, [-180, -170, 0, 170]),
        (-170, 0, [-170, 0]),
        (170, -170, [-180, -170, 170]),  # across the antimeridian
        (170, 190, [-180, -170, 170]),
        (0, 360, [-180, -170, 0, 170]),
        (-180, 180, [-180, -170, 0, 170]),
        (0, None, [-180, 0, 170]),  # 180 E is 180 W
        (None, -170, [-180, -170]),
        (-180, 360, [-180, -170, 0, 170]),  # more than one turn
        (-10, 355, [-180, -170, 0, 170]),
        (190, None, [-170, 0]),  # to 360 E, which is 0
        (185, None, [-170, 0]),
        (None, 190, [-180, -170, 0, 170]),  # from 0 E
        (None, 175, [-180, -170, 0, 170]),
        (180, -180, [-180]),
    ],
)
def test_longitude_range(low: float | None, high: float | None, expected: list[float]) -> None:
    catalogue = OURS.iloc[[0] * 4].assign(longitude_deg=[-180.0, -170.0, 0.0, 170.0])
    kept, rejected = filter_catalogue(catalogue, longitude_min_deg=low, longitude_max_deg=high)
    assert kept["longitude_deg"].tolist() == expected
    assert len(kept) + len(rejected) == 4


@given(count=st.integers(0, 60), limit=st.integers(1, 60), seed=st.integers(0, 9))
def test_limit_draws_a_seeded_sample_in_catalogue_order(count: int, limit: int, seed: int) -> None:
    catalogue = pd.DataFrame(
        {name: np.arange(count, dtype=float) for name in CRATER_COLUMNS[1:]}
    ).assign(crater_id=[str(i) for i in range(count)])
    kept, rejected = filter_catalogue(catalogue, limit=limit, seed=seed)
    again, _ = filter_catalogue(catalogue, limit=limit, seed=seed)
    assert kept["crater_id"].tolist() == again["crater_id"].tolist()
    assert len(kept) == min(count, limit)
    assert kept["diameter_km"].is_monotonic_increasing
    assert set(kept["crater_id"]) | set(rejected["crater_id"]) == set(catalogue["crater_id"])


def test_limit_depends_on_the_seed() -> None:
    catalogue = OURS.iloc[[0] * 50].assign(crater_id=[str(i) for i in range(50)])
    first, second = (
        set(filter_catalogue(catalogue, limit=10, seed=s)[0]["crater_id"]) for s in (1, 2)
    )
    assert first != second
