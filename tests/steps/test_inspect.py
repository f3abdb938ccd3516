"""The dry run says what it understood, shows five crops, and doubts what is doubtful."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from planted_moon import GEOGRAPHIC, write_array
from rasterio import Affine

from lunar_models.catalogue.duplicates import find_duplicates
from steps.inspect import PICTURE_FILE, REPORT_FILE, main
from steps.preprocess import main as preprocess

ROWS = "id,longitude,latitude,diam_km\n" + "".join(
    f"c{n},{12 + 0.3 * n},{-6 - 0.1 * n},{9 + n}\n" for n in range(12)
)


@pytest.fixture
def inspect(run_step, tmp_path):
    """Run the step on a map of longitude 10 to 18, latitude -10 to -4, and a catalogue as text."""

    def run(catalogue=ROWS, values=None, **settings):
        if values is None:
            values = np.random.default_rng(0).integers(40, 200, (600, 800)).astype(np.uint8)
        path = write_array(
            tmp_path / "mosaic.tif",
            values,
            crs=GEOGRAPHIC,
            transform=Affine(0.01, 0, 10, 0, -0.01, -4),
        )
        (tmp_path / "craters.csv").write_text(catalogue)
        return run_step(
            main,
            mosaic=path,
            catalogue=tmp_path / "craters.csv",
            output=tmp_path / "inspection",
            crop_size_px=16,
            **settings,
        )

    return run


def test_says_what_it_understood(inspect, tmp_path):
    result = inspect()
    assert result.exit_code == 0, result.output
    for said in (
        "800 x 600 px, 1 file(s)",
        "uint8, band 1, 8 bits",
        "nothing stated",
        "equirectangular",
        "longitude 10.000 to 18.000, latitude -10.000 to -4.000 deg, east positive",
        "12 usable, 0 rejected",
        "crater_id from 'id', longitude_deg from 'longitude'",
        "12 to 15.3 deg as read",
        "9 to 20 km, median 14.5 km",
        "inside: 12 of 12",
    ):
        assert said in result.output
    assert "warning" not in result.output
    report = json.loads((tmp_path / "inspection" / REPORT_FILE).read_text())
    assert report["craters in the mosaics"]["inside"] == "12 of 12"
    assert (tmp_path / "inspection" / PICTURE_FILE).stat().st_size > 1000


def test_doubts(inspect):
    west = ROWS.replace(",12", ",-12").replace(",13", ",-13").replace(",14", ",-14")
    values = np.random.default_rng(0).integers(40, 200, (600, 800)).astype(np.uint8)
    values[:60] = 0
    result = inspect(west.replace("diam_km", "diameter"), values)
    for said in (
        "craters would lie in the mosaics if longitudes were positive west",
        "10% of",
        "is exactly 0, which looks like a mark of no data: gdal_edit.py -a_nodata 0",
        "'diameter' names no unit and is taken as km",
    ):
        assert said in result.output, result.output


def bowls():
    """Heights of the craters of ROWS, on a slope, as plain positive numbers without any unit."""
    row, column = np.mgrid[:600, :800]
    heights = 2000.0 + 0.3 * column + 0.2 * row
    for crater in pd.read_csv(io.StringIO(ROWS)).itertuples():
        latitude = crater.latitude
        across = (10 + 0.01 * column - crater.longitude) * np.cos(np.radians(latitude))
        radius_deg = np.degrees(crater.diam_km / 2.0 / 1737.4)
        distance = np.hypot(across, -4 - 0.01 * row - latitude) / radius_deg
        heights += 400.0 * np.minimum(distance**2, 1.0) - 400.0
    return heights.astype(np.float32)


@pytest.mark.parametrize("shade", [None, "90,65,m"])
def test_a_height_model_without_any_hint(inspect, run_step, tmp_path, shade):
    """Craters that are bowls on all sides are heights; lit, they are not."""
    settings = {} if shade is None else {"shade": shade}
    result = inspect(ROWS, bowls(), **settings)
    assert result.exit_code == 0, result.output
    assert ("as heights do and brightness does not" in result.output) == (shade is None)
    made = run_step(
        preprocess, mosaic=tmp_path / "mosaic.tif", catalogue=tmp_path / "craters.csv",
        output=tmp_path / "crops", crop_size_px=16, **settings,
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    assert ("light it with shade=90,65" in made.output) == (shade is None)


def test_a_column_without_a_name_is_called_so(inspect):
    result = inspect(ROWS.replace("id,", ",", 1))
    assert "crater_id from (without a name)" in result.output
    assert "ids are those of column (without a name)" in result.output
    assert "''" not in result.output


def test_twice_the_same_crater(inspect):
    result = inspect(ROWS + "again,12.02,-6.01,9.5\nother,12.02,-6.01,2\n")
    assert "1 pairs of entries may be the same crater, such as again and c0" in result.output


def test_another_catalogue_of_the_same_craters(inspect, tmp_path):
    other = tmp_path / "other.csv"
    rows = pd.read_csv(io.StringIO(ROWS)).assign(id=lambda t: "x" + t["id"]).iloc[::2]
    rows.assign(diam_km=rows["diam_km"] * 1.1).to_csv(other, index=False)
    result = inspect(other_catalogue=other)
    for said in ("also in the catalogue: 6 of them", "such as: xc0, there c0", "1.100 times"):
        assert said in result.output
    assert "warning" not in result.output
    rows.assign(diam_km=rows["diam_km"] / 2.0).to_csv(other, index=False)
    result = inspect(other_catalogue=other)
    assert "also in the catalogue: 0 of them" in result.output
    assert "its diameters are 0.5 times theirs (median); check units, and radii" in result.output


def test_duplicates_across_the_antimeridian_and_by_size():
    catalogue = pd.DataFrame(
        {
            "crater_id": list("abcd"),
            "longitude_deg": [179.999, -179.999, 0.0, 0.0],
            "latitude_deg": [5.0, 5.0, 89.9999, -5.0],
            "diameter_km": [3.0, 3.2, 3.0, 3.0],
        }
    )
    assert find_duplicates(catalogue).to_numpy().tolist() == [["b", "a"]]
    assert find_duplicates(catalogue.iloc[:1]).empty


def test_craters_in_pixels_of_a_picture(run_step, tmp_path):
    values = np.random.default_rng(0).integers(40, 200, (300, 400)).astype(np.uint8)
    Image.fromarray(values).save(tmp_path / "frame.png")
    (tmp_path / "boxes.csv").write_text("id,x_px,y_px,diameter_px\na,200,150,30\nb,90,90,20\n")
    result = run_step(
        main,
        mosaic=tmp_path / "frame.png",
        catalogue=tmp_path / "boxes.csv",
        output=tmp_path / "inspection",
        crop_size_px=16,
    )
    for said in ("place: none", "x_px 90 to 200, y_px 90 to 150", "20 to 30 px", "inside: 2 of 2"):
        assert said in result.output, result.output


def test_what_cannot_be_understood_ends_with_exit_code_2(inspect):
    assert inspect("id,lon,lat\na,1,2\n").exit_code == 2
    assert "crs=" in inspect(crs="EPSG:4326").output
