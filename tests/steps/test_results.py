"""Results of a pipeline, opened in one line."""

import mlflow
import numpy as np
import pytest

from serving.cli.options import UserError
from steps.cluster import main as cluster
from steps.results import open_run
from steps.train import main as train


def test_from_a_run_to_its_craters(run_step, last_run, crop_set):
    run_step(train, crops=crop_set.path, encoder="pca", latent_dim=4, registered_model="none")
    encoder = last_run().data.tags["output.encoder_uri"]
    run_step(
        cluster, crops=crop_set.path, encoder_uri=encoder, n_clusters=2, stability_rounds=0,
        views="none",
    )  # fmt: skip
    run = last_run()
    with mlflow.start_run(run_name="whole") as parent:
        mlflow.set_tags({"step": "main", "reused.cluster": run.info.run_id})
    for name in (None, "whole", parent.info.run_id, run.info.run_id):
        assert open_run(name).run.info.run_id == run.info.run_id

    result = open_run()
    assert len(result.clusters) == len(result.crops) == len(result.embeddings) == len(crop_set)
    assert result.embeddings.shape[1] == 4
    first = result.clusters["crater_id"][0]
    near = result.similar(first, 3)
    distances = np.linalg.norm(result.embeddings - result.embeddings[0], axis=1)
    nearest = np.argsort(distances)[1:4]
    assert near["crater_id"].tolist() == result.clusters["crater_id"][nearest].tolist()
    assert near["embedding_distance"].is_monotonic_increasing
    assert result.row(first) == 0
    with pytest.raises(UserError, match="'nobody' is not among the 60 craters"):
        result.similar("nobody")
    with pytest.raises(UserError, match=r"no tables/freshest\.csv"):
        _ = result.freshest


def test_what_cannot_be_opened(store):
    with pytest.raises(UserError, match="no finished run of main or cluster"):
        open_run()
    for _ in range(2):
        with mlflow.start_run(run_name="twin"):
            mlflow.set_tag("step", "main")
    with pytest.raises(UserError, match="2 runs are called 'twin'"):
        open_run("twin")
    with pytest.raises(UserError, match="twin has no cluster step"):
        open_run()
    with pytest.raises(UserError, match="no finished run nobody"):
        open_run("nobody")
