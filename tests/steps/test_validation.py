"""What a later step would refuse is refused before the first one runs."""

import mlflow
import numpy as np
import pytest
from affine import Affine
from planted_moon import GEOGRAPHIC, write_array

from steps.main import main


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    monkeypatch.setattr(mlflow.projects, "run", None)  # would fail if called


@pytest.fixture
def data(tmp_path):
    """A mosaic, a catalogue and labels that can be used."""
    mosaic = write_array(
        tmp_path / "moon.tif",
        np.ones((64, 64), np.uint8),
        crs=GEOGRAPHIC,
        transform=Affine(0.1, 0, 0, 0, -0.1, 0),
    )
    craters, labels = tmp_path / "craters.csv", tmp_path / "labels.csv"
    craters.write_text("crater_id,longitude_deg,latitude_deg,diameter_km\na,3,-3,20\n")
    labels.write_text("CRATER_ID,state\na,1\nb,2\n")
    return {"mosaic": mosaic, "catalogue": craters, "labels": labels}


def refused(run_step, **options) -> str:
    result = run_step(main, **options)
    assert result.exit_code == 2
    assert mlflow.search_runs(search_all_experiments=True).empty
    return " ".join(result.output.split())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": "nowhere.csv"}, "nowhere.csv cannot be read as a label table"),
        ({"label_column": "age"}, "has no column age"),
        ({"catalogue": "nowhere.csv"}, "nowhere.csv"),
        ({"mosaic": "nowhere.tif"}, "nowhere.tif"),
        ({"registered_model": "team/x"}, "is no name for a registered model"),
        ({"encoder_uri": "models:/nobody/3"}, "encoder_uri=models:/nobody/3 leads nowhere"),
        ({"head": "runs:/" + "0" * 32 + "/head"}, "leads nowhere"),
        ({"clusters": "data/none"}, "clusters=data/none leads nowhere"),
        ({"values": "depths.csv"}, "values needs value_column"),
        ({"crops": "data/none"}, "not a finished crop set"),
    ],
)
def test_before_anything_runs(run_step, data, changes, said):
    assert said in refused(run_step, **(data | changes))


def test_a_mosaic_that_is_not_of_the_moon(run_step, data, tmp_path):
    earth = write_array(
        tmp_path / "earth.tif",
        np.ones((64, 64), np.uint8),
        crs="EPSG:4326",
        transform=Affine(0.1, 0, 0, 0, -0.1, 0),
    )
    assert "earth.tif" in refused(run_step, **(data | {"mosaic": earth}))


def test_a_catalogue_without_a_known_column(run_step, data):
    data["catalogue"].write_text("a,b\n1,2\n")
    assert "no column for longitude_deg" in refused(run_step, **data)


def test_a_step_that_nobody_feeds(run_step):
    assert "switch on step preprocess, or give crops" in refused(run_step, steps="evaluate")
