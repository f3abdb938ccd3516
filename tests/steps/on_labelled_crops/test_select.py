"""What the select step chooses is what the page asks about next."""

import io
import uuid
from datetime import UTC, datetime

import mlflow
import pandas as pd
import pytest

from lunar_models.config.label import LabelConfig
from lunar_models.labelling import LabelStore, Vote, default_scheme
from serving.app.labelling import open_labelling
from steps.select import main as select
from steps.train import main as train


@pytest.fixture
def encoder_uri(run_step, last_run, crop_set):
    run_step(train, crops=crop_set.path, encoder="pca", latent_dim=5, registered_model="none")
    return last_run().data.tags["output.encoder_uri"]


def cast(labelling, labeller, task, value):
    vote = Vote(
        vote_id=str(uuid.uuid4()), crater_id=task.crater_id, labeller=labeller, value=value,
        scheme="degradation", scheme_version=1, time_utc=datetime.now(UTC), seconds=1.0,
    )  # fmt: skip
    labelling.assignment.cast(vote, task.task_id)


def test_the_page_asks_in_the_order_of_the_selection(
    run_step, last_run, crop_set, encoder_uri, tmp_path
):
    """Two rounds: choose, label, choose again on the labels, label on."""
    store = tmp_path / "labels.db"
    gold = tmp_path / "gold.csv"
    pd.DataFrame({"CRATER_ID": crop_set.metadata["crater_id"][:10], "state": 1}).to_csv(
        gold, index=False
    )
    common = {"crops": crop_set.path, "encoder_uri": encoder_uri, "without": gold, "count": 12}
    order = tmp_path / "next.csv"
    design = {
        "crops": str(crop_set.path), "store": str(store), "order": str(order), "gold": str(gold),
        "gold_count": 0, "double_share": 1.0, "repeat_share": 0.0,
    }  # fmt: skip

    assert run_step(select, **common, output=order).exit_code == 0
    first = pd.read_csv(order, dtype=str)["CRATER_ID"].tolist()
    labelling = open_labelling(LabelConfig(**design))
    assert [task.crater_id for task in labelling.assignment.tasks("ada", 12)] == first
    for k in range(12):
        (task,) = labelling.assignment.tasks("ada", 1)
        cast(labelling, "ada", task, default_scheme().state_names[k % 4])
    labelling.store.close()

    result = run_step(select, **common, votes=store, method="uncertain", output=order)
    assert result.exit_code == 0, result.output
    both = pd.read_csv(order, dtype=str)
    assert both["CRATER_ID"].tolist()[:12] == first
    new = both.loc[both["reason"] == "selected", "CRATER_ID"].tolist()
    assert len(new) == 12
    assert not set(new) & {*first, *crop_set.metadata["crater_id"][:10]}
    labelling = open_labelling(LabelConfig(**design))
    assert [task.crater_id for task in labelling.assignment.tasks("ada", 30)] == new
    # The second person labels what ada has labelled, blind, and then the new craters.
    assert [task.crater_id for task in labelling.assignment.tasks("ben", 24)] == [*first, *new]
    labelling.store.close()
    assert len(LabelStore(store).votes()) == 12

    run = last_run()
    assert run.data.metrics["selection/labelled"] == 12
    text = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/tables/balance.csv")
    balance = pd.read_csv(io.StringIO(text))
    assert {"diameter", "latitude", "terrain", "light"} <= set(balance["property"])
    assert run.data.metrics["selection/largest_imbalance"] == pytest.approx(
        (balance["together"] - balance["all"]).abs().max()
    )


def test_too_many_are_refused(run_step, crop_set, encoder_uri, tmp_path):
    result = run_step(
        select, crops=crop_set.path, encoder_uri=encoder_uri, count=241, output=tmp_path / "n.csv"
    )
    assert result.exit_code == 2
    assert "count=241 is not between 1 and 240" in result.output
    assert not (tmp_path / "n.csv").exists()
