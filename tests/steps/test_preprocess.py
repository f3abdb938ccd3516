"""The preprocess step as its user meets it: what it says, what it records, what it refuses."""

import mlflow
import numpy as np
import pandas as pd
import pytest
from planted_moon import GEOGRAPHIC, global_transform, write_array
from rasterio import Affine

from steps.preprocess import main
from steps.shared.inputs import digest

HEADER = "CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG,DIAM_CIRC_IMG\n"
GOOD = "".join(f"C{n},{n % 40},{n},90\n" for n in range(40))


@pytest.fixture(scope="module")
def moon(tmp_path_factory):
    """A global mosaic of noise, a piece of it, and their harmed relatives."""
    folder = tmp_path_factory.mktemp("moon")
    values = np.random.default_rng(0).integers(40, 200, (512, 1024)).astype(np.uint8)
    transform = global_transform(1024)
    write_array(folder / "mosaic.tif", values, crs=GEOGRAPHIC, transform=transform)
    write_array(folder / "no_crs.tif", values, crs=None, transform=transform)
    write_array(folder / "earth.tif", values, crs="EPSG:4326", transform=transform)
    piece = Affine(0.3, 0, 120, 0, -0.3, -40)
    write_array(folder / "piece.tif", values[:64, :64], crs=GEOGRAPHIC, transform=piece)
    whole = (folder / "mosaic.tif").read_bytes()
    (folder / "truncated.tif").write_bytes(whole[: len(whole) // 2])
    (folder / "text.tif").write_text("no raster")
    return folder


@pytest.fixture
def preprocess(run_step, moon, tmp_path):
    """Run the step on a mosaic of `moon` and a catalogue given as text."""

    def run(mosaic="mosaic.tif", catalogue=HEADER + GOOD, **parameters):
        (tmp_path / "craters.csv").write_text(catalogue)
        return run_step(
            main,
            mosaic=moon / mosaic,
            catalogue=tmp_path / "craters.csv",
            output=tmp_path / "crops",
            crop_size_px=16,
            **parameters,
        )

    return run


@pytest.mark.parametrize(
    ("catalogue", "said"),
    [
        ("CRATER_ID,LAT_CIRC_IMG,LON_CIRC_IMG\na,1,2\n", ["diameter_km", "columns="]),
        ("", ["craters.csv is empty"]),
        (HEADER, ["no rows"]),
        (HEADER + "a,,0,90\n", ["latitude_deg=nan", "row 1"]),
        (HEADER + "a,0,0,0\n", ["diameter_km=0.0", "row 1"]),
        (HEADER + "a,0,0,-9\n", ["diameter_km=-9.0", "row 1"]),
        (HEADER + ",0,0,90\n", ["crater_id= is empty"]),
    ],
)
def test_catalogues_it_cannot_use(preprocess, last_run, tmp_path, catalogue, said):
    refused(preprocess(catalogue=catalogue), last_run(), tmp_path, said)


@pytest.mark.parametrize(
    ("mosaic", "said"),
    [
        ("no_crs.tif", ["no coordinate reference system", "gdal_edit"]),
        ("earth.tif", ["6378.1 km", "1737.4 km"]),
        ("piece.tif", ["None of the 40 craters", "outside the mosaic", "reference system"]),
        ("truncated.tif", ["truncated", "again"]),
        ("text.tif", ["cannot be opened", "Check the path"]),
        ("nowhere.tif", ["No such file", "Check the path"]),
    ],
)
def test_mosaics_it_cannot_use(preprocess, last_run, tmp_path, mosaic, said):
    refused(preprocess(mosaic=mosaic), last_run(), tmp_path, [mosaic, *said])


def refused(result, run, tmp_path, said):
    """Exit code 2, all of it said without a stack trace, a FAILED run, and nothing left behind."""
    assert result.exit_code == 2
    assert "Traceback" not in result.output
    for text in said:
        assert text in result.output
    assert run.info.status == "FAILED"
    assert not (tmp_path / "crops").exists()


def test_bad_rows_are_counted_by_their_fault(preprocess, last_run):
    rows = "x,nan,0,90\ny,0,0,-1\nz,0,0,-2\nC1,0,0,90\nC2,0,0,90\n"
    result = preprocess(catalogue=HEADER + GOOD + rows)
    assert result.exit_code == 0
    assert "40 crops in " in result.output
    assert "5 craters left out, listed in rejected.csv:" in result.output
    assert "  2: diameter_km is not between 0 and 3474.8 km\n" in result.output
    assert "  2: crater_id repeats a row above\n" in result.output
    assert "  1: latitude_deg is missing or not a number\n" in result.output
    listed = mlflow.artifacts.load_text(f"runs:/{last_run().info.run_id}/rejected.csv")
    assert "z,diameter_km=-2.0 is not between 0 and 3474.8 km (row 43)" in listed


def test_crops_without_an_azimuth_are_counted(preprocess):
    rows = GOOD.splitlines()
    given = [f"{row},{'270 deg' if n else ''}" for n, row in enumerate(rows)]
    catalogue = "\n".join([HEADER.strip() + ",sun_azimuth_deg", *given]) + "\n"
    result = preprocess(catalogue=catalogue.replace("270 deg", "westward"), illumination="azimuth")
    assert result.exit_code == 2
    assert "row 2 of column sun_azimuth_deg holds 'westward'" in result.output
    result = preprocess(catalogue=catalogue, illumination="azimuth")
    assert "1 of them stay as they are, because the Sun's azimuth is unknown" in result.output


def test_inputs_are_recorded_with_digests_of_their_own(preprocess, last_run, moon, tmp_path):
    assert preprocess().exit_code == 0
    inputs = {i.dataset.name: i.dataset.digest for i in last_run().inputs.dataset_inputs}
    assert inputs["mosaic"] == digest(str(moon / "mosaic.tif"))[:32]
    assert inputs["catalogue"] == digest(str(tmp_path / "craters.csv"))[:32]
    assert len(set(inputs.values())) == 3  # and that of the crops


def test_the_check_figure_and_tables_are_logged(preprocess, last_run):
    assert preprocess().exit_code == 0
    run_id = last_run().info.run_id
    there = {a.path for a in mlflow.MlflowClient().list_artifacts(run_id)}
    assert {"figures", "rejected.csv", "statistics.json", "snapshot"} <= there
    parquet = pd.read_parquet(f"{last_run().data.tags['output.crops']}/metadata.parquet")
    assert {"crater_id", "native_px", "valid_fraction", "flipped", "split"} <= set(parquet)
