"""One run for a whole classification: progress, cost, failures by reason, the table."""

import io
import json

import mlflow
import pandas as pd
import pytest
from batch_job import COUNT, write_moon
from service_parts import make_parts

from steps import classify


@pytest.fixture(scope="module")
def moon(tmp_path_factory):
    return write_moon(tmp_path_factory.mktemp("classify") / "moon")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    return make_parts(folder).assemble(folder / "bundle")


def test_run_tells_progress_cost_and_what_was_made(run_step, last_run, moon, bundle, tmp_path):
    options = {
        "mosaic": moon / "mosaic.tif",
        "catalogue": moon / "craters.csv",
        "model": bundle,
        "output": tmp_path / "release",
        "shards": 3,
        "workers": 1,
        "max_overlap_larger": 0.9,
        "title": "Test craters",
        "creators": "A. Author,B. Author",
    }
    result = run_step(classify.main, **options)
    assert result.exit_code == 0
    assert "left out: overlap_larger above 0.9" in result.output
    run = last_run()
    assert run.info.status == "FINISHED"
    made = json.loads((tmp_path / "release" / "metadata.json").read_text())
    metrics = run.data.metrics
    assert metrics["classify/shards_done"] == metrics["measure/shards_done"] == 3
    assert metrics["classify/progress"] == 1.0
    assert metrics["classify/crops_per_second"] > 0
    assert 0 < metrics["cost/core_hours"] < 1
    assert metrics["release/craters"] + metrics["release/rejected"] == COUNT
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "classify/shards_done")
    assert [m.value for m in history] == [0, 1, 2, 3]
    (release,) = [i.dataset for i in run.inputs.dataset_inputs if i.dataset.name == "release"]
    assert made["files"]["craters.parquet"]["sha256"].startswith(release.digest)
    reasons = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/tables/rejected_by_reason.csv")
    assert reasons.splitlines()[1].startswith("overlap_larger above 0.9,")
    assert made["citation"].startswith("A. Author, B. Author. Test craters. Made with Lunar Models")
    assert (
        len(pd.read_parquet(tmp_path / "release" / "craters.parquet")) == metrics["release/craters"]
    )
    # Sizes and ages count the whole catalogue, also craters that got no state.
    assert metrics["analysis/craters/count"] == COUNT > metrics["release/craters"]
    tables = f"{run.info.artifact_uri}/analysis/tables"
    counted = pd.read_csv(io.StringIO(mlflow.artifacts.load_text(f"{tables}/populations.csv")))
    assert counted["craters"].iloc[1:].sum() == metrics["release/craters"]
    assert "so those of the states are lower limits" in result.output


def test_model_that_is_none_is_refused(run_step, last_run, moon, tmp_path):
    (tmp_path / "empty").mkdir()
    options = {"mosaic": moon / "mosaic.tif", "catalogue": moon / "craters.csv"}
    result = run_step(classify.main, model=tmp_path / "empty", output=tmp_path / "r", **options)
    assert result.exit_code == 2
    assert "is no service model; make one with the register step" in result.output
    assert last_run().info.status == "FAILED"
