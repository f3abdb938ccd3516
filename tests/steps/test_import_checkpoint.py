"""A user of the original pipeline brings the model along."""

import mlflow
import pytest
import torch
from torch import nn

from lunar_models.embedding import embed_crops
from lunar_models.encoders.checkpoint import Checkpoint
from steps.import_checkpoint import main
from steps.shared.registry import find_encoder


@pytest.fixture
def original() -> nn.Module:
    """The original autoencoder for crops of 32 px."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in [(1, 16), (16, 32), (32, 64), (64, 128)]:
        layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
    model = nn.Module()
    model.encoder = nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 4, 6))
    model.decoder = nn.Sequential(nn.Linear(6, 128 * 4))
    return model


def test_the_registered_encoder_embeds_as_the_original(run_step, crop_set, original, tmp_path):
    torch.save(original.state_dict(), tmp_path / "autoencoder.pth")
    result = run_step(main, file=tmp_path / "autoencoder.pth", crops=crop_set.path)
    assert result.exit_code == 0
    [version] = mlflow.MlflowClient().search_model_versions("name='lunar-encoder'")
    assert version.tags["imported_from"] == "autoencoder.pth"
    checkpoint = Checkpoint.load(find_encoder(f"models:/lunar-encoder/{version.version}"))
    crops = crop_set.crops[:5]
    with torch.no_grad():
        theirs = original.encoder(torch.from_numpy(crops.copy())[:, None] / 255)
    torch.testing.assert_close(
        torch.from_numpy(embed_crops(checkpoint, crops, device="cpu")), theirs, atol=1e-5, rtol=0
    )


def test_a_pickled_model_is_refused(run_step, crop_set, original, tmp_path):
    torch.save({"model": original}, tmp_path / "model.pth")
    result = run_step(main, file=tmp_path / "model.pth", crops=crop_set.path)
    assert result.exit_code == 2
    assert "state dict alone" in result.output


@pytest.mark.parametrize("name", ["notes.pth", "folder.pth", "odd.pth"])
def test_bad_files_end_with_a_message(run_step, crop_set, tmp_path, name):
    (tmp_path / "notes.pth").write_text("hello world")
    (tmp_path / "folder.pth").mkdir()
    torch.save({"encoder.0.weight": 5}, tmp_path / "odd.pth")
    result = run_step(main, file=tmp_path / name, crops=crop_set.path)
    assert result.exit_code == 2
    assert name in result.output
