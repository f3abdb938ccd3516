"""A killed training resumes with the same curve; one that diverged keeps its last good state."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.training import train
from lunar_models.training.trainer import Trainer

METRICS = ("train/loss", "validation/loss", "train/learning_rate", "train/crops_per_second")
CONFIG = TrainConfig(
    crops="", latent_dim=4, epochs=3, batch_size=16, device="cpu", threads=1, warmup_epochs=0.0
)


def _weights(encoder: Encoder) -> list[Tensor]:
    return [value.clone() for value in encoder.state_dict().values()]


class Killed(Exception):
    pass


def _curve(history: list[dict[str, float]]) -> list[tuple[float, ...]]:
    return [tuple(m[key] for key in METRICS if "per_second" not in key) for m in history]


@pytest.mark.parametrize("schedule", ["cosine", "plateau"])
def test_killed_and_resumed_gives_the_same_curve(
    crop_set: CropSet, tmp_path: Path, schedule: str
) -> None:
    config = CONFIG.replace(epochs=5, schedule=schedule, plateau_patience=0, early_stopping=0)
    whole = train(crop_set, config)

    def kill(epoch: int, metrics: dict[str, float], encoder: Encoder) -> None:
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        train(crop_set, config, on_epoch=kill, work_dir=tmp_path / "work")
    seen: list[tuple[int, bool]] = []
    resumed = train(
        crop_set,
        config,
        on_epoch=lambda epoch, metrics, encoder: seen.append((epoch, encoder is None)),
        work_dir=tmp_path / "work",
    )
    assert seen == [(0, True), (1, True), (2, True), (3, False), (4, False)]
    assert _curve(resumed.history) == _curve(whole.history)
    assert resumed.best_epoch == whole.best_epoch
    kept, expected = (_weights(result.checkpoint.encoder) for result in (resumed, whole))
    assert all(torch.equal(a, b) for a, b in zip(kept, expected, strict=True))


def test_killed_in_the_middle_of_an_epoch(crop_set: CropSet, tmp_path: Path) -> None:
    """A real process, killed without warning, leaves what it takes to go on."""
    code = f"""
import os
from lunar_models.crops.crop_set import CropSet
from lunar_models.training import train
from lunar_models.config.train import TrainConfig
steps = []
def die(count):
    steps.append(count)
    if len(steps) == 5:
        os.kill(os.getpid(), 9)
config = TrainConfig(crops="", latent_dim=4, epochs=4, batch_size=16, device="cpu",
                     threads=1, warmup_epochs=0.0)
train(CropSet.open({str(crop_set.path)!r}), config, on_crops=die, work_dir={str(tmp_path)!r})
"""
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert killed.returncode == -9
    config = CONFIG.replace(epochs=4)
    resumed = train(crop_set, config, work_dir=tmp_path)
    assert _curve(resumed.history) == _curve(train(crop_set, config).history)


def test_a_finished_training_is_not_repeated(crop_set: CropSet, tmp_path: Path) -> None:
    first = train(crop_set, CONFIG, work_dir=tmp_path)
    again = train(crop_set, CONFIG, on_crops=lambda _: pytest.fail("trained"), work_dir=tmp_path)
    assert again.history == first.history


def test_a_folder_of_another_training(crop_set: CropSet, tmp_path: Path) -> None:
    train(crop_set, CONFIG, work_dir=tmp_path)
    with pytest.raises(ConfigError, match="another folder"):
        train(crop_set, CONFIG.replace(latent_dim=5), work_dir=tmp_path)


def test_a_damaged_resume_file(crop_set: CropSet, tmp_path: Path) -> None:
    train(crop_set, CONFIG, work_dir=tmp_path)
    file = tmp_path / "resume.pt"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="delete it"):
        train(crop_set, CONFIG, work_dir=tmp_path)


def test_not_a_number_keeps_the_last_good_checkpoint(crop_set: CropSet, tmp_path: Path) -> None:
    def poison(epoch: int, metrics: dict[str, float], encoder: Encoder) -> None:
        if epoch == 1:
            next(encoder.parameters()).data.fill_(float("nan"))

    with pytest.raises(ConfigError, match=str(tmp_path)):
        train(crop_set, CONFIG, on_epoch=poison, work_dir=tmp_path)
    best = Checkpoint.load(tmp_path / "best").encoder
    assert all(torch.isfinite(p).all() for p in best.parameters())
    assert len(train(crop_set, CONFIG, work_dir=tmp_path).history) == 3  # and can go on


def test_not_a_number_in_the_first_epoch_has_no_good_state(
    crop_set: CropSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trainer, "mean_loss", lambda *_: float("nan"))
    with pytest.raises(ConfigError, match="in epoch 0") as error:
        train(crop_set, CONFIG, work_dir=tmp_path / "work")
    assert "last good state" not in str(error.value)
