"""Encoders leave the project in formats that others read, and say the same there."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers import bowl_crops
from safetensors.torch import load_file

from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.encoders.families.physics import PhysicsEncoder
from lunar_models.encoders.families.polar_harmonics import PolarHarmonicsEncoder, _magnitude
from lunar_models.encoders.interchange import hugging_face
from lunar_models.encoders.interchange.hugging_face import export_encoder
from lunar_models.errors import ConfigError

SIDE = 24


def encoders() -> list[Encoder]:
    torch.manual_seed(0)
    return [
        PolarHarmonicsEncoder(crop_size_px=SIDE),
        PhysicsEncoder(crop_size_px=SIDE, latent_dim=5),
        InverseRenderingEncoder(crop_size_px=SIDE, latent_dim=5),
        InverseRenderingEncoder(
            crop_size_px=SIDE,
            latent_dim=5,
            sees_brightness=True,
            mosaic_incidence=0.4,
            brightness_slope=-0.7,
            brightness_spread=0.2,
        ),
        InverseRenderingEncoder(
            crop_size_px=SIDE,
            latent_dim=5,
            sees_brightness=True,
            embeds_maps=True,
            reads_contrast=True,
            contrast_level=-1.2,
            contrast_per_brightness=-0.3,
        ),
    ]


@pytest.mark.parametrize("encoder", encoders(), ids=lambda e: f"{e.name} {e.embedding_dim}")
def test_another_program_reads_the_files_and_says_the_same(
    encoder: Encoder, tmp_path: Path
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    level = 120.0 if encoder.sees_brightness else None
    checkpoint = Checkpoint(encoder, Normalisation(clip=0.8, level=level), context_diameters=1.5)
    exported = export_encoder(checkpoint, tmp_path, title="An encoder")
    assert exported.onnx_difference is not None
    assert exported.onnx_difference <= 1e-4

    stored = bowl_crops(9, SIDE, 3)[0]
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    inputs = {"crops": stored.astype(np.float32)}
    if encoder.adapts:
        inputs["contrast"] = np.array([1.7], np.float32)
        checkpoint = Checkpoint(encoder, Normalisation(clip=1.7, level=level))
    told = dict(
        zip([o.name for o in session.get_outputs()], session.run(None, inputs), strict=True)
    )
    crops = checkpoint.prepare(torch.from_numpy(stored))
    np.testing.assert_allclose(told["embedding"], encoder.embed(crops).numpy(), atol=1e-4)
    score = encoder.degradation(crops)
    if score is not None:
        np.testing.assert_allclose(told["score"], score[0].numpy(), atol=1e-4)
        np.testing.assert_allclose(told["score_deviation"], score[1].numpy(), atol=1e-4)
    physics = encoder.physics(crops)
    assert ("physics" in told) == (physics is not None)
    if physics is not None:
        np.testing.assert_allclose(told["physics"], physics.numpy(), atol=1e-4)


def test_the_layout_is_that_of_hugging_face(tmp_path: Path) -> None:
    encoder = encoders()[1]
    checkpoint = Checkpoint(encoder, Normalisation(clip=0.8), context_diameters=1.7)
    exported = export_encoder(checkpoint, tmp_path, title="My encoder", onnx=False)
    assert exported.onnx_difference is None
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    ]
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["model_type"] == "physics"
    assert config["architectures"] == ["PhysicsEncoder"]
    assert config["hidden_size"] == 5
    preprocessing = json.loads((tmp_path / "preprocessor_config.json").read_text())
    assert preprocessing["size"] == {"height": SIDE, "width": SIDE}
    assert preprocessing["context_diameters"] == 1.7
    assert preprocessing["normalisation"]["clip"] == 0.8
    weights = load_file(tmp_path / "model.safetensors")
    assert weights.keys() == encoder.state_dict().keys()

    _, header, text = (tmp_path / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(header)["license"] == "apache-2.0"
    assert "onnx" not in yaml.safe_load(header)["tags"]
    assert text.startswith("\n# My encoder\n")
    assert "(N, 24, 24) float32" in text


def test_an_exported_folder_is_a_checkpoint(tmp_path: Path) -> None:
    encoder = encoders()[1]
    written = Checkpoint(encoder, Normalisation(clip=0.8), context_diameters=1.7)
    export_encoder(written, tmp_path, title="", onnx=False)
    read = Checkpoint.load(tmp_path)
    crops = read.prepare(torch.from_numpy(bowl_crops(3, SIDE, 0)[0]))
    assert torch.equal(read.encoder.embed(crops), encoder.embed(crops))
    assert (read.normalisation, read.context_diameters) == (Normalisation(clip=0.8), 1.7)


def test_onnx_that_differs_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hugging_face, "write_onnx", lambda _, path: path.write_bytes(b"wrong"))
    for wrong in (2e-4, float("nan")):
        monkeypatch.setattr(hugging_face, "difference", lambda _, __, wrong=wrong: wrong)
        with pytest.raises(ConfigError, match="differs from torch"):
            export_encoder(Checkpoint(encoders()[0]), tmp_path, title="")
        assert not (tmp_path / "model.onnx").exists()


def test_magnitudes_keep_their_bits() -> None:
    generator = torch.Generator().manual_seed(0)
    size = torch.rand(2, 200_000, generator=generator).mul(20).sub(15).exp()
    cosine, sine = torch.randn(2, 200_000, generator=generator) * size
    assert torch.equal(_magnitude(cosine, sine), torch.hypot(cosine, sine))


def test_ranks_keep_their_bits() -> None:
    encoder = encoders()[1]
    assert isinstance(encoder, PhysicsEncoder)
    encoder.quantiles.copy_(encoder.quantiles.clone().round(decimals=1))  # with ties
    values = torch.cat([torch.randn(5000) * 2, encoder.quantiles])
    above = torch.searchsorted(encoder.quantiles, values).clamp(1, len(encoder.quantiles) - 1)
    low, high = encoder.quantiles[above - 1], encoder.quantiles[above]
    within = ((values - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
    assert torch.equal(encoder._rank(values), (above - 1 + within) / (len(encoder.quantiles) - 1))
