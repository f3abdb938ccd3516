"""New labels make a challenger that is judged as the version in service was."""

import mlflow
import numpy as np
import pandas as pd
import pytest

from lunar_models.labelling.reading import read_votes
from lunar_models.terms import STATE_NAMES
from steps.evaluate import main as evaluate
from steps.promote import main as promote
from steps.register import main as register
from steps.relabel import main as relabel
from steps.shared.registry import example
from steps.train import main as train


@pytest.fixture
def encoder_uri(run_step, last_run, crop_set):
    run_step(train, crops=crop_set.path, encoder="pca", latent_dim=5, registered_model="none")
    return last_run().data.tags["output.encoder_uri"]


@pytest.fixture
def truth(crop_set):
    """States by the contrast of each crop."""
    contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
    return pd.qcut(-contrast, 4, labels=False)


def write(path, crop_set, rank, labeller=None):
    table = {"crater_id": crop_set.metadata["crater_id"], "state": np.array(STATE_NAMES)[rank]}
    if labeller:
        table = {"crater_id": table["crater_id"], "labeller": labeller, "value": table["state"]}
    pd.DataFrame(table).to_csv(path, index=False)
    return path


def named(votes):
    return {"name": votes.name, "digest": read_votes(str(votes)).digest}


@pytest.fixture
def served_labels(crop_set):
    """What an answer of the version under an alias says its head was fitted on."""

    def ask(alias):
        model = mlflow.pyfunc.load_model(f"models:/lunar-craters@{alias}")
        [answer] = model.predict(example(crop_set.crops[0]))
        return answer["model"]["labels"]

    return ask


def test_promote_decides_between_labels(
    run_step, last_run, crop_set, encoder_uri, truth, served_labels, tmp_path
):
    """Labels of which a half are random stay challenger; where they serve, good ones replace them.

    All are judged on the evaluation set of the first champion.
    """
    common = {"crops": crop_set.path, "encoder_uri": encoder_uri, "folds": 3}
    judged_by = write(tmp_path / "truth.csv", crop_set, truth)
    assert run_step(evaluate, **common, labels=judged_by, bootstrap=50).exit_code == 0
    evaluated = last_run()
    head = evaluated.data.tags["output.head"]
    place = {k: common[k] for k in ("crops", "encoder_uri")}
    assert run_step(register, **place, head=head).exit_code == 0

    same = run_step(relabel, **common, votes=judged_by, bootstrap=50)
    assert same.exit_code == 0, same.output
    run = last_run()
    assert run.data.tags["evaluation_digest"] == evaluated.data.tags["evaluation_digest"]
    # Equal labels and folds: the probes must give the very same predictions.
    for name in ("linear", "knn", "lda", "ordinal"):
        metric = f"probe/{name}_qwk"
        assert run.data.metrics[metric] == evaluated.data.metrics[metric]

    noise = np.random.default_rng(5)
    spoilt = np.where(noise.random(240) < 0.5, noise.integers(0, 4, 240), truth)
    votes = write(tmp_path / "votes.csv", crop_set, spoilt, "ada")
    assert run_step(relabel, **common, votes=votes, bootstrap=50).exit_code == 0
    worse = last_run()
    assert worse.data.tags["evaluation_digest"] == evaluated.data.tags["evaluation_digest"]
    assert worse.data.metrics["head/qwk"] < run.data.metrics["head/qwk"] - 0.02
    refused = run_step(promote, bootstrap=50, max_latency_ms=60_000)
    assert refused.exit_code == 2
    assert "stays challenger" in refused.output

    assert served_labels("challenger") == named(votes)
    assert worse.data.tags["labels_digest"] == named(votes)["digest"]
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("lunar-craters", "challenger")
    assert f"fitted on the labels votes.csv {named(votes)['digest']}" in version.description

    # Somebody serves the bad ones after all; then they are labelled again, with care.
    client.set_registered_model_alias("lunar-craters", "champion", version.version)
    client.delete_registered_model_alias("lunar-craters", "challenger")
    careful = write(tmp_path / "careful.csv", crop_set, truth, "bo")
    assert run_step(relabel, **common, votes=careful, bootstrap=50).exit_code == 0
    better = last_run()
    assert better.data.tags["evaluation_digest"] == evaluated.data.tags["evaluation_digest"]
    candidate = client.get_model_version_by_alias("lunar-craters", "challenger").version
    assert served_labels("champion") == named(votes)  # relabelling alone changes nothing
    promoted = run_step(promote, bootstrap=200, max_latency_ms=60_000)
    assert promoted.exit_code == 0, promoted.output
    assert last_run().data.metrics["promotion/low"] > 0
    assert served_labels("champion") == named(careful)
    assert client.get_model_version_by_alias("lunar-craters", "champion").version == candidate


def test_other_states_are_refused(run_step, crop_set, encoder_uri, truth, tmp_path):
    common = {"crops": crop_set.path, "encoder_uri": encoder_uri, "folds": 3, "bootstrap": 10}
    first = write(tmp_path / "first.csv", crop_set, truth)
    assert run_step(relabel, **common, votes=first).exit_code == 0  # the first is the champion
    assert mlflow.MlflowClient().get_model_version_by_alias("lunar-craters", "champion")
    second = write(tmp_path / "second.csv", crop_set, np.minimum(truth, 2))
    result = run_step(relabel, **common, votes=second)
    assert result.exit_code == 2
    assert "differ in the states Old" in result.output
