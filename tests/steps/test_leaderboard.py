"""The leaderboard of `benchmarks`, on a few synthetic craters."""

import json

import mlflow
import pandas as pd
import pytest
from helpers import make_crop_set_folder

from benchmarks import leaderboard


@pytest.fixture
def rank(store, tmp_path, monkeypatch):
    """Call it with some runs; returns its table."""

    def rank(crop_set, *runs) -> pd.DataFrame:
        contrast = crop_set.crops.reshape(len(crop_set), -1).std(axis=1)
        states = pd.qcut(-contrast, 4, labels=[1, 2, 3, 4])
        labels = pd.DataFrame({"CRATER_ID": crop_set.metadata["crater_id"], "state": states})
        labels.to_csv(tmp_path / "labels.csv", index=False)
        options = {"crops": crop_set.path, "labels": tmp_path / "labels.csv"}
        options |= {"output": tmp_path / "output"}
        words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
        words += [word for run in runs for word in ("--run", run)]
        monkeypatch.setattr("sys.argv", ["leaderboard", *words])
        leaderboard.main()
        return pd.read_csv(tmp_path / "output" / "leaderboard.csv")

    return rank


def test_a_row_for_each_run_here_and_in_mlflow(rank, tmp_path):
    crop_set = make_crop_set_folder(tmp_path / "crops", n=240)
    table = rank(crop_set, "pca latent_dim=5", "polar_harmonics")
    assert list(table["run"]) == ["pca latent_dim=5", "polar_harmonics"]
    assert list(table["dim"]) == [5, 56]
    assert table["linear"].between(0.6, 1).all()
    [run] = mlflow.search_runs(experiment_names=["leaderboard"], output_format="list")
    shown = mlflow.load_table("leaderboard.json", run_ids=[run.info.run_id])
    assert shown["linear"].tolist() == pytest.approx(table["linear"], abs=1e-4)


def test_trains_again_only_what_changed(rank, tmp_path):
    clock = tmp_path / "output" / "pca_latent_dim=5" / "minutes.json"
    first = make_crop_set_folder(tmp_path / "first", n=240)
    rank(first, "pca latent_dim=5")
    done = clock.read_text()
    rank(first, "pca latent_dim=5")
    assert clock.read_text() == done
    rank(make_crop_set_folder(tmp_path / "second", n=240, seed=1), "pca latent_dim=5")
    assert json.loads(clock.read_text())["fingerprint"] != json.loads(done)["fingerprint"]


@pytest.mark.parametrize("run", ["foo", "pca latent_dim=many", "pca nonsense=1", "pca epochs=0"])
def test_a_mistake_is_told_before_anything_is_trained(rank, crop_set, tmp_path, run):
    with pytest.raises(SystemExit, match=f"--run {run}"):
        rank(crop_set, "pca", run)
    assert not (tmp_path / "output").exists()
