"""What a run logs while its tracking server stays away."""

import shutil

import mlflow
import pandas as pd
import pytest
import requests
from matplotlib.figure import Figure
from mlflow.exceptions import MlflowException

from lunar_models.config.base import StepConfig, param
from lunar_models.errors import ConfigError
from serving.cli.options import UserError
from steps.shared import outage, tracking, unlogged
from steps.shared.cache import find_finished, outputs, step_key
from steps.shared.store import connect


class Sample(StepConfig):
    count: int = param(1, help="A number.")


class Switch:
    away = False


@pytest.fixture
def server(store, empty_store, monkeypatch, tmp_path):
    """A tracking store that can be away."""
    make_folder = unlogged._make_folder

    def with_tables(folder):  # making them takes seconds
        make_folder(folder)
        shutil.copy(empty_store, folder)

    monkeypatch.setattr(unlogged, "_make_folder", with_tables)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    switch = Switch()
    for name in ("log_batch", "set_tag", "set_terminated", "log_artifacts", "get_run"):
        real = getattr(mlflow.MlflowClient, name)

        def call(self, *arguments, _real=real, **options):
            if switch.away and self.tracking_uri == store:
                raise MlflowException("API request to http://x failed with exception refused")
            return _real(self, *arguments, **options)

        monkeypatch.setattr(mlflow.MlflowClient, name, call)
    return switch


def log_everything(server):
    """What steps log; the server goes away in the middle."""
    tracking.log_metrics({"loss": 3.0}, step=0)
    tracking.log_table(pd.DataFrame({"a": [1]}), "first.json")
    server.away = True
    for epoch in (1, 2):
        tracking.log_metrics({"loss": 3.0 - epoch}, step=epoch)
    tracking.log_table(pd.DataFrame({"a": [2]}), "second.json")
    tracking.log_figures({"figures/empty.png": Figure()})
    tracking.log_dataset("crops", name="crops", digest="1234", context="training")
    tracking.log_text("a,b", "tables/t.csv")
    tracking.log_output("crops", "data/crops")
    tracking.set_tag("encoder", "cae")


@pytest.mark.parametrize("times", [2, 1000])
def test_files_that_are_refused_while_the_sign_in_has_no_database(
    server, store, last_run, monkeypatch, times
):
    """MLflow answers 401 for them then, and does not wait: neither for long nor for ever."""
    monkeypatch.setattr(outage.time, "sleep", lambda _: None)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
    answer, left = requests.Response(), [0]
    answer.status_code = 401
    for name in ("log_artifact", "log_artifacts"):
        real = getattr(mlflow.MlflowClient, name)

        def refuse(self, *arguments, _real=real, **options):
            left[0] -= 1
            if left[0] >= 0 and self.tracking_uri == store:
                raise requests.HTTPError("401", response=answer)
            return _real(self, *arguments, **options)

        monkeypatch.setattr(mlflow.MlflowClient, name, refuse)
    with tracking.step_run("s", Sample(), name="n"):
        left[0] = times
        tracking.log_text("a,b", "tables/t.csv")
        tracking.log_figures({"figures/empty.png": Figure()})
        assert left[0] < times
        left[0] = min(left[0], 0)  # the database is back
    files = mlflow.MlflowClient().list_artifacts(last_run().info.run_id)
    assert {a.path for a in files} == {"tables", "figures", "snapshot"}


def run_step(step, server, then=lambda: None):
    with tracking.step_run(step, Sample(), name="n"):
        log_everything(server)
        then()


def is_complete(run) -> None:
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert run.data.tags["encoder"] == "cae"
    assert outputs(run) == {"crops": "data/crops"}
    assert run.inputs.dataset_inputs[0].dataset.digest == "1234"
    assert run.info.run_name == "n"
    top = {a.path for a in client.list_artifacts(run.info.run_id)}
    assert top == {"figures", "tables", "first.json", "second.json", "snapshot"}
    assert run.data.tags["mlflow.loggedArtifacts"].count("path") == 2
    assert not list(unlogged.unlogged_folder().iterdir())


def test_a_server_that_is_back_at_the_end_gets_everything(server, last_run):
    with tracking.step_run("evaluate", Sample(), name="n") as run:
        log_everything(server)
        assert unlogged.current_run_id() == run.info.run_id
        server.away = False
    found = last_run()
    is_complete(found)
    assert found.info.run_id == run.info.run_id
    assert found.info.status == "FINISHED"
    mlflow.set_tracking_uri("sqlite:///another.db")
    assert mlflow.get_registry_uri() == "sqlite:///another.db"  # follows it as before
    assert found.data.metrics["step/seconds"] > 0


def test_what_is_missing_is_logged_when_the_next_step_starts(server, last_run, store, capsys):
    with pytest.raises(UserError, match=r"stays away.*is kept in .*logged when the next step"):
        run_step("evaluate", server)
    assert outage.os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == store
    connect()  # still away
    assert list(unlogged.unlogged_folder().iterdir())
    server.away = False
    connect()
    assert "could not log while the server was away" in capsys.readouterr().out
    is_complete(last_run())
    assert last_run().info.status == "FINISHED"
    experiment = last_run().info.experiment_id
    assert find_finished(step_key("evaluate", Sample()), experiment) is None  # no data/crops
    connect()
    assert capsys.readouterr().out == ""


def test_a_step_that_fails_meanwhile_is_failed(server, last_run):
    def fail():
        server.away = False
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_step("evaluate", server, then=fail)
    is_complete(last_run())
    assert last_run().info.status == "FAILED"


def test_a_model_is_never_registered_in_the_store_on_this_disk(server, last_run):
    with pytest.raises(UserError, match="stopped answering"):
        run_step("train", server, then=unlogged.return_to_server)
    server.away = False
    connect()
    is_complete(last_run())
    assert last_run().info.status == "FAILED"  # it would otherwise be reused without its model


def test_training_goes_on_with_the_server_that_is_back(server, last_run):
    with tracking.step_run("train", Sample(), name="n"):
        log_everything(server)
        server.away = False
        unlogged.return_to_server()
        is_complete(last_run())
        assert last_run().info.status == "RUNNING"
        tracking.log_metrics({"loss": 0.5}, step=3)
    assert last_run().data.metrics["loss"] == 0.5
    assert last_run().info.status == "FINISHED"


def test_a_step_that_reads_from_the_server_ends(server):
    with pytest.raises(UserError, match="stopped answering"):
        run_step("register", server)
    assert not unlogged.unlogged_folder().exists()


def test_what_a_living_process_still_adds_to_is_left_alone(server, store):
    with tracking.step_run("evaluate", Sample(), name="n"):
        log_everything(server)
        server.away = False
        unlogged.log_unlogged(store)
        assert list(unlogged.unlogged_folder().iterdir())


def test_a_run_that_was_deleted_is_told_each_time(server, store, capsys, last_run):
    with pytest.raises(UserError, match="stays away"):
        run_step("evaluate", server)
    server.away = False
    mlflow.delete_run(last_run().info.run_id)
    unlogged.log_unlogged(store)
    assert "is refused" in capsys.readouterr().out
    assert list(unlogged.unlogged_folder().iterdir())


def test_a_fault_of_the_user_is_told_though_the_run_cannot_be_ended(server):
    def fail():
        raise ConfigError("latent_dim=0 is too small")

    with pytest.raises(ConfigError, match="latent_dim=0"):
        run_step("evaluate", server, then=fail)
