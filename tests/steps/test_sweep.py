"""A sweep: what may be searched, and two real trainings."""

import mlflow
import optuna
import pytest

from steps._options import UserError
from steps.sweep import main, parse_space


def test_lists_and_ranges():
    space = parse_space("latent_dim=6|20; learning_rate=1e-4..1e-2; epochs=2..8")
    assert space["latent_dim"] == optuna.distributions.CategoricalDistribution(["6", "20"])
    assert space["learning_rate"] == optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
    assert space["epochs"] == optuna.distributions.IntDistribution(2, 8, log=True)


@pytest.mark.parametrize(
    "space", ["", "nonsense=1|2", "latent_dim", "latent_dim=0|5", "latent_dim=9..3", "encoder=x|y"]
)
def test_bad_spaces_are_refused(space):
    with pytest.raises(UserError, match="space"):
        parse_space(space)


def test_a_range_needs_a_search(run_step, crop_set):
    result = run_step(main, crops=crop_set.path, space="learning_rate=1e-4..1e-2")
    assert result.exit_code == 2
    assert "use tpe" in result.output


def test_grid_marks_the_best(run_step, crop_set, last_run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    result = run_step(main, crops=crop_set.path, space="encoder=pca;latent_dim=2|8")
    assert result.exit_code == 0
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    parent = next(run for run in runs if run.data.tags["step"] == "sweep")
    children = [run for run in runs if run.data.tags["step"] == "train"]
    assert {run.data.params["latent_dim"] for run in children} == {"2", "8"}
    assert all(r.data.tags["mlflow.parentRunId"] == parent.info.run_id for r in children)
    [best] = [run for run in children if run.data.tags.get("best") == "true"]
    assert best.data.params["latent_dim"] == "8"  # more components always reconstruct better
    assert parent.data.params["best.latent_dim"] == "8"
