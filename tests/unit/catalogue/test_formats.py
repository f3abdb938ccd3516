"""Catalogues as they come: each a small file whose two craters are known."""

import gzip
import json
import logging
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Polygon

from lunar_models.catalogue import read_catalogue
from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.errors import CatalogueError

TRUTH = pd.DataFrame(
    {
        "crater_id": ["T-01", "T-02"],
        "longitude_deg": [-25.25, 110.5],
        "latitude_deg": [15.125, -43.75],
        "diameter_km": [2.5, 85.0],
    }
)
HEADER = "crater_id,longitude_deg,latitude_deg,diameter_km"
ROWS = "T-01,-25.25,15.125,2.5\nT-02,110.5,-43.75,85"


def write(folder: Path, data: str | bytes, name: str = "c.csv") -> Path:
    data = data.encode() if isinstance(data, str) else data
    (folder / name).write_bytes(data)
    return folder / name


def check(path: Path, *, ids: bool = True, columns: dict[str, str] | None = None) -> None:
    table, rejected = read_catalogue(path, columns=columns)
    expected = TRUTH if ids else TRUTH.assign(crater_id=["row-0000001", "row-0000002"])
    pd.testing.assert_frame_equal(table, expected, check_exact=False, atol=1e-9)
    assert rejected.empty


WRITTEN = {
    "hash header": "#" + HEADER + "\n" + ROWS,
    "hash and space": "# a note\n# " + HEADER + "\n" + ROWS,
    "note that looks like a header": f"# {HEADER} of the Moon\n{HEADER}\n{ROWS}",
    "percent header": "%" + HEADER + "\n" + ROWS,
    "CR only": f"{HEADER}\n{ROWS}\n".replace("\n", "\r"),
    "CRLF": f"{HEADER}\n{ROWS}\n".replace("\n", "\r\n"),
    "BOM": "\ufeff" + HEADER + "\n" + ROWS,
    "quoted header": ",".join(f'"{n}"' for n in HEADER.split(",")) + "\n" + ROWS,
    "spaces": HEADER.replace(",", " , ") + "\n" + ROWS.replace(",", ", "),
    "hemisphere columns": "name,longitude,EW,latitude,NS,diameter\n"
    "T-01,25.25,W,15.125,N,2.5\nT-02,110.5,E,43.75,S,85",
    "hemisphere columns of other names": "crater_id,lon,q1,lat,q2,diam_km\n"
    "T-01,25.25,west,15.125,north,2.5\nT-02,110.5,east,43.75,south,85",
    "hemisphere letters": "crater_id,lon,lat,diam_km\n"
    'T-01,25.25 W,15.125N,2.5\nT-02,"E 110.5",43.75° S,85',
    "degrees and minutes": "crater_id;lon;lat;diam_km\n"
    "T-01;25°15' W;15°7.5' N;2.5\nT-02;110°30'00\" E;43°45' S;85",
    "minus sign of typesetters": f"{HEADER}\n{ROWS}".replace("-25", "\u221225").replace(
        "-43", "\u221243"
    ),
    "positive west": "crater_id,lon_w,lat,diam_km\nT-01,25.25,15.125,2.5\nT-02,249.5,-43.75,85",
    "decimal commas": "crater_id;lon;lat;diam_km\nT-01;-25,25;15,125;2,5\nT-02;110,5;-43,75;85",
    "decimal commas, thousands": "crater_id;lon;lat;diameter_m\n"
    "T-01;-25,25;15,125;2.500\nT-02;110,5;-43,75;85.000,0",
    "thousands": "crater_id,lon,lat,diameter_m\n"
    'T-01,-25.25,15.125,"2,500"\nT-02,110.5,-43.75,"85,000.0"',
    "thousands by apostrophe": "crater_id,lon,lat,diameter_m\n"
    "T-01,-25.25,15.125,2'500\nT-02,110.5,-43.75,85 000",
    "metres": "crater_id,lon,lat,Diameter [m]\nT-01,-25.25,15.125,2500\nT-02,110.5,-43.75,85000",
    "radii": "crater_id,lon,lat,radius_km\nT-01,-25.25,15.125,1.25\nT-02,110.5,-43.75,42.5",
    "radii in metres": "crater_id,lon,lat,Radius (m)\nT-01,-25.25,15.125,1250\n"
    "T-02,110.5,-43.75,42500",
    "diameter before radius": "crater_id,lon,lat,radius,diam_km\nT-01,-25.25,15.125,9,2.5\n"
    "T-02,110.5,-43.75,9,85",
    "Salamuniccar": "name,lat0,lon0,diameter,type,radius,index\n"
    "T-01,T,15.125,-25.25,2.5,0.0,1.25,0\nT-02,,-43.75,110.5,85,0.0,42.5,1",
    "IAU": "Feature_ID,Feature_Name,Clean_Name,Target,Diameter,Center_Latitude,Center_Longitude,"
    "Coordinate_System,Feature_Type\n"
    'T-01,A,A,Moon,2.5,15.125,334.75,"Planetographic, +East, 0 - 360","Crater, craters"\n'
    'T-02,B,B,Moon,85,-43.75,249.5,"Planetographic, +West, 0 - 360",Satellite Feature',
    "delimiter at line ends": f"{HEADER}\n{ROWS}".replace("\n", ",\n") + ",",
    "pipe": f"{HEADER}\n{ROWS}".replace(",", "|"),
    "scientific": f"{HEADER}\nT-01,-2.525e1,1.5125E+1,2.5\nT-02,1.105e2,-43.75,8.5e1",
}


