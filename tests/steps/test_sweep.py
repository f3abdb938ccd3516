"""A sweep: what may be searched, and two real trainings."""

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import mlflow
import optuna
import psutil
import pytest

from serving.cli.options import UserError
from steps.sweep import main, parse_space

ROOT = Path(__file__).parents[2]
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: [ray]")


def test_lists_and_ranges():
    space = parse_space("latent_dim=6|20; learning_rate=1e-4..1e-2; epochs=2..8")
    assert space["latent_dim"] == optuna.distributions.CategoricalDistribution(["6", "20"])
    assert space["learning_rate"] == optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)
    assert space["epochs"] == optuna.distributions.IntDistribution(2, 8, log=True)


def test_what_training_starts_from_can_be_tried():
    space = parse_space("members=pca,polar_harmonics|pca; pretrained=none|facebook/vit-mae-base")
    assert space["members"].choices == ("pca,polar_harmonics", "pca")
    assert space["pretrained"].choices == ("none", "facebook/vit-mae-base")


@pytest.mark.parametrize(
    "space",
    [
        "",
        "crops=a|b",
        "nonsense=1|2",
        "latent_dim",
        "latent_dim=0|5",
        "latent_dim=9..3",
        "encoder=x|y",
    ],
)
def test_bad_spaces_are_refused(space):
    with pytest.raises(UserError, match="space"):
        parse_space(space)


def test_a_range_needs_a_search(run_step, crop_set):
    result = run_step(main, crops=crop_set.path, space="learning_rate=1e-4..1e-2")
    assert result.exit_code == 2
    assert "use tpe" in result.output


def test_a_grid_is_not_cut_in_silence(run_step, crop_set):
    result = run_step(main, crops=crop_set.path, space="latent_dim=2|4|8", trials=2)
    assert result.exit_code == 2
    assert "3 combinations" in result.output
    assert "trials=3" in result.output


def test_a_missing_crop_set_stops_before_the_first_training(run_step, tmp_path):
    result = run_step(main, crops=tmp_path / "nowhere", space="encoder=pca;latent_dim=2|8")
    assert result.exit_code == 2
    assert "nowhere" in result.output
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert [run.data.tags["step"] for run in runs if "step" in run.data.tags] == []


def test_grid_marks_the_best(run_step, crop_set, last_run, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    monkeypatch.chdir(crop_set.path.parent)
    result = run_step(main, crops=crop_set.path.name, space="encoder=pca;latent_dim=2|8")
    assert result.exit_code == 0
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    parent = next(run for run in runs if run.data.tags["step"] == "sweep")
    children = [run for run in runs if run.data.tags["step"] == "train"]
    assert {run.data.params["latent_dim"] for run in children} == {"2", "8"}
    assert all(r.data.tags["mlflow.parentRunId"] == parent.info.run_id for r in children)
    [best] = [run for run in children if run.data.tags.get("best") == "true"]
    assert best.data.params["latent_dim"] == "8"  # more components always reconstruct better
    assert parent.data.params["best.latent_dim"] == "8"
    assert all(run.info.run_id in parent.data.tags["mlflow.note.content"] for run in children)
    table = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/tables/trials.csv")
    assert best.info.run_id in table
    assert "best/validation_loss,params_encoder,params_latent_dim" in table


def test_a_search_draws_from_a_range(run_step, crop_set, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.get_tracking_uri())
    space = "encoder=pca;latent_dim=2..8"
    result = run_step(main, crops=crop_set.path, space=space, method="tpe", trials=2)
    assert result.exit_code == 0
    assert "Best of 2" in result.output
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    tried = [r.data.params["latent_dim"] for r in runs if r.data.tags["step"] == "train"]
    assert len(tried) == 2
    assert all(2 <= int(dim) <= 8 for dim in tried)


def children_of(runs, parent):
    return [r for r in runs if r.data.tags.get("mlflow.parentRunId") == parent.info.run_id]


@pytest.mark.parametrize(
    "options", [{"workers": 2}, pytest.param({"engine": "ray", "address": "local", "workers": 2},
                                             marks=[needs_ray, pytest.mark.slow])]
)  # fmt: skip
def test_trainings_run_at_once_and_one_that_fails_is_told_and_stops_no_other(
    run_step, crop_set, options
):
    space = "encoder=pca;latent_dim=2|4000|8"  # PCA has at most one dimension per crop
    result = run_step(main, crops=crop_set.path, space=space, **options)
    assert result.exit_code == 0
    assert "Training 1 with {'encoder': 'pca', 'latent_dim': '4000'} failed: " in result.output
    assert "Best of 2" in result.output
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    parent = next(run for run in runs if run.data.tags["step"] == "sweep")
    children = sorted(children_of(runs, parent), key=lambda run: run.data.tags["trial"])
    assert [run.info.status for run in children] == ["FINISHED", "FAILED", "FINISHED"]
    assert [run.data.params["latent_dim"] for run in children] == ["2", "4000", "8"]
    assert all(run.data.tags["step"] == "train" for run in children)
    assert parent.info.status == "FINISHED"
    table = mlflow.artifacts.load_text(f"runs:/{parent.info.run_id}/tables/trials.csv")
    assert "user_attrs_error" in table


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("engine", ["local", pytest.param("ray", marks=needs_ray)])
def test_an_interrupted_sweep_ends_its_trainings_and_closes_their_runs(
    store, crop_set, tmp_path, engine, number
):
    options = {"crops": crop_set.path, "space": "encoder=cae;latent_dim=2|3|4", "epochs": 5000,
               "engine": engine, "address": "local", "workers": 2}  # fmt: skip
    arguments = [part for k, v in options.items() for part in (f"--{k}", str(v))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": store}
    sweep = subprocess.Popen(
        [sys.executable, "-m", "steps.sweep", *arguments], cwd=tmp_path, env=environment
    )

    def runs():
        found = mlflow.search_runs(search_all_experiments=True, output_format="list")
        return [run for run in found if "step" in run.data.tags]

    end = time.monotonic() + 300
    while len([r for r in runs() if "loss/train" in r.data.metrics]) < 2:
        assert sweep.poll() is None
        assert time.monotonic() < end
        time.sleep(0.5)
    family = psutil.Process(sweep.pid).children(recursive=True)
    sweep.send_signal(number)
    assert sweep.wait(60) != 0
    assert {run.info.status for run in runs()} == {"KILLED"}
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
