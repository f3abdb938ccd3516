"""A better and sound challenger becomes champion; anything else stays, and says why."""

import threading

import mlflow
import pandas as pd
import pytest

from serving.cli.options import UserError
from steps.evaluate import main as evaluate
from steps.promote import main as promote
from steps.register import main as register
from steps.shared.promotion import exclusive, who
from steps.train import main as train

NAME = "lunar-craters"


@pytest.fixture
def labels(crop_set, tmp_path):
    """States by contrast."""
    contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
    states = pd.qcut(-contrast, 4, labels=[1, 2, 3, 4])
    table = pd.DataFrame({"CRATER_ID": crop_set.metadata["crater_id"], "state": states})
    table.to_csv(tmp_path / "labels.csv", index=False)
    return tmp_path / "labels.csv"


@pytest.fixture
def make_version(run_step, last_run, crop_set, labels):
    """Train, evaluate and register; returns the version."""

    def make(alias: str, *, latent_dim: int, folds: int = 3) -> str:
        common = {"crops": crop_set.path}
        options = {"encoder": "pca", "latent_dim": latent_dim, "registered_model": "none"}
        run_step(train, **common, **options)
        encoder = last_run().data.tags["output.encoder_uri"]
        judged = {"labels": labels, "bootstrap": 20, "folds": folds}
        run_step(evaluate, **common, encoder_uri=encoder, **judged)
        head = last_run().data.tags["output.head"]
        run_step(register, **common, encoder_uri=encoder, head=head, alias=alias)
        return last_run().data.tags["model_version"]

    return make


def champion() -> str | None:
    try:
        found = mlflow.MlflowClient().get_model_version_by_alias(NAME, "champion")
        return str(found.version)
    except mlflow.MlflowException:
        return None


def tags(version: str) -> dict[str, str]:
    return mlflow.MlflowClient().get_model_version(NAME, version).tags


def test_the_road_of_a_challenger(run_step, last_run, make_version):
    first = make_version("challenger", latent_dim=3)
    assert run_step(promote).exit_code == 0
    assert champion() == first
    assert tags(first)["promoted_over"] == "none"

    # the same model is not better than itself
    same = make_version("challenger", latent_dim=3)
    refused = run_step(promote, bootstrap=50)
    assert refused.exit_code == 2
    assert "probe/linear_qwk +0.0000" in refused.output
    assert champion() == first
    assert "better" in tags(same)["alias_history"]

    # with a margin below zero it is good enough
    assert run_step(promote, bootstrap=50, margin=-0.5).exit_code == 0
    record = tags(same)
    assert champion() == same
    assert record["promoted_over"] == first
    made, refused_before = record["alias_history"].splitlines()
    assert f"{who()} run {last_run().info.run_id}: became champion over {first}: " in made
    assert ": refused: " in refused_before
    assert len(record) < 8
    assert f": gave champion to {same}" in tags(first)["alias_history"]

    assert run_step(promote, rollback=True).exit_code == 0
    assert champion() == first
    assert f": rolled back: gave champion to {first}" in tags(same)["alias_history"]
    assert f": restored as champion in place of {same}" in tags(first)["alias_history"]
    assert len(tags(same)) < 8
    assert len(tags(first)) < 8
    assert run_step(promote, rollback=True).exit_code == 2  # nothing came before the first


def test_reasons_to_refuse(run_step, make_version):
    first = make_version("champion", latent_dim=3)
    make_version("challenger", latent_dim=3, folds=4)
    other = run_step(promote, margin=-0.5)
    assert "on other craters, states or folds" in other.output
    slow = run_step(promote, margin=-0.5, max_latency_ms=0.1)
    assert "FAILED  latency" in slow.output
    unknown = run_step(promote, metric="probe/nothing", challenger="7")
    assert "has no version '7'" in unknown.output
    itself = run_step(promote, challenger=first)
    assert "champion already" in itself.output
    assert champion() == first


def test_a_tampered_challenger_is_refused(run_step, make_version, tmp_path):
    make_version("challenger", latent_dim=3)
    for weights in (tmp_path / "artifacts").rglob("bundle/encoder/weights.safetensors"):
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
    result = run_step(promote)
    assert result.exit_code == 2
    assert "FAILED  loads" in result.output
    assert "weights.safetensors" in result.output
    assert champion() is None


def test_two_promotions_at_once_cannot_both_win(store):
    together, outcomes = threading.Barrier(8), []

    def contend() -> None:
        together.wait()
        try:
            with exclusive(NAME):
                outcomes.append("won")
                together.wait(30)
        except UserError as error:
            outcomes.append(str(error))
            together.wait(30)

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("won") == 1
    assert sum("under way" in outcome for outcome in outcomes) == 7
    with exclusive(NAME):  # and it is free again afterwards
        pass
    assert not any("--promotion" in m.name for m in
                   mlflow.MlflowClient().search_registered_models())  # fmt: skip
