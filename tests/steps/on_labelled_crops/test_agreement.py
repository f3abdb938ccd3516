"""The agreement step: measures of people's agreement, as a run with tables and a page."""

import io

import mlflow
import numpy as np
import pandas as pd
import pytest

from lunar_models.labelling.reading import read_votes
from lunar_models.terms import STATE_NAMES
from steps.agreement import main as agreement
from steps.train import main as train


@pytest.fixture
def votes(crop_set, tmp_path):
    """Two people who see the contrast; the second calls a tenth of the craters one state older."""
    contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
    rank = pd.qcut(-contrast, 4, labels=False)
    shift = np.random.default_rng(7).random(len(rank)) < 0.1
    tables = [
        pd.DataFrame(
            {
                "crater_id": crop_set.metadata["crater_id"],
                "labeller": name,
                "value": np.array(STATE_NAMES)[np.minimum(rank + moved, 3)],
                "kind": kind,
            }
        )
        for name, moved, kind in (("ada", 0, "ordinary"), ("bo", shift, "second"))
    ]
    again = tables[0].head(40).assign(kind="repeat")
    file = tmp_path / "votes.csv"
    pd.concat([*tables, again]).to_csv(file, index=False)
    return file


def table(run, name):
    text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/tables/{name}.csv")
    return pd.read_csv(io.StringIO(text), dtype={"crater_id": str})


def test_votes_alone_give_agreement_and_consensus(run_step, last_run, votes, crop_set):
    assert run_step(agreement, votes=votes, bootstrap=50).exit_code == 0
    run = last_run()
    pairs = table(run, "pairs")
    assert pairs.loc[0, "craters"] == 240
    assert 0.9 < pairs.loc[0, "qwk"] < 1.0
    assert run.data.metrics["agreement/self_qwk"] == 1.0
    consensus = table(run, "consensus")
    assert list(consensus["crater_id"]) == sorted(crop_set.metadata["crater_id"])
    assert run.data.tags["labels_digest"] == read_votes(str(votes)).digest
    page = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/agreement.html")
    assert "ada" in page
    assert page.count("data:image/png") == 3


def test_a_model_finds_the_labels_to_look_at_again(run_step, last_run, votes, crop_set):
    craters = crop_set.metadata["crater_id"]
    spoilt = pd.read_csv(votes, dtype=str)
    wrong = set(spoilt["crater_id"][spoilt["value"] == "New"].unique()[:6])
    spoilt.loc[spoilt["crater_id"].isin(wrong), "value"] = "Old"
    spoilt.to_csv(votes, index=False)
    run_step(train, crops=crop_set.path, encoder="pca", latent_dim=5, registered_model="none")
    encoder = last_run().data.tags["output.encoder_uri"]
    result = run_step(
        agreement, votes=votes, crops=crop_set.path, encoder_uri=encoder, bootstrap=20, folds=3
    )
    assert result.exit_code == 0
    run = last_run()
    suspicious = table(run, "suspicious")
    assert set(suspicious["crater_id"]) == set(craters)
    assert wrong <= set(suspicious.head(12)["crater_id"])
    assert wrong <= set(suspicious["crater_id"][suspicious["suspicious"]])
    curve = table(run, "label_curve")
    assert {*STATE_NAMES, "all states"} == set(curve["state"])
    page = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/agreement.html")
    assert "How many labels are enough" in page


def test_a_password_is_not_logged(run_step):
    result = run_step(agreement, votes="postgresql+psycopg://ada:secret@host/labels")
    assert result.exit_code == 2
    assert "PGPASSWORD" in result.output
    assert "secret" not in result.output


def test_bad_votes_are_refused(run_step, tmp_path):
    file = tmp_path / "votes.csv"
    file.write_text("crater_id,labeller,value\n1,ada,New\n1,bo,Fresh\n")
    result = run_step(agreement, votes=file)
    assert result.exit_code == 2
    assert "bo called crater '1' 'Fresh'" in result.output
    missing = run_step(agreement, votes=tmp_path / "none.db")
    assert missing.exit_code == 2
    assert "does not exist" in missing.output
