"""The pipeline of members of a team who are no administrators."""

import json
import re
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import requests
from live_server import wait_for
from mlflow.exceptions import MlflowException
from team_member import SMALL, finish
from team_stack import BUCKET, USERS

from steps.shared.pipeline import STEP_NAMES

pytestmark = pytest.mark.stack
MODEL = "lunar-craters-demo"


def runs(client, member, step):
    """The runs of a step that belong to a pipeline; of `main`: the pipelines."""
    experiment = client.get_experiment_by_name(f"team-{member.name}").experiment_id
    found = client.search_runs([experiment], f"tags.step = '{step}'")
    return [r for r in found if step == "main" or "mlflow.parentRunId" in r.data.tags]


def locks(client) -> list[str]:
    """Locks of promotions that nobody released."""
    names = [model.name for model in client.search_registered_models()]
    return [name for name in names if "--promotion-" in name]


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


def test_no_step_fetches_the_code_of_a_model(ana, stack, pipeline, monkeypatch, log):
    """Of the encoder's 400 files the steps after the training need three."""
    experiment = ana.sign_in(monkeypatch).get_experiment_by_name("team-ana").experiment_id
    server_log = (stack.folder / "tracking.log").read_text()
    asked = re.findall(rf'"GET \S+/artifacts/{experiment}/models/\S+', server_log)
    assert asked
    assert not [line for line in asked if "/code/" in line]
    log(f"{len(asked)} files of models were fetched by the pipeline")


def test_artifacts_go_through_the_server(ana, stack, pipeline, monkeypatch, tmp_path, log):
    """The user has no key of the object store, asks it nothing, and everything is in it."""
    client = ana.sign_in(monkeypatch)
    [run] = runs(client, ana, "cluster")
    assert run.info.artifact_uri.startswith("mlflow-artifacts:/")
    file = mlflow.artifacts.download_artifacts(
        run_id=run.info.run_id, artifact_path="tables/clusters.csv", dst_path=str(tmp_path)
    )
    keys, ending = stack.stored(), f"{run.info.run_id}/artifacts/tables/clusters.csv"
    [key] = [key for key in keys if key.endswith(ending)]
    stored = stack.bucket().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert Path(file).read_bytes() == stored
    assert len(pd.read_csv(file)) > 20
    asked = (stack.folder / "s3.log").read_text()
    assert "PUT /lunar-models/" in asked
    assert "X-Amz-Signature" not in asked  # a link for somebody else than the server
    log(f"{len(keys)} objects in the bucket; tables/clusters.csv is the same by both ways")


def test_strangers_and_foreign_hosts_are_refused(stack, ana, ben, pipeline, monkeypatch, log):
    def status(**how):
        address = f"{stack.uri}/api/2.0/mlflow/experiments/search"
        return requests.post(address, json={"max_results": 5}, timeout=30, **how).status_code

    known = ("ana", USERS["ana"])
    assert status() == 401
    assert status(auth=("ana", "guess")) == 401
    assert status(auth=known) == 200
    assert status(auth=known, headers={"Host": "tracking.example.org"}) == 403
    [theirs] = runs(ana.sign_in(monkeypatch), ana, "main")
    client = ben.sign_in(monkeypatch)
    assert client.get_run(theirs.info.run_id).info.status == "FINISHED"
    with pytest.raises(MlflowException, match="403"):
        client.set_tag(theirs.info.run_id, "x", "y")
    log("refused: no password, a wrong one, a foreign host, a tag on another's run")


def test_an_encoder_of_another_user_gets_no_version(ana, ben, pipeline, monkeypatch, log):
    """ben may read ana's registered models, and not add to them."""
    [crops] = (ana.folder / "data").glob("preprocess-????????")
    output = finish(ben.start("-e", "train", crops=crops, encoder="pca", latent_dim=4), code=1)
    assert "The tracking store says: Permission denied" in output
    assert "Traceback" not in output
    client = ana.sign_in(monkeypatch)
    assert len(client.search_model_versions("name = 'lunar-encoder'")) == 1
    log("ben's training ended with one sentence: no permission for ana's registered encoder")


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
    counts = [int(r.data.metrics["cluster/count"]) for r in runs(client, ana, "cluster")]
    assert sorted(counts) == [2, 3, 4]
    assert locks(client) == []
    log(f"three pipelines at once took {time.monotonic() - began:.1f} s")


def sent_code(stack) -> int:
    """How many files of models' code were asked of the server."""
    return (stack.folder / "tracking.log").read_text().count("/artifacts/code/")


def test_the_server_restarts_while_a_model_is_sent(ana, stack, pipeline, monkeypatch, log):
    client = ana.sign_in(monkeypatch)
    process = ana.start(**{**SMALL, "service_model": "restarted", "n_clusters": 5})
    wait_for(lambda: "register: running" in process.file.read_text(), 900)
    before = sent_code(stack)
    wait_for(lambda: sent_code(stack) > before + 50 or process.poll() is not None, 300)
    stack.stop_tracking()
    time.sleep(3)
    stack.start_tracking()
    output = finish(process)
    assert "Traceback" not in output
    assert client.get_registered_model("restarted").aliases == {"champion": "1"}
    log("the server restarted while a model was sent to it: the pipeline went on")


CHOICE = {"service_model": MODEL, "margin": -1.0, "max_latency_ms": 10_000}


@pytest.fixture
def challengers(ana, pipeline, monkeypatch) -> tuple[str, str]:
    client = ana.sign_in(monkeypatch)
    found = {version.version for version in client.search_model_versions(f"name = '{MODEL}'")}
    if found != {"1", "2", "3"}:
        pytest.skip("the pipelines of the test before made no two challengers")
    return "2", "3"


def test_a_model_of_another_user_is_not_promoted(ana, ben, challengers, monkeypatch, log):
    output = finish(ben.start("-e", "promote", challenger=challengers[0], **CHOICE), code=1)
    assert "The tracking store says: Permission denied" in output
    assert "Traceback" not in output
    client = ana.sign_in(monkeypatch)
    assert client.get_model_version_by_alias(MODEL, "champion").version == "1"
    assert locks(client) == []
    log("ben's promotion of ana's model ended with one sentence; the champion stays")


def test_two_promotions_at_once(ana, challengers, monkeypatch, log):
    """One of two challengers goes live; the other was judged against a champion that is no more."""
    client = ana.sign_in(monkeypatch)
    processes = {n: ana.start("-e", "promote", challenger=n, **CHOICE) for n in challengers}
    outputs = {n: process.communicate(timeout=3000)[0] for n, process in processes.items()}
    live = {n for n, process in processes.items() if process.returncode == 0}
    assert live, json.dumps(outputs, indent=2)
    champion = client.get_model_version_by_alias(MODEL, "champion")
    assert champion.version in live
    if len(live) == 1:
        [other] = {*challengers} - live
        assert "was moved meanwhile" in outputs[other]
        assert champion.tags["promoted_over"] == "1"
    else:  # one after the other: the second knew of the first
        [first] = live - {champion.version}
        assert champion.tags["promoted_over"] == first
    assert all("Traceback" not in output for output in outputs.values())
    assert locks(client) == []
    log(f"two promotions at once: {len(live)} went through, version {champion.version} is champion")


def test_the_demo_asks_the_champion_on_the_server(ana, pipeline, log):
    """What `make demo` does after the pipeline, as somebody who has no key of the store."""
    output = finish(ana.call(sys.executable, "-m", "steps.demo"))
    assert output.count("the model answers:") >= 3
    log("the demo served the champion from the server, and was answered")
