"""The train step: what a user finds in MLflow after it."""

import mlflow
import pytest

from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.original_cae import OriginalEncoder
from lunar_models.encoders.import_checkpoint import UNIT_PIXELS
from lunar_models.errors import ConfigError
from steps.shared.registry import find_encoder
from steps.train import _alone_in, main


@pytest.fixture
def trained(run_step, last_run, crop_set):
    result = run_step(main, crops=crop_set.path, epochs=2, latent_dim=6, batch_size=16)
    assert result.exit_code == 0
    return last_run()


def artifacts(run, path=None):
    return {a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id, path)}


def test_parameters_metrics_and_tags(trained, crop_set):
    assert trained.info.status == "FINISHED"
    assert trained.info.run_name == "cae-d6-e2"
    assert trained.data.params["latent_dim"] == "6"
    assert trained.data.tags["step"] == "train"
    assert trained.data.tags["encoder"] == "cae"
    client = mlflow.MlflowClient()
    for key in ("loss/train", "loss/validation", "train/learning_rate"):
        assert len(client.get_metric_history(trained.info.run_id, key)) == 2
    assert "system/cpu_utilization_percentage" in trained.data.metrics  # of seconds, too
    [dataset] = trained.inputs.dataset_inputs
    assert dataset.dataset.digest == crop_set.info.digest[:32]


def test_artifacts_and_snapshot(trained):
    assert {"checkpoint", "figures", "images", "snapshot"} <= artifacts(trained)
    assert artifacts(trained, "figures") == {
        "figures/loss_curve.png",
        "figures/reconstructions.png",
    }
    frames = [p for p in artifacts(trained, "images") if p.startswith("images/reconstructions")]
    assert len({f for f in frames if f.endswith(".png")}) == 2  # one per epoch: the UI's slider
    assert artifacts(trained, "snapshot") == {
        f"snapshot/{name}"
        for name in (
            "MLproject.yaml",
            "commit.txt",
            "packages.txt",
            "parameters.json",
            "uncommitted.diff",
            "untracked.txt",
        )
    }


def test_registered_encoder_embeds_like_the_checkpoint(trained, crop_set):
    [version] = mlflow.MlflowClient().search_model_versions("name='lunar-encoder'")
    assert version.tags["crops_digest"] == crop_set.info.digest
    assert version.tags["git_commit"]
    assert "6 dimensions" in version.description
    by_registry = Checkpoint.load(find_encoder(f"models:/lunar-encoder/{version.version}"))
    by_output = Checkpoint.load(find_encoder(trained.data.tags["output.encoder_uri"]))
    crops = crop_set.crops[:4]
    assert (embed_crops(by_registry, crops) == embed_crops(by_output, crops)).all()
    info = mlflow.models.get_model_info(f"models:/lunar-encoder/{version.version}")
    assert info.signature is not None
    assert info.saved_input_example_info is not None


def test_missing_crop_set(run_step, tmp_path):
    result = run_step(main, crops=tmp_path / "nowhere")
    assert result.exit_code == 2
    assert "is not a finished crop set" in result.output


def test_a_killed_training_goes_on_with_the_whole_curve(
    run_step, last_run, crop_set, tmp_path, monkeypatch
):
    options = {"crops": crop_set.path, "epochs": 3, "latent_dim": 6, "output": tmp_path / "work"}

    def kill(metrics, step):
        if step == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("steps.train.log_metrics", kill)
        run_step(main, **options)
    assert last_run().info.status != "FINISHED"
    result = run_step(main, **options)
    assert result.exit_code == 0
    client, run = mlflow.MlflowClient(), last_run()
    history = client.get_metric_history(run.info.run_id, "loss/validation")
    assert [point.step for point in history] == [0, 1, 2]
    frames = [p for p in artifacts(run, "images") if p.endswith(".png")]
    assert len({f.split("step%")[-1].split("%")[0] for f in frames}) == 1  # of the epoch left
    assert not list((tmp_path / "work").iterdir())


