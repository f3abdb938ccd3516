"""The pipeline of members of a team who are no administrators."""

import json
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from mlflow.exceptions import MlflowException
from team_stack import BUCKET, SMALL, USERS, finish

from steps.shared.pipeline import STEP_NAMES

pytestmark = pytest.mark.stack
MODEL = "lunar-craters-demo"


def runs(client, member, step):
    experiment = client.get_experiment_by_name(f"team-{member.name}").experiment_id
    return client.search_runs([experiment], f"tags.step = '{step}'")


def test_a_non_admin_runs_the_whole_pipeline(ana, pipeline, monkeypatch):
    client = ana.sign_in(monkeypatch)
    [parent] = runs(client, ana, "main")
    for step in STEP_NAMES:
        [child] = runs(client, ana, step)
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert client.get_model_version_by_alias(MODEL, "champion").version == "1"
    assert f"{ana.stack.uri}/#/experiments/" in pipeline  # a link to the report
    assert (ana.folder / "data").is_dir()  # relative to the folder of the caller


def test_artifacts_go_through_the_server(ana, stack, pipeline, monkeypatch, tmp_path, log):
    """The user has no key of the object store, and everything is in it."""
    client = ana.sign_in(monkeypatch)
    [run] = runs(client, ana, "cluster")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    file = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="tables/clusters.csv", dst_path=str(tmp_path)
    )
    [key] = [
        k for k in stack.stored() if k.endswith(f"{run.info.run_id}/artifacts/tables/clusters.csv")
    ]
    stored = stack.bucket().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert Path(file).read_bytes() == stored
    assert len(pd.read_csv(file)) > 20
    log(
        f"{len(stack.stored())} objects in the bucket; tables/clusters.csv is the same by both ways"
    )


def test_strangers_and_foreign_hosts_are_refused(stack, ana, ben, pipeline, monkeypatch):
    address = f"{stack.uri}/api/2.0/mlflow/experiments/search"
    body, known = {"max_results": 5}, ("ana", USERS["ana"])
    assert requests.post(address, json=body, timeout=30).status_code == 401
    assert requests.post(address, json=body, timeout=30, auth=("ana", "guess")).status_code == 401
    assert requests.post(address, json=body, timeout=30, auth=known).status_code == 200
    foreign = {"Host": "tracking.example.org"}
    assert (
        requests.post(address, json=body, timeout=30, auth=known, headers=foreign).status_code
        == 403
    )
    [theirs] = runs(ana.sign_in(monkeypatch), ana, "main")
    client = ben.sign_in(monkeypatch)
    assert client.get_run(theirs.info.run_id).info.status == "FINISHED"
    with pytest.raises(MlflowException, match="403"):
        client.set_tag(theirs.info.run_id, "x", "y")


def test_a_missing_permission_is_told_in_one_sentence(ben, pipeline):
    """ben may read ana's models, and not add to them."""
    output = finish(ben.start("-e", "promote", service_model=MODEL, challenger="1"), code=1)
    assert "Traceback" not in output
    output = finish(
        ben.start("-e", "train", crops=crops_of("ana", ben), encoder="pca", latent_dim=4), code=1
    )
    assert "The tracking store says: Permission denied" in output
    assert "Traceback" not in output


def crops_of(name, member):
    [folder] = (member.folder.parent / name / "data").glob("preprocess-????????")
    return folder


def test_pipelines_of_two_users_and_of_one_at_once(ana, ben, pipeline, monkeypatch, log):
    began = time.monotonic()
    own = {"service_model": "craters-of-ben", "registered_model": "encoders-of-ben"}
    processes = [
        ana.start(**{**SMALL, "n_clusters": 2}),
        ana.start(**{**SMALL, "n_clusters": 4}),
        ben.start(**SMALL, **own),
    ]
    outputs = [finish(process) for process in processes]
    assert [output.count("nothing changed, reusing run") for output in outputs] == [4, 4, 0]
    client = ana.sign_in(monkeypatch)
    assert [len(runs(client, ana, s)) for s in ("train", "cluster", "register")] == [1, 3, 3]
    assert [len(runs(client, ben, s)) for s in STEP_NAMES] == [1] * len(STEP_NAMES)
    statuses = {r.info.status for m in (ana, ben) for r in runs(client, m, "main")}
    assert statuses == {"FINISHED"}
    aliases = client.get_registered_model(MODEL).aliases
    assert aliases["champion"] == "1"
    assert aliases["challenger"] in ("2", "3")
    assert client.get_registered_model("craters-of-ben").aliases == {"champion": "1"}
    by_cluster_count = sorted(
        int(r.data.metrics["cluster/count"]) for r in runs(client, ana, "cluster")
    )
    assert by_cluster_count == [2, 3, 4]
    assert not [m.name for m in client.search_registered_models() if "--promotion-" in m.name]
    log(f"three pipelines at once took {time.monotonic() - began:.1f} s")


def test_two_promotions_at_once(ana, pipeline, monkeypatch, log):
    """One of two challengers goes live; the other was judged against a champion that is no more."""
    client = ana.sign_in(monkeypatch)
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 3, "needs the test before"
    choice = {"service_model": MODEL, "margin": -1.0, "max_latency_ms": 10_000}
    processes = {n: ana.start("-e", "promote", challenger=n, **choice) for n in ("2", "3")}
    outputs = {n: process.communicate(timeout=3000)[0] for n, process in processes.items()}
    live = {n for n, process in processes.items() if process.returncode == 0}
    assert live, json.dumps(outputs, indent=2)
    champion = client.get_model_version_by_alias(MODEL, "champion")
    assert champion.version in live
    if len(live) == 1:
        [other] = {"2", "3"} - live
        assert "was moved meanwhile" in outputs[other]
        assert champion.tags["promoted_over"] == "1"
    else:  # one after the other: the second knew of the first
        [first] = live - {champion.version}
        assert champion.tags["promoted_over"] == first
    assert all("Traceback" not in output for output in outputs.values())
    assert not [m.name for m in client.search_registered_models() if "--promotion-" in m.name]
    log(f"two promotions at once: {len(live)} went through, version {champion.version} is champion")
