import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet, Radiometry
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import CONFIG_FILE, WEIGHTS_FILE, Checkpoint
from lunar_models.errors import CheckpointError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    encoder = build_encoder(TrainConfig(crops="", latent_dim=4), crop_size_px=16)
    checkpoint = Checkpoint(
        encoder,
        Normalisation("ratio", clip=0.7),
        Radiometry("uint16", 10, 900),
        2.0,
        highpass_sigma_px=5.0,
        alignment="none",
    )
    checkpoint.save(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"


def test_round_trip_keeps_how_the_crops_were_made(folder: Path) -> None:
    loaded = Checkpoint.load(folder)
    assert loaded.normalisation == Normalisation("ratio", clip=0.7)
    assert loaded.radiometry == Radiometry("uint16", 10, 900)
    assert loaded.context_diameters == 2.0
    assert loaded.highpass_sigma_px == 5.0
    assert loaded.alignment == "none"
    assert loaded.encoder.embedding_dim == 4
    assert not loaded.encoder.training


def test_takes_normalisation_and_context_from_the_crop_set(crop_set: CropSet) -> None:
    encoder = build_encoder(TrainConfig(crops=""), crop_size_px=32)
    checkpoint = Checkpoint.for_crops(encoder, crop_set)
    assert checkpoint.normalisation.to_dict() == crop_set.info.normalisation
    assert checkpoint.context_diameters == crop_set.info.context_diameters
    info = replace(crop_set.info, preprocess={"highpass_sigma_px": 4.0}, alignment="none")
    filtered = Checkpoint.for_crops(encoder, replace(crop_set, info=info))
    assert (filtered.highpass_sigma_px, filtered.alignment) == (4.0, "none")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="not an encoder checkpoint"):
        Checkpoint.load(tmp_path)


def test_missing_weights(folder: Path) -> None:
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(CheckpointError):
        Checkpoint.load(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, 5000])
def test_truncated_weights(folder: Path, keep: int) -> None:
    weights = folder / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.load(folder)


def test_truncated_config(folder: Path) -> None:
    config = folder / CONFIG_FILE
    config.write_text(config.read_text()[:40])
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.load(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "crystal_ball"},
        {"arguments": {"crop_size_px": 16, "latent_dim": 5}},
        {"arguments": {"colour": "red"}},
        {"normalisation": {"kindness": 1}},
        {"radiometry": None},
    ],
)
def test_config_that_does_not_fit(folder: Path, changes: dict[str, object]) -> None:
    config = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps({**config, **changes}))
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.load(folder)


def test_config_that_is_no_object(folder: Path) -> None:
    (folder / CONFIG_FILE).write_text("[]")
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.load(folder)
