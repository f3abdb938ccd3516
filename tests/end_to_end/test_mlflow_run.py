"""`mlflow run` as users call it, on a small Moon, each run in processes of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest
from live_server import wait_for

from steps.main import HEADLINES
from steps.shared.pipeline import STEP_NAMES

MODEL = "lunar-craters-demo"
MACHINE = ("step/", "system/")
ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "width_px": 900, "height_px": 900, "crater_count": 160, "epochs": 1, "latent_dim": 4,
    "n_clusters": 3, "views": "pca", "stability_rounds": 0, "bootstrap": 20, "folds": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A tracking store and a data folder shared by the tests of this file."""
    return tmp_path_factory.mktemp("pipeline")


@pytest.fixture
def client(place, monkeypatch):
    uri = f"sqlite:///{place / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient(uri)
    if client.get_experiment_by_name("small") is None:
        client.create_experiment("small", artifact_location=str(place / "artifacts"))
    yield client
    mlflow.set_tracking_uri(None)


def start(place, **parameters) -> "subprocess.Popen[str]":
    values = {**SMALL, "data_dir": place / "data", **parameters}
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local"]
    command += ["--experiment-name", "small"]
    for name, value in values.items():
        command += ["-P", f"{name}={value}"]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
    }
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process) -> str:
    output, _ = process.communicate(timeout=600)
    assert process.returncode == 0, output
    return output


def runs(client, step: str):
    experiment = client.get_experiment_by_name("small").experiment_id
    return client.search_runs([experiment], f"tags.step = '{step}'")


def test_pipeline_then_one_changed_parameter(place, client):
    finish(start(place))
    [parent] = runs(client, "main")
    assert parent.info.run_name == "cae-d4-from-1km-e1-n_clusters=3"
    for step in STEP_NAMES:
        [child] = runs(client, step)
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        results = {k: v for k, v in child.data.metrics.items() if k in HEADLINES}
        assert results.items() <= parent.data.metrics.items()
        assert child.data.metrics["step/peak_memory_mib"] > 50
        assert "snapshot" in {a.path for a in client.list_artifacts(child.info.run_id)}
    results = {k for k in parent.data.metrics if not k.startswith(MACHINE)}
    assert results <= HEADLINES
    assert len(results) >= 6
    champion = client.get_model_version_by_alias(MODEL, "champion")
    assert int(champion.version) == 1

    output = finish(start(place, n_clusters=2))
    assert output.count("nothing changed, reusing run") == 4
    assert [len(runs(client, s)) for s in ("preprocess", "train", "evaluate")] == [1, 1, 1]
    assert [len(runs(client, s)) for s in ("cluster", "register", "analyse")] == [2] * 3
    aliases = client.get_registered_model(MODEL).aliases
    assert {alias: int(number) for alias, number in aliases.items()} == {
        "champion": 1,  # only `promote` replaces a champion
        "challenger": 2,
    }


def interrupt(place, client, number, seed: int) -> str:
    """Start a pipeline, and send a signal to all its processes when it trains; what it printed."""
    process = start(place, seed=seed)
    deadline = time.monotonic() + 300
    while not any(run.data.params["seed"] == str(seed) for run in runs(client, "train")):
        assert time.monotonic() < deadline
        time.sleep(1)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode != 0
    return output


@pytest.mark.slow
def test_ctrl_c_kills_parent_and_child(place, client):
    """A terminal sends it to all processes of the pipeline at once."""
    output = interrupt(place, client, signal.SIGINT, seed=8)
    assert "Traceback" not in output
    [child] = [r for r in runs(client, "train") if r.data.params["seed"] == "8"]
    parent = child.data.tags["mlflow.parentRunId"]
    wait_for(lambda: client.get_run(parent).info.status == "KILLED")  # MLflow says FAILED first
    assert client.get_run(child.info.run_id).info.status == "KILLED"
    experiment = client.get_experiment_by_name("small").experiment_id
    assert client.search_runs([experiment], "attributes.status = 'RUNNING'") == []


@pytest.mark.slow
def test_killed_and_started_again_goes_on(place, client):
    interrupt(place, client, signal.SIGKILL, seed=7)
    output = finish(start(place, seed=7))
    assert output.count("nothing changed, reusing run") == 2  # the Moon and its crops
    finished = [r for r in runs(client, "train") if r.data.params["seed"] == "7"]
    assert sorted(r.info.status for r in finished) == ["FINISHED", "KILLED"]


@pytest.mark.slow
def test_a_failing_step_fails_the_pipeline_and_says_why(place):
    process = start(place, encoder="pca", latent_dim=4000)
    output, _ = process.communicate(timeout=600)
    assert process.returncode != 0
    assert "latent_dim=4000 needs more than that many training crops" in output
    assert "finished steps are reused" in output


@pytest.mark.parametrize(("name", "expected"), [(None, "demo"), ("of ana", "of ana")])
def test_the_demo_goes_to_the_experiment_of_the_caller(name, expected):
    """On a team's server the experiment `demo` is somebody else's."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "MAKE"))}
    given = {} if name is None else {"MLFLOW_EXPERIMENT_NAME": name}
    done = subprocess.run(
        ["make", "--dry-run", "demo"],
        cwd=ROOT, env=kept | given, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert f'--experiment-name "{expected}" ' in done.stdout
