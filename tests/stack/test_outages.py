"""Servers that go away while a step runs."""

import sys
import time

import mlflow
import pytest
from live_server import wait_for
from team_member import finish

pytestmark = pytest.mark.stack
TRAINING = {"encoder": "cae", "epochs": 40, "latent_dim": 4, "registered_model": "outages"}


def running(client, member, step, metric=None):
    """The run of a step that has begun, and logged a metric."""
    experiment = client.get_experiment_by_name(f"team-{member.name}")
    if experiment is None:
        return None
    found = client.search_runs(
        [experiment.experiment_id],
        f"tags.step = '{step}' and attributes.status = 'RUNNING'",
        order_by=["attributes.start_time DESC"],
    )
    return next((r for r in found if metric is None or metric in r.data.metrics), None)


def in_the_middle_of_training(ana, parts, monkeypatch, seed, fault):
    """Start a training, let `fault` happen after its first epochs; its run and what it printed."""
    client = ana.sign_in(monkeypatch)
    process = ana.start("-e", "train", **TRAINING, crops=parts.crop_set.path, seed=seed)
    wait_for(lambda: running(client, ana, "train", "loss/train") or process.poll(), 600)
    run = running(client, ana, "train")
    assert run is not None, process.communicate()[0]
    fault()
    output = finish(process)
    assert "Traceback" not in output
    return client.get_run(run.info.run_id), output


def has_every_epoch(run) -> bool:
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss/train")
    return [point.step for point in history] == list(range(TRAINING["epochs"]))


def test_the_tracking_server_restarts_in_the_middle_of_a_step(ana, stack, parts, monkeypatch, log):
    def restart():
        stack.stop_tracking()
        time.sleep(3)
        stack.start_tracking()

    run, output = in_the_middle_of_training(ana, parts, monkeypatch, 1, restart)
    assert run.info.status == "FINISHED"
    assert has_every_epoch(run)
    assert output.count("does not answer; trying again for some minutes") == 1
    log(f"the training went on; all {TRAINING['epochs']} epochs are on the server")


@pytest.mark.parametrize("kind", ["crash", "connections"])
def test_the_database_is_lost_and_comes_back(ana, stack, parts, monkeypatch, log, kind):
    def lose():
        if kind == "crash":
            stack.postgres.stop("immediate")
            time.sleep(6)
            stack.postgres.start()
        else:
            stack.postgres.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname LIKE 'mlflow%' AND pid <> pg_backend_pid()"
            )

    run, _ = in_the_middle_of_training(ana, parts, monkeypatch, 2 + len(kind), lose)
    assert run.info.status == "FINISHED"
    assert has_every_epoch(run)
    log(f"database lost ({kind}): the training went on; all epochs are on the server")


def test_a_server_that_stays_away_is_logged_to_later(ana, stack, parts, monkeypatch, log):
    """The step ends, its results stay on disk, and the next step that starts logs them."""
    client = ana.sign_in(monkeypatch)
    environment = stack.environment(
        "ana", MLFLOW_EXPERIMENT_NAME="team-ana", XDG_STATE_HOME=str(ana.folder / "state"),
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="1", MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR="0",
    )  # fmt: skip
    monkeypatch.setattr(stack, "environment", lambda *_, **__: environment)
    command = [sys.executable, "-m", "steps.cluster", "--crops", str(parts.crop_set.path)]
    command += ["--encoder_uri", str(parts.encoder), "--n_clusters", "3", "--views", "pca"]
    command += ["--stability_rounds", "0"]
    process = ana.call(*command)
    wait_for(lambda: running(client, ana, "cluster") or process.poll(), 600)
    run = running(client, ana, "cluster")
    wait_for(lambda: "encoder" in client.get_run(run.info.run_id).data.tags or process.poll(), 300)
    stack.stop_tracking()
    output = finish(process, 2)
    assert "Traceback" not in output
    assert "stays away. What this run made is kept in" in " ".join(output.split())
    log("the server stays away: the step ended with one sentence, its results on disk")
    stack.start_tracking()
    assert client.get_run(run.info.run_id).info.status == "RUNNING"
    output = finish(ana.call(*command))
    assert f"Logged what run {run.info.run_id} could not log" in output
    later = client.get_run(run.info.run_id)
    assert later.info.status == "FINISHED"
    assert later.data.metrics["cluster/count"] == 3
    assert {"tables", "figures"} <= {a.path for a in client.list_artifacts(run.info.run_id)}
    log("the server is back: the next step logged metrics, tables and figures of that run")
