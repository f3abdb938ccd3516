"""What notes of a catalogue state is honoured or asked about, never passed over in silence."""

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.table import read_catalogue
from lunar_models.errors import CatalogueError

HEADER = "id,lon,lat,diameter\n"
ROWS = "A,25.25,15.125,2.5\nB,249.5,-43.75,85\n"
EAST, WEST = [25.25, 249.5], [-25.25, 110.5]


def write(folder: Path, text: str, name: str = "c.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def longitudes(path: Path, **options: object) -> list[float]:
    found = understand_catalogue(path, options.get("columns")).rows["longitude_deg"]
    return list(found)


@pytest.mark.parametrize(
    "note",
    [
        "longitudes are positive west", "Longitudes: W", "west longitudes", "positive-west",
        "lon west positive", "Lon: degrees west, 0 to 360", "longitude 0-360 W", "+West",
        "Longitude is positive towards the west", "longitude increases to the West",
        "east longitudes are negative", "coordinate_system: positive_west",
        "lon (°W), lat (°N)", "POSITIVE_LONGITUDE_DIRECTION = WEST", "westward longitudes",
        "longitudes measured westward", "Longitude direction: west",
        "All longitudes are given in degrees, positive to the west",
        "positive west longitudes", "west-positive longitudes", "longitudes increase westward",
        "east longitudes carry a minus sign", "Note: lon [deg], positive west (0-360)",
        "lon: longitude, positive west", "longitudes (+W)", "Latitude north positive, longitude W+",
    ],
)  # fmt: skip
def test_longitudes_stated_westward(tmp_path: Path, note: str) -> None:
    for text in (f"# {note}\n{HEADER}{ROWS}", f"{note}\n{HEADER}{ROWS}", f"{HEADER}{ROWS}# {note}"):
        path = write(tmp_path, text)
        assert longitudes(path) == WEST
        assert any(
            "positive west, as a note says" in s for s in understand_catalogue(path, None).notes
        )
    spaced = f"# {note}\n{HEADER}{ROWS}".replace(HEADER + ROWS, (HEADER + ROWS).replace(",", "  "))
    assert longitudes(write(tmp_path, spaced)) == WEST


@pytest.mark.parametrize(
    "note",
    [
        "positive east", "longitudes are positive east", "lon east positive, -180..180",
        "West is negative", "west longitudes are negative", "east positive, west negative",
        "Longitude range 30 W to 10 E", "Area: 18° W - 58.4° W", "w/o duplicates, lon and lat",
        "craters of western Procellarum, longitude and latitude in degrees", "0 to 360 E",
        "Longitudes of craters west of Copernicus", "longitude in degrees east",
        "radius of the Moon 1737.4 km", "diameters are twice the fitted radius",
        "Craters with diameter > 1 km", "planetocentric, not planetographic",
        "within a search radius of 3 km",
        "diameters in decimal notation, east longitude, 0-360",
    ],
)  # fmt: skip
def test_notes_that_change_nothing(tmp_path: Path, note: str) -> None:
    rows = understand_catalogue(write(tmp_path, f"# {note}\n{HEADER}{ROWS}"), None).rows
    assert list(rows["longitude_deg"]) == EAST
    assert list(rows["diameter_km"]) == [2.5, 85.0]


@pytest.mark.parametrize(
    ("note", "question"),
    [
        ("longitude: positive east, not west", "columns=longitude_west=lon"),
        ("longitudes not positive west", "columns=longitude_west=lon"),
        ("longitude convention: west or east", "columns=longitude_west=lon"),
        ("positive west\n# positive east", "'positive west' and 'positive east'"),
        ("Längengrade nach Westen positiv", "columns=longitude_west=lon"),
        ("longitude positive vers l'ouest", "columns=longitude_west=lon"),
        ("planetographic longitude, planetocentric latitude", "columns=longitude_west=lon"),
        ("lon, lat in rad", "may be in rad"),
        ("D = semi-diameter in km", "radius_km=diameter"),
        ("diameters are given in hectometres", "another power of ten"),
        ("diameter (10^3 m)", "another power of ten"),
        ("planetographic latitudes", "are planetographic.*columns=latitude_deg=lat"),
        ("coordinates in radians", "radians.*columns=latitude_deg=lat"),
        ("lat and lon in arc minutes", "arc minutes.*columns=latitude_deg=lat"),
        ("the latitude column holds colatitude", "count from a pole"),
        ("D is the radius, not the diameter", "radius_km=diameter or columns=…,diameter_km"),
        ("radii in km", "radius_km=diameter"),
        ("diameters in miles", "Multiply it by 1.60934"),
        ("diameter in lunar radii", "Multiply it by 1737.4"),
        ("diameters in m\n# diameters in km", "m or km"),
        ("log10 of diameter", "may hold logarithms"),
    ],
)
def test_unclear_notes_are_questions(tmp_path: Path, note: str, question: str) -> None:
    path = write(tmp_path, f"# {note}\n{HEADER}{ROWS}")
    with pytest.raises(CatalogueError, match=question):
        understand_catalogue(path, None)
    answer = {"longitude_deg": "lon", "latitude_deg": "lat", "diameter_km": "diameter"}
    assert longitudes(path, columns=answer) == EAST


@pytest.mark.parametrize(
    ("note", "unit"),
    [("diameters in metres", "m"), ("Sizes in m", "m"), ("D in km", "km"),
     ("Diameter unit: km", "km"), ("diameter (km), depth (m)", "km")],
)  # fmt: skip
def test_a_stated_unit_is_taken(tmp_path: Path, note: str, unit: str) -> None:
    reading = understand_catalogue(write(tmp_path, f"# {note}\n{HEADER}{ROWS}"), None)
    factor = {"km": 1.0, "m": 1e-3}[unit]
    assert list(reading.rows["diameter_km"]) == pytest.approx([2.5 * factor, 85.0 * factor])
    assert not any("names no unit" in note for note in reading.notes)
    other = {"km": "diameter_m", "m": "diameter_km"}[unit]
    path = write(tmp_path, f"# {note}\n{HEADER}{ROWS}".replace(",diameter\n", f",{other}\n"))
    with pytest.raises(CatalogueError, match="may be in"):
        understand_catalogue(path, None)


@pytest.mark.parametrize(
    "note",
    [
        "Longitudes west of the prime meridian are negative", "Longitudes W of 0 are negative",
        "West longitudes have a minus sign", "West longitudes have negative values",
        "west longitudes are given as negative numbers", "longitude is west if negative",
        "lon west -180..0, east 0..180", "West longitudes\n# are negative", "negative west",
        "Longitude (west negative)", "Latitude south negative, longitude west negative",
        "Longitude convention: -180 (west) to 180 (east)", "longitude decreases westward",
        "Longitude E positive W negative", "positive eastwards (west = negative)",
        "the longitude increases from west to east",
        "east (positive) and west (negative) longitudes",
    ],
)  # fmt: skip
def test_the_usual_sign_said_by_the_west(tmp_path: Path, note: str) -> None:
    reading = understand_catalogue(write(tmp_path, f"# {note}\n{HEADER}{ROWS}"), None)
    assert list(reading.rows["longitude_deg"]) == EAST
    assert not any("as a note says" in said for said in reading.notes)


@pytest.mark.parametrize(
    "note",
    [
        "Sub-solar longitudes are positive west", "West longitude: 340.0",
        "spacecraft longitude increases westward during the pass",
        "Sub-solar point:\n# longitude positive west", "spacecraft longitude, positive west",
        "size of the counting area in km", "crater sizes from images of 0.5 m/px; given in m",
        "Compiled by W. K. Hartmann: longitude and latitude in degrees",
        "Hartmann, W. K., longitudes in degrees", "Craters of the west limb, longitudes in degrees",
        "sorted by longitude from W to E", "Craters of the west limb; longitudes in degrees",
        "bounding box: west=20 east=30 (longitude/latitude)",
        "Change log: diameters of 3 craters corrected", "log in to the archive to get diameters",
        "see README for the meaning of radius", "time in hours since 2009; positions from NAC",
        "Pixel size in m; D in km", "lunar geodetic control network 2005, coordinates in degrees",
        "position accuracy in arcsec", "diameters are in units of km, for a mean lunar radius",
        "The catalogue covers all craters of Procellarum at the\n# west longitudes 20 to 60",
        "The catalogue covers all craters of Procellarum at all\n# west longitudes",
        "craters counted in western Procellarum, longitudes in degrees", "diameters > 500 m",
        "search radius in m",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", ["diameter", "diameter_km"])
def test_notes_on_other_things_are_passed_over(tmp_path: Path, note: str, size: str) -> None:
    text = f"# {note}\n{HEADER}{ROWS}".replace("lat,diameter", f"lat,{size}")
    rows = understand_catalogue(write(tmp_path, text), None).rows
    assert list(rows["longitude_deg"]) == EAST
    assert list(rows["diameter_km"]) == [2.5, 85.0]


@pytest.mark.parametrize(
    "note",
    [
        "Länge: West positiv", "longitudes ouest positives", "Western hemisphere is positive",
        "longitude = 360 - east longitude", "longitudes were positive west before conversion",
        "Longitudes are positive west, converted here to positive east",
        "Longitudes are positive west. Converted to positive east longitudes",
        "Longitudes are positive west\n# longitudes converted to the usual sign",
        "Spacecraft and its camera\n# longitudes positive west", "West longitudes, negative",
        "Longitudes of the original are positive west", "signs of the longitudes are reversed",
        "Longitudes in degrees west of the prime meridian",
        "longitudes and latitudes are positive west and north", "longitudes run westward",
        "Is longitude positive west? Yes", "Map extent\n# lon west\n# 20",
        "west 0..180 is positive, longitudes 0..180 east too",
    ],
)  # fmt: skip
def test_what_may_mean_west_is_a_question(tmp_path: Path, note: str) -> None:
    path = write(tmp_path, f"# {note}\n{HEADER}{ROWS}")
    with pytest.raises(CatalogueError, match="columns=longitude_west=lon"):
        longitudes(path)
    answer = {"longitude_deg": "lon", "latitude_deg": "lat", "diameter_km": "diameter"}
    assert longitudes(path, columns=answer) == EAST


def test_a_name_answers_what_a_note_leaves_open(tmp_path: Path) -> None:
    for name, expected in (("lon_e", EAST), ("lon_w", WEST)):
        text = f"# longitudes: east or west positive\nid,{name},lat,diam_km\n{ROWS}"
        assert longitudes(write(tmp_path, text)) == expected


@pytest.mark.parametrize(
    "note",
    [
        "Diameters were in metres in the original",
        "diameters in m\n# converted to km",
        "crater diameters as measured, in m",
        "size in m",
        "all lengths are in metres",
        "diameters in metres?",
    ],
)
def test_what_may_mean_another_unit_is_a_question(tmp_path: Path, note: str) -> None:
    path = write(tmp_path, f"# {note}\n{HEADER}{ROWS}")
    with pytest.raises(CatalogueError, match=r"may be in m\..*diameter_km=diameter"):
        understand_catalogue(path, None)


@pytest.mark.parametrize("note", ["original units: m; converted to km", "Diameters in km"])
def test_sizes_stay_in_km(tmp_path: Path, note: str) -> None:
    rows = understand_catalogue(write(tmp_path, f"# {note}\n{HEADER}A,25,15,5\n"), None).rows
    assert list(rows["diameter_km"]) == [5.0]


def test_notes_anywhere_in_an_excel_book(tmp_path: Path) -> None:
    note = "longitudes positive west; diameters in m"
    cells = [["id", "lon", "lat", "D"], ["A", 25.25, 15.125, 2500], ["B", 249.5, -43.75, 85000]]
    beside = [[*row, said] for row, said in zip(cells, (None, note, None), strict=True)]
    books = {
        "above": {"s": [[note, None, None, None], *cells]},
        "below": {"s": [*cells, [None] * 4, [note, None, None, None]]},
        "below in two cells": {"s": [*cells, ["Note", note, None, None]]},
        "beside": {"s": beside},
        "sheet": {"s": cells, "README": [["Robbins", "2018"], ["Conventions", note]]},
        "table of columns": {"s": cells, "README": [["lon", "longitude, positive west"],
                                                    ["D", "diameter (m)"]]},
    }  # fmt: skip
    for where, sheets in books.items():
        with pd.ExcelWriter(tmp_path / "c.xlsx") as book:
            for name, rows in sheets.items():
                pd.DataFrame(rows).to_excel(book, sheet_name=name, index=False, header=False)
        reading = understand_catalogue(tmp_path / "c.xlsx", None)
        assert list(reading.rows["longitude_deg"])[:2] == WEST, where
        assert list(reading.rows["diameter_km"])[:2] == [2.5, 85.0], where
        assert not any("nan" in said for said in reading.notes)


@pytest.mark.parametrize(
    ("header", "row", "diameter_km"),
    [("diameter_km", "20,5;15,25;1.500", None), ("D", "20,5;15,25;1.500", None),
     ("diameter_m", "20,5;15,25;1.500", 1.5), ("diameter_km", "20,5;15,25;1.500,0", 1500.0),
     ("diameter_km", "20.5;15.25;1.500", 1.5)],
)  # fmt: skip
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_points_that_may_separate_thousands(
    tmp_path: Path, header: str, row: str, diameter_km: float | None, delimiter: str
) -> None:
    text = f"id;lon;lat;{header}\nA;{row}\n".replace(";", delimiter)
    path = write(tmp_path, text)
    if diameter_km is None:
        with pytest.raises(CatalogueError, match=r"point in '1\.500' may be decimal"):
            understand_catalogue(path, None)
    else:
        assert list(understand_catalogue(path, None).rows["diameter_km"]) == [diameter_km]


def test_names_that_contradict_a_note(tmp_path: Path) -> None:
    for name, note in (("lon_e", "positive west"), ("lon_w", "positive east")):
        path = write(tmp_path, f"# {note}\nid,{name},lat,diam_km\n{ROWS}")
        with pytest.raises(CatalogueError, match="eastward or westward"):
            understand_catalogue(path, None)
    path = write(tmp_path, f"# positive west\nid,lon_w,lat,diam_km\n{ROWS}")
    assert longitudes(path) == WEST


def test_directions_of_cells_come_before_notes_and_names(tmp_path: Path) -> None:
    rows = "A,25.25 W,15.125,2.5\nB,110.5 E,-43.75,85\n"
    for header in ("# positive west\nid,lon,lat,diam_km\n", "id,lon_w,lat,diam_km\n"):
        assert longitudes(write(tmp_path, header + rows)) == WEST
        with pytest.raises(CatalogueError, match="east or west in some cells"):
            understand_catalogue(write(tmp_path, header + rows.replace(" E", "")), None)
    beside = "A,25.25,W,15.125,2.5\nB,110.5,E,-43.75,85\n"
    assert longitudes(write(tmp_path, f"# positive west\nid,lon,EW,lat,diam_km\n{beside}")) == WEST


def test_units_in_a_comment_below_the_header(tmp_path: Path) -> None:
    rows = "A 25.25 15.125 2500\nB 249.5 -43.75 85000\n"
    for comment in ("# - degW degN m", "# none degrees_west degrees_north metres"):
        for header in ("# id lon lat diameter", "id lon lat diameter"):
            reading = understand_catalogue(write(tmp_path, f"{header}\n{comment}\n{rows}"), None)
            assert list(reading.rows["longitude_deg"]) == WEST
            assert list(reading.rows["diameter_km"]) == [2.5, 85.0]


def test_notes_in_excel_and_craterstats(tmp_path: Path) -> None:
    lines = [["Longitudes are positive west"], ["id", "lon", "lat", "D"]]
    cells = [*lines, ["A", 25.25, 15.125, 2.5], ["B", 249.5, -43.75, 85.0]]
    pd.DataFrame(cells).to_excel(tmp_path / "c.xlsx", index=False, header=False)
    assert longitudes(tmp_path / "c.xlsx") == WEST
    below = [*cells[1:], ["Note: longitudes are positive west", None, None, None]]
    pd.DataFrame(below).to_excel(tmp_path / "b.xlsx", index=False, header=False)
    assert longitudes(tmp_path / "b.xlsx")[:2] == WEST
    with pd.ExcelWriter(tmp_path / "s.xlsx") as book:
        pd.DataFrame(cells[1:]).to_excel(book, index=False, header=False, sheet_name="craters")
        pd.DataFrame(cells[:1]).to_excel(book, index=False, header=False, sheet_name="notes")
    assert longitudes(tmp_path / "s.xlsx") == WEST
    text = "# longitudes are positive west\narea = 100\ncrater = {diameter, fraction, lon, lat\n"
    text += "2.5 1 25.25 15.125\n85 1 249.5 -43.75\n}\n"
    assert longitudes(write(tmp_path, text, "c.diam")) == WEST


@pytest.mark.parametrize("where", ["table", "column"])
def test_notes_in_the_metadata_of_parquet(tmp_path: Path, where: str) -> None:
    table = pa.table({"id": ["A", "B"], "lon": EAST, "lat": [15.0, -43.0], "diam_km": [2.5, 85.0]})
    note = {"description": "positive west"}
    if where == "table":
        table = table.replace_schema_metadata(note)
    else:
        table = table.cast(table.schema.set(1, table.schema.field(1).with_metadata(note)))
    pa.parquet.write_table(table, tmp_path / "c.parquet")
    assert longitudes(tmp_path / "c.parquet") == WEST


def test_westward_columns_that_contradict_the_geometry(tmp_path: Path) -> None:
    table = pd.DataFrame({"id": ["A", "B"], "lon_w": EAST, "lat": [15.0, -43.0], "diam_km": 2.5})
    for sign in (-1.0, 1.0):
        places = geopandas.points_from_xy(sign * table["lon_w"], table["lat"])
        frame = geopandas.GeoDataFrame(table, geometry=places, crs="IAU_2015:30100")
        frame.to_file(tmp_path / "c.gpkg")
        if sign < 0.0:
            assert np.allclose((np.array(longitudes(tmp_path / "c.gpkg")) - WEST) % 360.0, 0.0)
            continue
        with pytest.raises(CatalogueError, match="columns lon_w and lat lie"):
            understand_catalogue(tmp_path / "c.gpkg", None)


@pytest.mark.parametrize(
    ("sizes", "unit"), [(["2500 m", "85000 m"], None), (["2.5 km", "85 km"], None),
                        (["2500", "85000"], "m"), (["250000 m", "85000 m"], None)],
)  # fmt: skip
def test_units_of_cells_leave_no_question(
    tmp_path: Path, sizes: list[str], unit: str | None
) -> None:
    table = pd.DataFrame({"id": ["A", "B"], "lon": EAST, "lat": [15.0, -43.0], "D": sizes})
    if unit is not None:
        table["unit"] = unit
    table.to_csv(tmp_path / "c.csv", index=False)
    reading = understand_catalogue(tmp_path / "c.csv", None)
    expected = float(sizes[0].split()[0]) * (1.0 if "km" in sizes[0] else 1e-3)
    assert reading.rows["diameter_km"][0] == pytest.approx(expected)
    assert not any("names no unit" in note for note in reading.notes)


def test_a_column_of_units_that_contradicts_the_name(tmp_path: Path) -> None:
    path = write(tmp_path, "id,lon,lat,diameter_km,unit\nA,25,15,2500,m\n")
    with pytest.raises(CatalogueError, match="'unit' says other units than the name"):
        understand_catalogue(path, None)


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("id,lon_rad,lat_rad,diam_km", "'lon_rad' is in another unit.*180/pi"),
        ("id,Longitude (radians),lat,diam_km", "180/pi"),
        ("id,lon,lat_arcmin,diam_km", "'lat_arcmin' .*multiply by 1/60"),
        ("id,lon_arcsec,lat,diam_km", "multiply by 1/3600"),
        ("id,lon_h,lat,diam_km", "'lon_h' .*multiply by 15"),
        ("id,Lon [hours],lat,diam_km", "multiply by 15"),
        ("id,lon,colat,diam_km", "'colat' counts from a pole; write 90 minus it"),
        ("id,lon,Co-latitude,diam_km", "counts from a pole"),
        ("id,lon,lat,diameter_mi", "'diameter_mi' is in mi by its name; multiply by 1.60934"),
        ("id,lon,lat,Diameter (miles)", "multiply by 1.60934"),
        ("id,lon,lat,diam_ft", "multiply by 0.0003048"),
        ("id,lon,lat,log10_d", "'log10_d' holds logarithms"),
        ("id,lon,lat,log_D_km", "holds logarithms"),
        ("id,lon_m,lat,diam_km", "'lon_m' is a length on a map"),
        ("id,lon,lat,radius_miles", "'radius_miles' is in miles by its name"),
    ],
)
def test_other_units_are_refused_with_their_conversion(
    tmp_path: Path, header: str, said: str
) -> None:
    path = write(tmp_path, f"{header}\nA,0.25,0.125,2.5\n")
    with pytest.raises(CatalogueError, match=said):
        understand_catalogue(path, None)
    _, *names = header.split(",")
    answer = dict(zip(("longitude_deg", "latitude_deg", "diameter_km"), names, strict=True))
    with pytest.raises(CatalogueError, match="or rename it"):
        understand_catalogue(path, answer)


@pytest.mark.parametrize(
    "units", ["(deg W),(deg N),(km)", "[°W],[°N],[km]", "degrees west,deg. north,km"]
)
def test_units_with_blanks_below_the_header(tmp_path: Path, units: str) -> None:
    path = write(tmp_path, f"{HEADER},{units}\n{ROWS}")
    assert longitudes(path) == WEST


def test_words_below_the_header_are_a_question(tmp_path: Path) -> None:
    path = write(tmp_path, f"{HEADER},westward,northward,kilo\n{ROWS}")
    with pytest.raises(CatalogueError, match="row under the header holds words"):
        understand_catalogue(path, None)
    assert len(understand_catalogue(write(tmp_path, f"{HEADER}{HEADER}{ROWS}"), None).rows) == 3


def test_units_of_an_ecsv_header(tmp_path: Path) -> None:
    lines = "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: id, datatype: string}\n"
    for unit, fits in (("deg", True), ("rad", False)):
        units = f"# - {{name: lon, unit: {unit}, datatype: float64}}\n"
        units += "# - {name: diameter, unit: m, datatype: float64}\n"
        text = lines + units + (HEADER + ROWS).replace(",", " ").replace("85\n", "8500\n")
        path = write(tmp_path, text, "c.ecsv")
        if fits:
            rows = understand_catalogue(path, None).rows
            assert list(rows["diameter_km"]) == [2.5e-3, 8.5]
            continue
        with pytest.raises(CatalogueError, match=r"the unit 'rad' of column 'lon'.*180/pi"):
            understand_catalogue(path, None)


@pytest.mark.parametrize(
    "name", ["lon_minute", "lon_m", "lat_sec", "Latitude_minutes", "latarcsec"]
)
def test_parts_of_angles_beside_degrees(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"id,lon,lat,diam_km,{name}\nA,25,15,2.5,30\n")
    with pytest.raises(CatalogueError, match="minutes of arc beside whole degrees"):
        understand_catalogue(path, None)


def test_rows_that_sum_up_others_are_no_craters(tmp_path: Path) -> None:
    path = write(tmp_path, f"id,lon,lat,diam_km\n{ROWS}Mean,137,-14,43.7\nTotal:,,,87.5\n")
    craters, rejected = read_catalogue(path)
    assert list(craters["crater_id"]) == ["A", "B"]
    assert rejected["reason"].str.startswith("sums up other rows").all()


def test_another_body_in_the_notes_is_remarked(tmp_path: Path) -> None:
    notes = understand_catalogue(write(tmp_path, f"# Mars craters\n{HEADER}{ROWS}"), None).notes
    assert any("names another body: 'Mars craters'" in note for note in notes)
