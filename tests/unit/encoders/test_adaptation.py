from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import bowl_crops, make_crop_set_folder

from lunar_models.config.train import TrainConfig
from lunar_models.embedding import embed_crops, measure_crops
from lunar_models.encoders.adaptation import CropGeometry, resampled
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import FEATURE_SCALE, InverseRenderingEncoder
from lunar_models.encoders.pretrained import pretrained_folder, pretrained_names
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.rendering.photography import SCALE_DEVIATIONS


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(InverseRenderingEncoder(crop_size_px=24, latent_dim=6))


def test_smaller_crops_show_the_same() -> None:
    axis = torch.linspace(-1, 1, 96)
    wide = (axis[:, None] + 2 * axis)[None]
    made = resampled(wide, CropGeometry(96, 1.5), CropGeometry(24, 1.5))
    small = torch.linspace(-1 + 3 / 95, 1 - 3 / 95, 24)
    inside = slice(1, -1)  # at the edges the kernel is cut off
    expected = (small[:, None] + 2 * small)[inside, inside]
    torch.testing.assert_close(made[0, inside, inside], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [48, 51, 64, 100])
def test_wider_crops_are_cut_to_the_middle(size: int) -> None:
    """A disc of one crater radius keeps its radius in crater diameters."""
    axis = (torch.arange(size) + 0.5 - size / 2) / size * 3.0  # diameters
    disc = (torch.hypot(axis[:, None], axis) < 0.5).float()[None]
    made = resampled(disc, CropGeometry(size, 3.0), CropGeometry(48, 1.5))
    assert made.shape == (1, 48, 48)
    area = made.mean().item() * 1.5**2
    assert area == pytest.approx(np.pi * 0.25, rel=0.08)
    centre = (made[0] * torch.arange(48.0)).sum() / made.sum()
    assert centre.item() == pytest.approx(23.5, abs=0.3)


def test_takes_contrast_and_size_of_the_crop_set(checkpoint: Checkpoint, tmp_path: Path) -> None:
    crop_set = make_crop_set_folder(tmp_path, n=40, size=32)
    adapted = checkpoint.adapted_to(crop_set)
    values = crop_set.crops.astype(np.float32)
    deviation = values.std((1, 2), ddof=1) / values.mean((1, 2))
    median = np.sort(deviation)[19]  # of 40
    assert adapted.normalisation.clip == pytest.approx(SCALE_DEVIATIONS * median, rel=1e-4)
    assert adapted.stored == CropGeometry(32, 1.5)
    assert checkpoint.encoder.light.mosaic_incidence is None  # another crop set has another Sun
    adapted.save(tmp_path / "saved")
    again = Checkpoint.load(tmp_path / "saved").encoder
    assert again.light.mosaic_incidence == adapted.encoder.light.mosaic_incidence
    embeddings = embed_crops(adapted, crop_set.crops, device="cpu")
    cut = embed_crops(
        Checkpoint(adapted.encoder, adapted.normalisation), adapted.cut(crop_set.crops)
    )
    np.testing.assert_allclose(embeddings, cut, atol=0.05)
    physics = measure_crops(adapted, crop_set.crops, device="cpu")
    assert physics is not None
    assert physics.mean.shape == (40, 2)


@pytest.mark.parametrize(("count", "warned"), [(3, True), (60, False)])
def test_few_crops_tell_little_of_a_mosaic(
    checkpoint: Checkpoint,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    count: int,
    warned: bool,
) -> None:
    checkpoint.adapted_to(make_crop_set_folder(tmp_path, n=count, size=24))
    assert ("3 crops tell little of the contrast" in caplog.text) is warned


@pytest.mark.parametrize("sees", [False, True])
def test_brightness_of_the_mosaic(sees: bool, tmp_path: Path) -> None:
    """Who sees it gets one more column, and all else as the crops' own ratios give it."""
    crop_set = make_crop_set_folder(tmp_path, n=40, size=24)
    torch.manual_seed(0)
    encoder = InverseRenderingEncoder(crop_size_px=24, latent_dim=6, sees_brightness=sees)
    adapted = Checkpoint(encoder).adapted_to(crop_set)
    mean = crop_set.crops.astype(np.float32).mean((1, 2))
    level = pytest.approx(np.sort(mean)[19], rel=1e-5)  # the lower median of 40, as of contrasts
    assert adapted.normalisation.level == (level if sees else None)
    adapted.save(tmp_path / "saved")
    again = Checkpoint.load(tmp_path / "saved")
    embeddings = embed_crops(again, crop_set.crops, device="cpu")
    assert embeddings.shape == (40, 6 + sees)
    own = Checkpoint(encoder, replace(adapted.normalisation, level=None))
    plain = embed_crops(own, crop_set.crops, device="cpu")
    np.testing.assert_allclose(embeddings[:, 1:6], plain[:, 1:6], atol=1e-4)
    if sees:
        light = again.encoder.light
        units = np.log(mean / adapted.normalisation.level) / light.brightness_spread
        np.testing.assert_allclose(embeddings[:, 6], FEATURE_SCALE * units.clip(-3, 3), atol=1e-4)
        assert not plain[:, 6].any()


def test_other_families_stay_as_they_are(tmp_path: Path) -> None:
    crop_set = make_crop_set_folder(tmp_path, n=40, size=32)
    checkpoint = Checkpoint(build_encoder(TrainConfig(crops=""), crop_size_px=16))
    assert checkpoint.adapted_to(crop_set) is checkpoint
    with pytest.raises(ConfigError, match="crop_size_px=16"):
        embed_crops(checkpoint, crop_set.crops)
    assert measure_crops(checkpoint, bowl_crops(3, 16)[0]) is None


def test_too_little_ground(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match=r"context_diameters=1\.5"):
        CropGeometry(64, 1.2).check_covers(checkpoint.geometry)


def test_unknown_name() -> None:
    with pytest.raises(CheckpointError, match="pretrained:nothing"):
        pretrained_folder("pretrained:nothing")
    with pytest.raises(CheckpointError, match="not in this package"):
        Checkpoint.load("pretrained:nothing")


@pytest.mark.parametrize("name", pretrained_names())
def test_encoders_of_the_package_load(name: str) -> None:
    assert Checkpoint.load(f"pretrained:{name}").encoder.embedding_dim > 1