@pytest.mark.parametrize("name", WRITTEN)
def test_text(tmp_path: Path, name: str) -> None:
    check(write(tmp_path, WRITTEN[name]))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    text = f"{HEADER},méthode\n" + ROWS.replace("\n", ",à l'œil\n".replace("œ", "o")) + ",é\n"
    check(write(tmp_path, text.encode(encoding)))


def test_gzip_excel_and_parquet_with_index(tmp_path: Path) -> None:
    check(write(tmp_path, gzip.compress(f"{HEADER}\n{ROWS}".encode()), "c.csv.gz"))
    with pd.ExcelWriter(tmp_path / "c.xlsx") as book:
        pd.DataFrame({"notes": ["nothing here"]}).to_excel(book, sheet_name="read me")
        TRUTH.to_excel(book, sheet_name="craters", index=False, startrow=3)
    check(tmp_path / "c.xlsx")
    TRUTH.set_index("crater_id").to_parquet(tmp_path / "c.parquet")
    check(tmp_path / "c.parquet")
    numbered = TRUTH.assign(crater_id=[7.0, 8.0])
    numbered.to_parquet(tmp_path / "n.parquet")
    assert read_catalogue(tmp_path / "n.parquet")[0]["crater_id"].tolist() == ["7", "8"]


def test_craterstats(tmp_path: Path) -> None:
    text = "a_axis_radius = {} <km>\ncrater = {{diam,lon,lat\n"
    text += "2.5\t-25.25\t15.125\n85\t110.5\t-43.75\n}}\n"
    check(write(tmp_path, text.format(1737.4), "c.scc"), ids=False)
    with pytest.raises(CatalogueError, match=r"3396\.19 km radius"):
        read_catalogue(write(tmp_path, text.format(3396.19), "mars.scc"))
    with pytest.raises(CatalogueError, match="without longitude and latitude"):
        read_catalogue(write(tmp_path, "crater = {diameter\n1.1\n2.3\n}\n", "c.diam"))


QUESTIONS = {
    "unit of metres": (
        "id,lon,lat,diameter\na,1,2,950\nb,2,3,1200\nc,3,4,80",
        r"'diameter' names no unit.*diameter_m=diameter",
    ),
    "unit of radii": ("id,lon,lat,radius\na,1,2,9500\nb,2,3,1200", r"radius_m=radius"),
    "metres called km": ("id,lon,lat,diam_km\na,1,2,9500\nb,2,3,12000", "diameter_m=diam_km"),
    "comma": (
        'id,lon,lat,diameter_m\na,1,2,"1,250"\nb,2,3,"2,500"',
        "comma in '1,250' may be decimal or separate thousands",
    ),
    "sign against hemisphere": (
        "id,lon,EW,lat,diam_km\na,-25,E,2,9\nb,2,W,3,12",
        "row 1 has -25, but EW says",
    ),
    "two columns of directions": (
        "id,lon,p,q,lat,diam_km\na,25,E,W,2,9\nb,2,W,W,3,12",
        "p and q may each be the hemisphere.*longitude_hemisphere=",
    ),
    "no header": ("T-01,-25.25,15.125,2.5\n", r"begins with data \(T-01, -25\.25.*first line"),
    "no header, numbers only": ("1;-25,25;15,125;2,5\n", "begins with data"),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_what_may_mean_two_things_is_a_question(tmp_path: Path, name: str) -> None:
    text, question = QUESTIONS[name]
    with pytest.raises(CatalogueError, match=question):
        read_catalogue(write(tmp_path, text))


def test_what_was_taken_for_what_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, "name,lon,EW,lat,diameter\nA,25,W,1,2\nA,26,E,1,3\n")
    reading = understand_catalogue(path, None)
    assert reading.columns["longitude_hemisphere"] == "EW"
    assert reading.columns["diameter"] == "diameter"
    with caplog.at_level(logging.WARNING):
        table, _ = read_catalogue(path)
    assert table["crater_id"].tolist() == ["row-0000001", "row-0000002"]
    assert table["longitude_deg"].tolist() == [-25, 26]
    for said in ("rows are numbered", "'EW' gives the sign", "no unit and is taken as km"):
        assert said in caplog.text


