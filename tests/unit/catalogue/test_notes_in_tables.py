"""Rows and columns of a table that say how the others are to be read."""

import zipfile
from pathlib import Path

import pandas as pd
import pytest

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.catalogue.table import read_catalogue
from lunar_models.errors import CatalogueError

EAST = [-25.25, 110.5]
ROWS = ["A,25.25,15.125,2.5", "B,249.5,-43.75,8"]


def written(folder: Path, *lines: str, name: str = "c.csv") -> Path:
    (folder / name).write_text("\n".join(lines) + "\n")
    return folder / name


def noted(folder: Path, column: str, *cells: str, size: str = "diameter_km") -> Path:
    rows = [f"{row},{cell}" for row, cell in zip(ROWS, cells, strict=True)]
    return written(folder, f"id,lon,lat,{size},{column}", *rows)


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("comment", "longitude west positive"), ("notes", "west positive longitudes"),
        ("convention", "positive west"), ("units", "longitude west positive"),
        ("coord_sys", "planetocentric 0-360 west"), ("crs", "IAU west positive"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet", "gpkg"])
def test_direction_in_a_column(tmp_path: Path, column: str, cell: str, suffix: str) -> None:
    path = noted(tmp_path, column, cell, cell)
    table = pd.read_csv(path)
    path = tmp_path / f"c.{suffix}"
    if suffix == "xlsx":
        table.to_excel(path, index=False)
    elif suffix == "parquet":
        table.to_parquet(path)
    elif suffix == "gpkg":
        import pyogrio

        pyogrio.write_dataframe(table, path)
    try:
        reading = understand_catalogue(path, None)
    except CatalogueError as error:
        asked = str(error)
    else:
        asked = "eastward or westward" if list(reading.rows["longitude_deg"]) == EAST else ""
    assert "eastward or westward" in asked


@pytest.mark.parametrize("cell", ["longitude west positive", "diameters in metres"])
def test_what_some_rows_say(tmp_path: Path, cell: str) -> None:
    with pytest.raises(CatalogueError, match="in some rows only"):
        understand_catalogue(noted(tmp_path, "comment", cell, ""), None)


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("measure", "meters", "may be in m"), ("unit", "m (rim)", "may be in m"),
        ("comment", "values are radii", "radii or diameters"),
        ("comment", "planetographic latitudes", "planetographic"),
        ("remark", "angles in radians", "radians"),
    ],
)  # fmt: skip
def test_sizes_and_angles_in_a_column(tmp_path: Path, column: str, cell: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        understand_catalogue(noted(tmp_path, column, cell, cell, size="diameter"), None)


def test_comments_on_craters_change_nothing(tmp_path: Path) -> None:
    path = noted(tmp_path, "comment", "rim west of Mare Humorum", "5 m boulders to the west")
    assert list(understand_catalogue(path, None).rows["longitude_deg"]) == [25.25, 249.5]


@pytest.mark.parametrize("sign", ["#", "# ", "%", "//", "!", ";"])
def test_rows_behind_a_comment_sign(tmp_path: Path, sign: str) -> None:
    path = written(tmp_path, "id,lon,lat,diameter_km", ROWS[0], f"{sign}C,1,2,3", ROWS[1])
    catalogue, _ = read_catalogue(path)
    assert list(catalogue["crater_id"]) == ["A", "B"]
    assert any("1 rows behind" in note for note in understand_catalogue(path, None).notes)
    ids = written(tmp_path, "id,lon,lat,diameter_km", *(f"#{row}" for row in ROWS), name="i.csv")
    assert list(read_catalogue(ids)[0]["crater_id"]) == ["#A", "#B"]


@pytest.mark.parametrize(
    "header", ["id,lon,lat,diameter_m", "id,lat,lon,diameter_km", "id,lon_w,lat,diameter_km"]
)
def test_second_table_below(tmp_path: Path, header: str) -> None:
    path = written(tmp_path, "id,lon,lat,diameter_km", *ROWS, header, "C,20,10,5", "D,2,1,5")
    with pytest.raises(CatalogueError, match=r"row 3 holds words.*a second table"):
        understand_catalogue(path, None)
    again = written(tmp_path, "id,lon,lat,diameter_km", ROWS[0], "id,lon,lat,diameter_km", ROWS[1])
    assert len(read_catalogue(again)[0]) == 2


@pytest.mark.parametrize("units", [",W positive,,", ",+W,,", ",0-360 W,-90-90,km"])
def test_unknown_units_under_the_header(tmp_path: Path, units: str) -> None:
    with pytest.raises(CatalogueError, match="holds words"):
        understand_catalogue(written(tmp_path, "id,lon,lat,diameter_km", units, *ROWS), None)


@pytest.mark.parametrize(
    "units", [",(deg. West),(deg. North),(km)", "id,west,north,km", "-,degrees west,degrees,km"]
)
@pytest.mark.parametrize("sign", ["", "# "])
def test_units_above_the_header(tmp_path: Path, units: str, sign: str) -> None:
    path = written(tmp_path, sign + units, "id,lon,lat,diameter", *ROWS)
    assert list(understand_catalogue(path, None).rows["longitude_deg"]) == EAST
    table = pd.DataFrame([units.split(","), ["id", "lon", "lat", "diameter"], ["A", 25.25, 1, 2]])
    table.to_excel(tmp_path / "c.xlsx", index=False, header=False)
    rows = understand_catalogue(tmp_path / "c.xlsx", None).rows
    assert list(rows["longitude_deg"]) == EAST[:1]


def test_notes_of_a_text_in_an_archive(tmp_path: Path) -> None:
    for body in (
        ["id,lon,lat,diameter_km", *ROWS, "# longitudes are positive west"],
        ["# longitudes are positive west", "id,lon,lat,diameter_km", *ROWS],
    ):
        with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
            archive.writestr("folder/c.csv", "\n".join(body))
        assert list(understand_catalogue(tmp_path / "c.zip", None).rows["longitude_deg"]) == EAST


@pytest.mark.parametrize(
    ("columns", "rows", "said"),
    [
        ("lon,ew", ["20.5,E", "339.5,W"], "W of longitudes beyond 180"),
        ("lon", ["20.5 E", "339.5 W"], "beside longitudes east"),
        ("lon", ["20.5 E", "30.25"], "in some cells"),
        ("lon,quadrant", ["20.5,NE", "30,SW"], "may give the signs"),
        ("lon,quadrant", ["20.5,I", "30,III"], "may give the signs"),
        ("lon,hemisphere", ["20.5,NE", "30,SW"], "may give the signs"),
        ("lon,lon_sign", ["20.5,+", "30,-"], "may give the signs"),
        ("lon,sign", ["20.5,1", "30,-1"], "may give the signs"),
        ("lon,'", ["20,30", "30,15"], "minutes of arc"),
    ],
)
def test_signs_that_stand_elsewhere(
    tmp_path: Path, columns: str, rows: list[str], said: str
) -> None:
    lines = [f"A{n},{row},{10 + n},2.5" for n, row in enumerate(rows)]
    with pytest.raises(CatalogueError, match=said):
        understand_catalogue(written(tmp_path, f"id,{columns},lat,diameter_km", *lines), None)


@pytest.mark.parametrize(
    ("cell", "degrees"),
    [
        ("35:30:0.0 S", -35.5), ("35°30'0 S", -35.5), ("35 30 0 S", -35.5), ("35:30:00S", -35.5),
        ("35d30m0s S", -35.5), ("35d30m0s", 35.5), ("35d30m0S", -35.5), ("35:30:36 N", 35.51),
    ],
)  # fmt: skip
def test_s_is_south_or_seconds(tmp_path: Path, cell: str, degrees: float) -> None:
    path = written(tmp_path, "id,lon,lat,diameter_km", f"A,1,{cell},2")
    assert understand_catalogue(path, None).rows["latitude_deg"][0] == pytest.approx(degrees)


def test_systems_in_some_rows(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no direction in others"):
        understand_catalogue(noted(tmp_path, "coordinate_system", "+West", ""), None)


@pytest.mark.parametrize("name", ["lon west", "W. Long.", "lon360W", "W_Lon_360", "lonW360"])
def test_more_names_of_westward_longitudes(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"id,{name},lat,diameter_km", *ROWS)
    assert list(understand_catalogue(path, None).rows["longitude_deg"]) == EAST


@pytest.mark.parametrize("name", ["Lon +W", "Longitude [W; 0-360]", "planet_lon_west"])
def test_unknown_names_that_say_west(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, f"id,{name},lat,diameter_km", *ROWS)
    with pytest.raises(CatalogueError, match="columns=longitude_west="):
        understand_catalogue(path, None)
    columns = {"latitude_deg": "lat", "diameter_km": "diameter_km"}
    with pytest.raises(CatalogueError, match="count westward by their name"):
        understand_catalogue(path, {"longitude_deg": name, **columns})
    read = understand_catalogue(path, {"longitude_west": name, **columns})
    assert list(read.rows["longitude_deg"]) == EAST


@pytest.mark.parametrize(
    ("column", "radians", "degrees"),
    [("incidence_deg", 1.1, 63.0), ("sun_azimuth_deg", 4.71, 270.0)],
)
def test_angles_of_the_sun_that_may_be_radians(
    tmp_path: Path, column: str, radians: float, degrees: float
) -> None:
    for angle, count in ((radians, 1), (degrees, 0)):
        lines = [f"{row},{angle}" for row in (*ROWS, "C,1,2,3")]
        path = written(tmp_path, f"id,lon,lat,diameter_km,{column}", *lines)
        notes = understand_catalogue(path, None).notes
        assert sum(f"all {column} are so small" in note for note in notes) == count
