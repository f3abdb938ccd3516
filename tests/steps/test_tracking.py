"""Runs, parameters and snapshots, with and without `mlflow run` around them."""

import json
import os
import signal
import socket
import subprocess
import sys

import mlflow
import pytest
from click.testing import CliRunner

from lunar_models.config.base import StepConfig, param
from serving.cli.options import UserError, config_command
from steps.shared.store import connect
from steps.shared.tracking import PROJECT, git, resolve_artifacts, step_run


class Sample(StepConfig):
    """A step with one parameter."""

    count: int = param(1, help="A number.")


def test_values_that_mlflow_run_has_logged_are_not_logged_again(store):
    """`mlflow run` logs its own spelling first, and parameters cannot change."""
    run = mlflow.MlflowClient().create_run(mlflow.get_experiment_by_name("test").experiment_id)
    mlflow.MlflowClient().log_param(run.info.run_id, "count", "1.0")
    with mlflow.start_run(run.info.run_id), step_run_inside("s", Sample()):
        pass
    assert mlflow.get_run(run.info.run_id).data.params == {"count": "1.0"}


def step_run_inside(step, config):
    """What a step sees under `mlflow run`: its run id in the environment."""
    active = mlflow.active_run().info.run_id
    mlflow.end_run()
    pytest.MonkeyPatch().setenv("MLFLOW_RUN_ID", active)
    return step_run(step, config, name="readable")


def test_a_generated_name_becomes_readable_and_a_chosen_one_stays(store):
    client = mlflow.MlflowClient()
    experiment = mlflow.get_experiment_by_name("test").experiment_id
    for given, wanted in (("bald-bass-12", "readable"), ("my run", "my run")):
        run = client.create_run(experiment, run_name=given)
        with mlflow.start_run(run.info.run_id), step_run_inside("s", Sample()):
            pass
        assert client.get_run(run.info.run_id).info.run_name == wanted


@pytest.mark.parametrize(
    ("step", "file"),
    [("main", "report.html"), ("train", "figures/loss_curve.png"), ("cluster", "explore.html")],
)
def test_descriptions_link_to_artifacts_on_the_pages_of_model_training(store, step, file):
    with step_run(step, Sample(), name="readable") as run:
        pass
    note = mlflow.get_run(run.info.run_id).data.tags["mlflow.note.content"]
    page = f"#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}/artifacts/{file}"
    assert f"]({page}?workflowType=machine_learning)" in note
    assert "{" not in note


def test_the_snapshot_holds_what_a_repetition_needs(store):
    with step_run("s", Sample(count=3), name="n") as run:
        pass

    def text(name):
        return mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/snapshot/{name}")

    assert json.loads(text("parameters.json")) == {"count": 3}
    assert text("commit.txt").strip() == git("rev-parse", "HEAD")
    assert text("uncommitted.diff").strip() == git("diff", "HEAD")
    assert text("untracked.txt").strip() == git("ls-files", "--others", "--exclude-standard")
    assert text("MLproject.yaml").strip() == (PROJECT / "MLproject").read_text().strip()
    assert f"mlflow=={mlflow.__version__}" in text("packages.txt").splitlines()


def test_a_failing_step_leaves_a_failed_run(store, last_run):
    with pytest.raises(RuntimeError), step_run("s", Sample(), name="n"):
        raise RuntimeError
    assert last_run().info.status == "FAILED"


def test_a_tracking_server_that_is_down_is_named_at_once(store, monkeypatch):
    @config_command(Sample)
    def command(config: Sample) -> None:
        connect()

    with socket.socket() as nobody:  # has the port, and does not listen
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        mlflow.set_tracking_uri(f"http://127.0.0.1:{port}")
        result = CliRunner().invoke(command, [])
    assert result.exit_code == 2
    assert f"127.0.0.1:{port} does not answer" in result.output
    assert "MLFLOW_TRACKING_URI" in result.output


def test_a_step_starts_without_warnings_of_mlflow_about_itself():
    done = subprocess.run(
        [sys.executable, "-c", "import steps.register"], capture_output=True, text=True, cwd=PROJECT
    )
    assert done.returncode == 0, done.stderr
    assert "AnyType" not in done.stderr


def test_missing_artifacts_are_named(store):
    with pytest.raises(UserError, match="no-such-thing"):
        resolve_artifacts("no-such-thing")
    with pytest.raises(UserError, match="models:/nobody/1"):
        resolve_artifacts("models:/nobody/1")


@pytest.mark.parametrize("uri", ["runs:/", "runs:/0123", "runs:/0123/", "runs:0123", "runs://"])
def test_a_run_alone_is_no_artifact(store, uri):
    """MLflow would say "Not a proper runs:/ URI: runs:/" of a run that is quite proper."""
    with pytest.raises(UserError, match="names a run, not what it logged"):
        resolve_artifacts(uri)


STEP_THAT_WAITS = """
import sys, time
from tests.steps.test_tracking import Sample
from steps.shared.tracking import step_run
with step_run("s", Sample(), name="n"):
    print("inside", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_killed_run_does_not_stay_running(store, last_run, number):
    environment = {**os.environ, "MLFLOW_EXPERIMENT_NAME": "test"}
    process = subprocess.Popen(
        [sys.executable, "-c", STEP_THAT_WAITS],
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdout.readline() == b"inside\n"
    process.send_signal(number)
    assert process.wait(60) != 0
    killed = last_run()
    assert killed.info.status == ("RUNNING" if number == signal.SIGKILL else "KILLED")
    with step_run("s", Sample(), name="n"):  # the same again closes what no signal could
        pass
    assert mlflow.get_run(killed.info.run_id).info.status == "KILLED"


def test_a_process_that_goes_on_can_be_interrupted_again(store):
    """In a notebook the process outlives the step that Ctrl-C ended, and so does its handler."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), step_run("s", Sample(), name="n"):
        raise KeyboardInterrupt
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_run_of_a_living_process_or_of_another_machine_stays_open(store):
    client = mlflow.MlflowClient()
    with step_run("s", Sample(), name="n") as run:
        key = client.get_run(run.info.run_id).data.tags["step_key"]
    others = [
        client.create_run(run.info.experiment_id, tags={"step_key": key, "process": process})
        for process in (f"{socket.gethostname()}:1", "elsewhere:999999999")
    ]
    with step_run("s", Sample(), name="n"):
        pass
    assert {client.get_run(o.info.run_id).info.status for o in others} == {"RUNNING"}


@pytest.mark.parametrize("here", [True, False])
def test_of_a_model_only_a_part_is_fetched(store, tmp_path, here):
    model = tmp_path / "model"
    (model / "code").mkdir(parents=True)
    (model / "part").mkdir()
    (model / "part" / "weights").write_text("w")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(model), "model")
    uri = str(model) if here else f"runs:/{run.info.run_id}/model"
    part = resolve_artifacts(uri, part="part")
    assert [file.name for file in part.iterdir()] == ["weights"]
    assert (resolve_artifacts(uri, part="other") / "part" / "weights").read_text() == "w"
