"""A bundle is refused unless it is what was registered and computes what it did then."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from service_parts import Parts

from lunar_models.errors import CheckpointError
from serving.model import bundle as bundles
from serving.model.bundle import Bundle
from serving.model.seal import BUNDLE_FILE, digests


@pytest.fixture
def copy(bundle_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_folder, tmp_path / "copy"))


def test_all_parts_come_back(bundle: Bundle) -> None:
    assert bundle.head is not None
    assert bundle.clusters is not None
    assert bundle.neighbours is not None
    assert len(bundle.neighbours) == 120


def test_only_the_encoder_is_needed(parts: Parts, tmp_path: Path) -> None:
    bundle = Bundle.load(
        bundles.assemble(
            tmp_path / "bundle", encoder=parts.encoder, golden=parts.crop_set.crops[:4]
        )
    )
    assert (bundle.head, bundle.clusters, bundle.neighbours) == (None, None, None)


def test_labels_of_craters_stay_out(parts: Parts, tmp_path: Path) -> None:
    head = tmp_path / "head"
    shutil.copytree(parts.head, head)
    (head / bundles.GIVEN_FILE).write_text("crater_id,given_label\nc1,New\n")
    made = bundles.assemble(
        tmp_path / "bundle", encoder=parts.encoder, golden=parts.crop_set.crops[:4], head=head
    )
    assert not list(made.rglob(bundles.GIVEN_FILE))
    assert Bundle.load(made).head is not None


@pytest.mark.parametrize(
    "file",
    [
        "encoder/weights.safetensors",
        "encoder/config.json",
        "head/head.npz",
        "neighbours/index.usearch",
        "neighbours/embeddings.npy",
    ],
)
@pytest.mark.parametrize("damage", ["tamper", "truncate", "remove"])
def test_a_damaged_file_is_named(copy: Path, file: str, damage: str) -> None:
    path = copy / file
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "remove":
        path.unlink()
    else:
        path.write_bytes(data if damage == "tamper" else data[:-7])
    with pytest.raises(CheckpointError, match=file):
        Bundle.load(copy)


def test_an_added_file_is_refused(copy: Path) -> None:
    (copy / "head" / "extra.pkl").write_bytes(b"x")
    with pytest.raises(CheckpointError, match=r"extra\.pkl"):
        Bundle.load(copy)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 99, "sha256": {}}'])
def test_a_damaged_seal_is_refused(copy: Path, text: str) -> None:
    (copy / BUNDLE_FILE).write_text(text)
    with pytest.raises(CheckpointError, match=r"schema version 99|not a service bundle"):
        Bundle.load(copy)


def _seal_again(folder: Path) -> None:
    seal = json.loads((folder / BUNDLE_FILE).read_text())
    seal["sha256"] = digests(folder)
    (folder / BUNDLE_FILE).write_text(json.dumps(seal))


def test_a_model_that_computes_something_else_is_refused(copy: Path) -> None:
    weights = copy / "encoder" / "weights.safetensors"
    tensors = load_file(weights)
    tensors["components"] = np.ascontiguousarray(tensors["components"] * 1.01)
    save_file(tensors, weights)
    _seal_again(copy)
    with pytest.raises(CheckpointError, match="golden"):
        Bundle.load(copy)


def test_parts_of_different_encoders_are_refused(copy: Path) -> None:
    weights, config = copy / "encoder" / "weights.safetensors", copy / "encoder" / "config.json"
    tensors = load_file(weights)
    tensors["components"] = np.ascontiguousarray(tensors["components"][:3])
    save_file(tensors, weights)
    config.write_text(config.read_text().replace('"latent_dim": 6', '"latent_dim": 3'))
    _seal_again(copy)
    with pytest.raises(CheckpointError, match="width 6"):
        Bundle.load(copy)
