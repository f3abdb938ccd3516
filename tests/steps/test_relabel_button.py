"""The page's button, with the real step: from votes to an answer that names its labels."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from browser import Window, needs_chromium
from helpers import make_crop_set_folder
from label_server import label_server, person
from live_server import live_server

from lunar_models.labelling import LabelStore, Vote, default_scheme
from lunar_models.labelling.reading import read_votes
from lunar_models.terms import STATE_NAMES
from serving.model.pyfunc import ARTIFACT
from steps.promote import main as promote
from steps.relabel import main as relabel
from steps.train import main as train

pytestmark = [pytest.mark.slow, needs_chromium]
STEP_S = 300


def fill(store: LabelStore, ids: list[str], ranks: np.ndarray) -> None:
    """Ada labels all; ben a third, of which he calls every tenth one state older."""
    store.keep_scheme(default_scheme())
    for k, (crater, rank) in enumerate(zip(ids, ranks, strict=True)):
        for who, kind, value in (
            ("ada", "ordinary", rank),
            ("ben", "second", min(rank + (k % 30 == 0), 3)),
        ):
            if who == "ada" or k % 3 == 0:
                vote = Vote(
                    vote_id=str(uuid.uuid4()), crater_id=crater, labeller=who, kind=kind,
                    value=STATE_NAMES[value], scheme="degradation", scheme_version=1,
                    time_utc=datetime.now(UTC) - timedelta(days=1), seconds=2.0,
                )  # fmt: skip
                store.add(vote)


def test_from_the_button_to_an_answer(
    run_step, last_run, browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crop_set = make_crop_set_folder(tmp_path / "crops", n=240)
    ids = crop_set.metadata["crater_id"].tolist()
    contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
    truth = pd.qcut(-contrast, 4, labels=False)
    run_step(train, crops=crop_set.path, encoder="pca", latent_dim=5, registered_model="none")
    encoder = last_run().data.tags["output.encoder_uri"]
    client = mlflow.MlflowClient()

    # The version in service has learnt from labels of which a half are random.
    noise = np.random.default_rng(5)
    spoilt = np.where(noise.random(240) < 0.5, noise.integers(0, 4, 240), truth)
    common = {"crops": crop_set.path, "encoder_uri": encoder}
    for name, ranks in (("judge", truth), ("spoilt", spoilt)):
        table = pd.DataFrame({"crater_id": ids, "state": np.array(STATE_NAMES)[ranks]})
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        votes = tmp_path / f"{name}.csv"
        assert run_step(relabel, **common, votes=votes, bootstrap=50).exit_code == 0
    bad = client.get_model_version_by_alias("lunar-craters", "challenger").version
    client.set_registered_model_alias("lunar-craters", "champion", bad)
    client.delete_registered_model_alias("lunar-craters", "challenger")

    # The server's process starts the step, in the same store and experiment.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    experiment = mlflow.get_experiment_by_name("test")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment.experiment_id)
    token = person(tmp_path / "tokens.json", "cleo", "adjudicate")
    with label_server(
        tmp_path / "desk", crop_set.path, tokens=tmp_path / "tokens.json", relabel_encoder=encoder
    ) as server:
        fill(server.store, ids, truth)
        digest = read_votes(str(server.store.url)).digest
        first, second = (_open(browser, server.url, token) for _ in range(2))
        first.page.click("#relabel")
        first.page.wait_for_function(
            "() => document.getElementById('relabel-note').textContent.startsWith('Started')"
        )
        second.page.reload()  # opened while it runs, it says so without being asked
        second.page.wait_for_function("() => document.getElementById('relabel-note').textContent")
        assert second.page.text_content("#relabel-note").startswith("Running")
        assert second.page.is_disabled("#relabel")
        first.page.wait_for_function(
            "digest => document.getElementById('relabel-note').textContent.includes(digest)",
            arg=digest[:12], timeout=1000 * STEP_S,
        )  # fmt: skip
        said = first.text("#relabel-note")
        assert "degradation 1, 240 craters" in said
        for window in (first, second):
            assert window.faults == []
            window.context.close()

    run = last_run()
    assert run.data.tags["mlflow.runName"] == "relabel-lunar-craters"
    assert run.info.status == "FINISHED"
    assert run.data.tags["labels_digest"] == digest
    people = pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="tables/labellers.csv"
        )
    ).set_index("labeller")
    assert people["votes"].to_dict() == {"ada": 240, "ben": 80}
    challenger = client.get_model_version_by_alias("lunar-craters", "challenger")
    assert challenger.run_id == run.info.run_id
    assert client.get_model_version_by_alias("lunar-craters", "champion").version == bad

    promoted = run_step(promote, bootstrap=200, max_latency_ms=60_000)
    assert promoted.exit_code == 0, promoted.output
    champion = client.get_model_version_by_alias("lunar-craters", "champion")
    assert champion.version == challenger.version

    # An answer over HTTP names the labels.
    folder = Path(mlflow.artifacts.download_artifacts("models:/lunar-craters@champion"))
    bundle = next(folder.rglob(ARTIFACT))
    labels = {"name": "degradation 1", "digest": digest}
    with live_server(tmp_path, bundle) as live:
        assert live.get("/v1/model").json()["model"]["labels"] == labels
        answer = live.get(f"/v1/craters/{ids[0]}").json()["prediction"]
        assert answer["model"]["labels"] == labels
        assert answer["state"]["label"] in STATE_NAMES


def _open(browser, url: str, token: str) -> Window:
    window = Window(browser, f"{url}/label")
    window.page.wait_for_selector("#token:focus")
    window.page.keyboard.type(token)
    window.page.keyboard.press("Enter")
    window.page.wait_for_function("() => document.body.dataset.task")
    window.page.click("#more summary")
    return window
