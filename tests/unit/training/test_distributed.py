import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import families
import pytest
import torch
from families import VALIDATION_BATCH, train_families
from torch import Tensor
from transformers import ViTConfig, ViTModel

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.errors import ConfigError
from lunar_models.joint_batch import draw, gather, own, together
from lunar_models.training import distributed, train, trainer

FAMILIES: list[dict[str, Any]] = [
    {"encoder": "cae"},
    {"encoder": "vicreg", "reconstruction_weight": 1.0},
    {"encoder": "swav", "prototypes": 8},
    {"encoder": "physics"},
    {"encoder": "vit_mae", "patch_size_px": 8},
    {"encoder": "backbone", "trainable": "late"},
]


def _launch(crop_set: CropSet, folder: Path, settings: list[dict[str, Any]]) -> str:
    """Train in two processes; what they say. Standalone, they meet at a port nobody can take."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, families.__file__, str(crop_set.path), str(folder), json.dumps(settings)],
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@pytest.fixture
def vit_folder(tmp_path: Path) -> Path:
    """A tiny vision transformer to start from."""
    torch.manual_seed(0)
    shape = {"num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
    ViTModel(ViTConfig(hidden_size=16, image_size=16, patch_size=8, **shape)).save_pretrained(
        tmp_path / "vit"
    )
    (tmp_path / "vit" / "preprocessor_config.json").write_text(json.dumps({"size": 16}))
    return tmp_path / "vit"


def test_two_processes_learn_what_one_learns_with_the_doubled_batch(
    crop_set: CropSet, tmp_path: Path, vit_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "VALIDATION_BATCH", VALIDATION_BATCH)
    settings = [{**each, "pretrained": str(vit_folder)} for each in FAMILIES[-1:]]
    settings = [*FAMILIES[:-1], *settings]
    messages = _launch(crop_set, tmp_path, settings)
    assert "FutureWarning" not in messages
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    alone = train_families(crop_set.path, settings)
    for family, ours, other, theirs in zip(settings, first, second, alone, strict=True):
        name = family["encoder"]
        assert other["epochs"] == [], name  # only rank 0 reports
        for key in ("train/loss", "validation/loss"):
            found, expected = ([m[key] for m in side["epochs"]] for side in (ours, theirs))
            assert found == pytest.approx(expected, rel=1e-4), (name, key)
        assert ours["gradient"] == pytest.approx(theirs["gradient"], rel=1e-2), name
        assert ours["embeddings"] == pytest.approx(theirs["embeddings"], rel=1e-3, abs=1e-3), name
        assert ours["embeddings"] == other["embeddings"], name


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As the second of two processes."""
    for name, value in {"RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def _drawn(count: int) -> Tensor:
    return draw(torch.randn, count, 3, generator=torch.Generator().manual_seed(0))


def test_processes_draw_their_rows_of_the_joint_batch(two: pytest.MonkeyPatch) -> None:
    joint = _drawn(8)
    with together():
        second = _drawn(4)
        two.setenv("RANK", "0")
        assert torch.equal(torch.cat([_drawn(4), second]), joint)


def test_each_process_works_for_itself_outside_a_joint_batch(two: pytest.MonkeyPatch) -> None:
    rows = _drawn(4)
    assert torch.equal(rows, torch.randn(4, 3, generator=torch.Generator().manual_seed(0)))
    assert own(rows) is rows
    assert gather(rows) is rows


def test_each_process_takes_a_gpu_of_its_own(two: pytest.MonkeyPatch) -> None:
    taken: list[object] = []
    two.setattr(torch.cuda, "device_count", lambda: 2)
    two.setattr(torch.cuda, "set_device", taken.append)
    two.setattr(torch.distributed, "init_process_group", taken.append)
    distributed.join(torch.device("cuda"))
    assert taken == [1, "cpu:gloo,cuda:nccl"]


def test_more_processes_than_gpus(two: pytest.MonkeyPatch) -> None:
    two.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="at most 1 processes"):
        distributed.join(torch.device("cuda"))


def test_accelerate_that_starts_one_of_several_processes(
    crop_set: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `accelerate launch --cpu --num_processes 2` sets."""
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    config = TrainConfig(crops="", encoder="polar_harmonics", device="cpu")
    assert train(crop_set, config).history  # one process, as asked for
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(ConfigError, match="--multi_gpu"):
        train(crop_set, config)
