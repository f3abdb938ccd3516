"""A real SQLite tracking store for each test, made once and copied: migrations take seconds."""

import shutil
from pathlib import Path

import mlflow
import pytest
from click.testing import CliRunner, Result


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def store(empty_store, tmp_path, monkeypatch):
    """The tracking URI of an empty store; artifacts go beside it."""
    file = tmp_path / "mlflow.db"
    shutil.copy(empty_store, file)
    uri = f"sqlite:///{file}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    mlflow.set_tracking_uri(uri)
    experiment = mlflow.create_experiment("test", artifact_location=str(tmp_path / "artifacts"))
    mlflow.set_experiment(experiment_id=experiment)
    yield uri
    mlflow.set_tracking_uri(None)


@pytest.fixture
def run_step(store):
    """Call a step's command; returns the result, having printed what failed."""

    def run(command, **options) -> Result:
        arguments = [part for k, v in options.items() for part in (f"--{k}", str(v))]
        result = CliRunner().invoke(command, arguments, catch_exceptions=False)
        print(result.output)
        return result

    return run


@pytest.fixture
def last_run(store):
    """The newest run of the store."""
    return lambda: mlflow.search_runs(
        search_all_experiments=True, order_by=["start_time DESC"], output_format="list"
    )[0]
