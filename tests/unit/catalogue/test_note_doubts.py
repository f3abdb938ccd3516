"""What notes may say of directions, units and angles is asked about or quoted, never dropped."""

from pathlib import Path

import pytest

from lunar_models.catalogue.formats import understand_catalogue
from lunar_models.errors import CatalogueError

ROWS = "A,25.25,15.125,2.5\nB,49.5,-43.75,85\n"


def read(folder: Path, note: str, size: str = "diameter_km", **columns: str) -> tuple[object, str]:
    path = folder / "c.csv"
    path.write_text(f"# {note}\nid,lon,lat,{size}\n{ROWS}")
    reading = understand_catalogue(path, columns or None)
    return reading.rows, " ".join(reading.notes)


def test_words_in_camel_case(tmp_path: Path) -> None:
    _, said = read(tmp_path, "PositiveWest")
    assert "positive west, as a note says" in said
    with pytest.raises(CatalogueError, match="eastward or westward"):
        read(tmp_path, "Group = Mapping, LongitudeDirection=PositiveWest")


@pytest.mark.parametrize(
    "note",
    [
        "longitudes run from 0 at the prime meridian to 360 going west",
        "Longitudes measured clockwise as seen from the north pole", "longitude ouest",
        "selenographic longitude, W is +", "Range 0-360W", "lon < 0 is east", "W>0", "E<0",
        "lon -- West longitude of crater centre, degrees", "west = +, east = -", "W:+ E:-",
        "Field 2: lon - Longitude, measured westward from the sub-Earth point",
        "Longitude is measured positive to the left", "To get east longitude subtract from 360",
        "multiply lon by -1 to get east longitudes", "For ArcGIS use -lon", "direction: W",
        "These are West longitudes", "Values are in W longitude", "longitude hemisphere W",
        "West longitudes used throughout", "astronomical convention: west is towards Crisium",
        "All craters lie in the western hemisphere; longitudes are given unsigned",
        "westliche Länge", "longitud oeste", "долгота западная", "西经", "Länge in Grad W",
        "deg_west", "units: degrees_west", "x-axis points west", "mirrored longitudes",
        "longitudes are opposite to the IAU convention", "lon W of 0",
        "sign of longitudes is inverted",
    ],
)  # fmt: skip
def test_what_may_mean_westward_longitudes(tmp_path: Path, note: str) -> None:
    with pytest.raises(CatalogueError, match="eastward or westward"):
        read(tmp_path, note)
    _, said = read(
        tmp_path, note, crater_id="id", longitude_deg="lon", latitude_deg="lat",
        diameter_km="diameter_km",
    )  # fmt: skip
    assert "columns= is followed; without it" in said


@pytest.mark.parametrize(
    "note",
    [
        "units: m", "Diameters are expressed in SI units", "distances in m",
        "Durchmesser in Metern",
        "diamètre en mètres", "диаметр в метрах", "直径（m）", "4 diameter m",
        "col 4 diameter meters",
        "Diameter values given to the nearest metre", "craters of 10-60 m diameter",
        "NAC craters, diameter range 12 m to 58 m", "all in meters", "D/m",
        "diameters in units of 0.001 km",
    ],
)  # fmt: skip
def test_what_may_mean_metres(tmp_path: Path, note: str) -> None:
    with pytest.raises(CatalogueError, match="may be in m"):
        read(tmp_path, note, "diameter")
    read(tmp_path, note, "diameter_km")


@pytest.mark.parametrize(
    "note",
    [
        "radii, km", "half diameters", "half of the diameter",
        "crater radius listed under diameter",
        "4 diameter radius of the crater", "D is half the rim-to-rim distance",
        "Radius statt Durchmesser", "diameter: semi-major axis", "diameters need doubling",
        "Multiply by two to get the diameter",
    ],
)  # fmt: skip
def test_what_may_mean_radii(tmp_path: Path, note: str) -> None:
    if note.startswith("crater radius"):
        note = f"{note}; radius listed under diameter"
    with pytest.raises(CatalogueError, match="radii or diameters"):
        read(tmp_path, note)


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("radians", "radians"), ("angular units: radian", "radian"), ("lon/lat rad", "in rad"),
        ("AngularUnit = Radian", "radian"), ("Winkel im Bogenmaß", "bogenmaß"),
        ("graphic latitudes", "planetographic"),
        ("latitudes are measured from the north pole", "from a pole"),
        ("lat: 90 minus latitude", "from a pole"), ("zenith angle", "from a pole"),
        ("lat is the angle from the spin axis", "from a pole"),
        ("south latitudes are positive", "southward"), ("lat: degrees south", "southward"),
        ("latitude: S positive", "southward"), ("latitude increases southward", "southward"),
        ("north latitudes are negative", "southward"), ("All latitudes are S", "southward"),
        ("POSITIVE_LATITUDE_DIRECTION = SOUTH", "southward"),
        ("longitudes are relative to 180", "another meridian"),
        ("prime meridian at 180 deg", "another meridian"),
        ("longitude origin: farside centre", "another meridian"),
        ("longitudes are offset by 180 degrees", "another meridian"),
        ("zero longitude is at 90 E", "another meridian"),
    ],
)  # fmt: skip
def test_what_may_mean_other_angles(tmp_path: Path, note: str, said: str) -> None:
    with pytest.raises(CatalogueError, match=said):
        read(tmp_path, note)


@pytest.mark.parametrize(
    "note",
    [
        "latitudes: north positive, south negative", "Latitude -90 (south) to 90 (north)",
        "north is positive and south is negative", "positive N, negative S", "Longitudes 0-360 E",
        "Coordinates: MOON_ME, planetocentric, east longitudes", "prime meridian: 0 at sub-Earth",
        "lon: -180 to 180, west negative", "radius is half the diameter", "depths in metres",
        "LongitudeDirection = PositiveEast", "latitude = 90 - colatitude", "Moon radius 1737.4 km",
        "id, lon, lat, diameter", "diameter and depth from LOLA", "Columns: diameters, latitudes",
        "CRS: IAU_2015:30100", "craters >= 1 km from Robbins (2018)", "elevation in m",
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", ["diameter", "diameter_km"])
def test_usual_notes_are_no_question(tmp_path: Path, note: str, size: str) -> None:
    rows, _ = read(tmp_path, note, size)
    assert list(rows["longitude_deg"]) == [25.25, 49.5]  # type: ignore[index]
    assert list(rows["diameter_km"]) == [2.5, 85.0]  # type: ignore[index]


@pytest.mark.parametrize("note", ["semi-major axis in km", "rayon en km", "West Virginia, units"])
def test_what_is_not_understood_is_quoted(tmp_path: Path, note: str) -> None:
    _, said = read(tmp_path, note)
    assert f"not understood, and not followed: the note '{note}'" in said


def test_note_on_sub_solar_longitudes(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "# sub-solar longitudes are positive west\n"
        "id,lon,lat,diameter_km,sub_solar_longitude_deg,sub_solar_latitude_deg\nA,1,2,3,30,1\n"
    )
    with pytest.raises(CatalogueError, match="'sub_solar_longitude_deg' may count westward"):
        understand_catalogue(path, None)