def test_only_the_first_of_several_processes_reports(run_step, crop_set, tmp_path, monkeypatch):
    trained = []
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr("steps.train.train", lambda *_, **keywords: trained.append(keywords))
    result = run_step(main, crops=crop_set.path, output=tmp_path)
    assert result.exit_code == 0
    assert len(trained) == 1
    assert "on_epoch" not in trained[0]
    assert mlflow.search_runs(search_all_experiments=True).empty


def test_the_same_training_twice_at_once_is_refused(run_step, crop_set, tmp_path, monkeypatch):
    refused = []

    def meanwhile(*_, work_dir, **__):
        with pytest.raises(ConfigError, match="Another process"), _alone_in(work_dir):
            pass
        refused.append(work_dir)
        raise KeyboardInterrupt

    monkeypatch.setattr("steps.train.train", meanwhile)
    run_step(main, crops=crop_set.path, output=tmp_path)
    assert len(refused) == 1


@pytest.mark.parametrize("error", [ConfigError, KeyboardInterrupt])
def test_a_training_that_fails_at_once_leaves_nothing(
    run_step, crop_set, tmp_path, monkeypatch, error
):
    def fail(*_, **__):
        raise error("failed")

    monkeypatch.setattr("steps.train.train", fail)
    assert run_step(main, crops=crop_set.path, output=tmp_path / "work").exit_code != 0
    assert not list((tmp_path / "work").iterdir())


def test_an_output_that_cannot_be_written_is_told_before_training(run_step, crop_set, tmp_path):
    (tmp_path / "file").write_text("")
    result = run_step(main, crops=crop_set.path, output=tmp_path / "file" / "work")
    assert result.exit_code == 2
    assert "cannot be written" in result.output


def test_an_ensemble_of_runs_and_registered_models(run_step, last_run, crop_set, tmp_path):
    assert run_step(main, crops=crop_set.path, encoder="pca", latent_dim=3).exit_code == 0
    uris = (f"runs:/{last_run().info.run_id}/checkpoint", "models:/lunar-encoder/1")
    members = ",".join((*uris, "polar_harmonics"))
    result = run_step(main, crops=crop_set.path, encoder="ensemble", members=members)
    assert result.exit_code == 0
    run = last_run()
    assert run.data.params["members"] == members
    assert run.info.run_name == "ensemble-of-3-e25"
    folder = find_encoder(run.data.tags["output.encoder_uri"])
    encoder = Checkpoint.load(folder).encoder
    assert [member.name for member in encoder.members] == ["pca", "pca", "polar_harmonics"]
    text = (folder / "config.json").read_text()
    assert not any(part in text for part in ("runs:/", "models:/", str(tmp_path)))


def test_an_ensemble_of_what_is_not_there(run_step, crop_set):
    for member in ("models:/nothing/1", "resnet"):
        result = run_step(main, crops=crop_set.path, encoder="ensemble", members=member)
        assert result.exit_code == 2
        assert member in result.output


def test_an_imported_encoder_is_no_member(run_step, crop_set, tmp_path):
    encoder = OriginalEncoder(crop_size_px=32, latent_dim=6, kernel_px=3, batch_norm=False)
    Checkpoint(encoder, UNIT_PIXELS).save(tmp_path / "imported")
    members = tmp_path / "imported"
    result = run_step(main, crops=crop_set.path, encoder="ensemble", members=members)
    assert result.exit_code == 2
    assert "Member 0 of the ensemble (original_cae)" in result.output
    assert "cannot be a member" in result.output


@pytest.mark.parametrize("encoder", ["backbone", "vit_mae"])
def test_a_pretrained_folder_that_is_not_there(run_step, crop_set, encoder):
    result = run_step(main, crops=crop_set.path, encoder=encoder, pretrained="/nowhere/model")
    assert result.exit_code == 2
    assert "pretrained=/nowhere/model is no folder here, and as a hub id" in result.output