def test_rows_of_other_bodies_and_features_are_rejected(tmp_path: Path) -> None:
    text = (
        "Feature_ID,Target,Diameter,Center_Latitude,Center_Longitude,Feature_Type\n"
        'a,Moon,9,1,2,"Crater, craters"\nb,Mars,9,1,2,"Crater, craters"\n'
        'c,Moon,900,1,2,"Mare, maria"\nd,Moon,99,91,2,"Crater, craters"\n'
    )
    table, rejected = read_catalogue(write(tmp_path, text))
    assert table["crater_id"].tolist() == ["a"]
    assert rejected["reason"].tolist() == [
        "is of Mars, not of the Moon (row 2)",
        "is Mare, maria, not a crater (row 3)",
        "latitude_deg=91.0 is outside [-90, 90] (row 4)",
    ]


def shapes(crs: str | None, **columns: object) -> geopandas.GeoDataFrame:
    points = geopandas.points_from_xy(TRUTH["longitude_deg"], TRUTH["latitude_deg"])
    frame = geopandas.GeoDataFrame(TRUTH.drop(columns=["longitude_deg", "latitude_deg"]))
    return frame.assign(**columns).set_geometry(points).set_crs(crs)


def test_shapefile_that_says_earth_and_cuts_its_names(tmp_path: Path) -> None:
    frame = shapes("EPSG:4326").rename(columns={"diameter_km": "DIAM_CIRC_IMG"})
    frame["LAT_CIRC_IMG"], frame["LON_CIRC_IMG"] = TRUTH["latitude_deg"], TRUTH["longitude_deg"]
    frame.to_file(tmp_path / "c.shp")
    reading = understand_catalogue(tmp_path / "c.shp", None)
    assert reading.columns["diameter_km"] == "DIAM_CIRC_"
    assert any("'WGS 84'" in note and "taken as the Moon's" in note for note in reading.notes)
    check(tmp_path / "c.shp")


def test_geometry_in_metres_of_the_earth_is_refused(tmp_path: Path) -> None:
    shapes("EPSG:4326").to_crs("EPSG:3857").to_file(tmp_path / "c.gpkg")
    with pytest.raises(CatalogueError, match=r"6378\.1 km radius.*ogr2ogr -a_srs"):
        read_catalogue(tmp_path / "c.gpkg")


def test_columns_that_contradict_the_geometry(tmp_path: Path) -> None:
    places = {"longitude_deg": TRUTH["longitude_deg"] + 180, "latitude_deg": TRUTH["latitude_deg"]}
    shapes("+proj=longlat +R=1737400").assign(**places).to_file(tmp_path / "c.gpkg")
    with pytest.raises(CatalogueError, match="deg from its geometry"):
        read_catalogue(tmp_path / "c.gpkg")


@pytest.mark.parametrize("kind", ["degrees", "metres", "geojson"])
def test_outlines_are_fitted_by_circles(tmp_path: Path, kind: str) -> None:
    """Vertices at known arcs from known centres, also at high latitude and in a projection."""
    rings = []
    for _, row in TRUTH.iterrows():
        arc = row["diameter_km"] / 2.0 / 1737.4
        azimuth = np.linspace(0, 2 * np.pi, 37)
        phi = np.radians(row["latitude_deg"])
        sine = np.sin(phi) * np.cos(arc) + np.cos(phi) * np.sin(arc) * np.cos(azimuth)
        east = np.arctan2(
            np.sin(azimuth) * np.sin(arc) * np.cos(phi), np.cos(arc) - np.sin(phi) * sine
        )
        longitude = row["longitude_deg"] + np.degrees(east)
        rings.append(Polygon(np.column_stack((longitude, np.degrees(np.arcsin(sine))))))
    frame = geopandas.GeoDataFrame(TRUTH[["crater_id"]], geometry=rings)
    frame = frame.set_crs("+proj=longlat +R=1737400 +no_defs")
    if kind == "metres":
        frame = frame.to_crs("+proj=eqc +lat_ts=40 +R=1737400 +units=m +no_defs")
    path = tmp_path / ("c.geojson" if kind == "geojson" else "c.gpkg")
    if kind == "geojson":
        path.write_text(json.dumps(json.loads(frame.to_json(drop_id=True))))
    else:
        frame.to_file(path)
    table, _ = read_catalogue(path)
    pd.testing.assert_frame_equal(table, TRUTH, check_exact=False, rtol=1e-4, atol=1e-4)


def test_pixel_boxes(tmp_path: Path) -> None:
    circles = "crater_id,x_px,y_px,diameter_px,image\na,10.5,20,8,one.png\nb,-3,4,0,two.png\n"
    table, rejected = read_catalogue(write(tmp_path, circles))
    assert table.to_dict("list") == {
        "crater_id": ["a"], "x_px": [10.5], "y_px": [20.0], "diameter_px": [8.0],
        "image": ["one.png"],
    }  # fmt: skip
    assert rejected["reason"].tolist() == ["diameter_px=0.0 is not above 0 (row 2)"]
    boxes = "id,xmin,ymin,xmax,ymax\na,10,20,20,28\n"
    table, _ = read_catalogue(write(tmp_path, boxes))
    assert table[["x_px", "y_px", "diameter_px"]].iloc[0].tolist() == [15.0, 24.0, 9.0]
    with pytest.raises(CatalogueError, match="no column for diameter_px"):
        read_catalogue(write(tmp_path, "id,x_px,y_px\na,1,2\n"))
