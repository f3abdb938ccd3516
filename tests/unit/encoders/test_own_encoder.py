"""An encoder of another package is found by name, trained, saved and loaded like our own."""

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from my_encoders import MyEncoder

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import embed_crops
from lunar_models.encoders import build
from lunar_models.encoders.build import ENCODERS, family_name, find_family
from lunar_models.encoders.checkpoint import CONFIG_FILE, Checkpoint
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.training import train

NAME = "my_encoders:MyEncoder"


def _config(crop_set: CropSet, tmp_path: Path, encoder: str = NAME) -> TrainConfig:
    return TrainConfig(
        crops=str(crop_set.path),
        encoder=encoder,
        latent_dim=3,
        epochs=2,
        batch_size=8,
        output=str(tmp_path / "training"),
    )


def test_it_trains_and_comes_back_from_its_checkpoint(crop_set: CropSet, tmp_path: Path) -> None:
    result = train(crop_set, _config(crop_set, tmp_path))
    result.checkpoint.save(tmp_path / "checkpoint")
    again = Checkpoint.load(tmp_path / "checkpoint")
    assert type(again.encoder) is MyEncoder
    np.testing.assert_array_equal(
        embed_crops(again, crop_set.crops), embed_crops(result.checkpoint, crop_set.crops)
    )


def test_an_entry_point_gives_it_a_short_name(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [EntryPoint("mine", NAME, "lunar_models.encoders")]
    monkeypatch.setattr(build, "entry_points", lambda group: offered)
    monkeypatch.setattr("lunar_models.config.train.entry_points", lambda group: offered)
    assert find_family("mine") is MyEncoder
    assert TrainConfig(crops="c", encoder="mine").encoder == "mine"


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_built_in_families_are_found_by_their_names(name: str) -> None:
    assert find_family(name) is ENCODERS[name]


def test_names_lead_back_to_the_class() -> None:
    assert family_name(MyEncoder(crop_size_px=8, embedding_dim=2)) == NAME


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("no_such_package:Encoder", "no_such_package.*PYTHONPATH"),
        ("my_encoders:Missing", "Missing"),
        ("my_encoders:NOT_AN_ENCODER", "not a class derived"),
        ("my_encoders:TrainConfig", "not a class derived"),
    ],
)
def test_what_is_no_encoder_is_refused_by_name(name: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        find_family(name)


def test_a_misspelt_family_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="did you mean physics"):
        TrainConfig(crops="c", encoder="phyics")


def test_a_checkpoint_whose_package_is_missing_says_which(tmp_path: Path) -> None:
    Checkpoint(MyEncoder(crop_size_px=8, embedding_dim=2)).save(tmp_path)
    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    (tmp_path / CONFIG_FILE).write_text(json.dumps(config | {"encoder": "gone:Encoder"}))
    with pytest.raises(CheckpointError, match=r"'gone:Encoder' cannot be imported"):
        Checkpoint.load(tmp_path)
