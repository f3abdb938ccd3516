"""The encoders of the package: what they promise, on simulated craters of known truth."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_crop_set_folder
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.encoders.pretrained import CARD_FILE, pretrained_folder, pretrained_names
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.rendering.fields import blur
from lunar_models.rendering.photography import PSF_PX, contrast_scale
from lunar_models.rendering.simulation import QUANTITIES, normalised, simulate_crops

MOST_BYTES = 20 * 2**20
BLUR = QUANTITIES.index("log_blur")


NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name.endswith("-large") else name
    for name in pretrained_names()
]
KNOW_BLUR = [name for name in NAMES if name != "craters-48"]
"""Trained on unsharp crops, too."""


@pytest.fixture(scope="module", params=NAMES)
def encoder(request: pytest.FixtureRequest) -> InverseRenderingEncoder:
    loaded = Checkpoint.load(f"pretrained:{request.param}").encoder
    assert isinstance(loaded, InverseRenderingEncoder)
    return loaded


@pytest.fixture(scope="module")
def unseen(encoder: InverseRenderingEncoder) -> tuple[Tensor, Tensor, Tensor]:
    """Brightness, contrast of the mosaic and truth of 768 craters of another seed."""
    generator = torch.Generator().manual_seed(987)
    size = {"crop_size_px": encoder.crop_size_px, "context_diameters": encoder.context_diameters}
    made = [simulate_crops(256, generator=generator, **size) for _ in range(3)]
    return tuple(  # type: ignore[return-value]
        torch.cat([getattr(part, name)[:, 0] for part in made])
        for name in ("brightness", "scale", "truth")
    )


def _predict(encoder: InverseRenderingEncoder, brightness: Tensor, scale: Tensor) -> Tensor:
    return encoder.physics(normalised(brightness, scale), scale)


def test_all_of_them_are_small_and_have_a_card() -> None:
    assert pretrained_names()
    folders = [pretrained_folder(f"pretrained:{name}") for name in pretrained_names()]
    files = [file for folder in folders for file in folder.iterdir()]
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    for folder in folders:
        card = (folder / CARD_FILE).read_text()
        for part in ("Trained on", "Train it again", "Figures", "Limits", "Licence"):
            assert part in card


def test_intervals_hold_on_simulated_craters(encoder, unseen) -> None:
    brightness, scale, truth = unseen
    physics = _predict(encoder, brightness, scale).numpy()
    scores = PhysicalPrediction.of(physics, encoder.residual_table()).scores(truth[:, :2].numpy())
    for name in ("k_over_r2", "depth_over_diameter"):
        assert 0.63 <= scores[f"physics/{name}_coverage_68"] <= 0.73
        assert 0.92 <= scores[f"physics/{name}_coverage_95"] <= 0.98
    assert scores["physics/depth_over_diameter_spearman"] > 0.75


@pytest.mark.parametrize("encoder", KNOW_BLUR, indirect=True)
def test_intervals_hold_on_unsharp_crops(encoder, unseen) -> None:
    """Of crops that are blurred more than any mosaic is."""
    brightness, scale, truth = unseen
    chosen = truth[:, BLUR] > np.log(1.2 * PSF_PX[1])
    physics = _predict(encoder, brightness[chosen], scale[chosen])
    predicted = PhysicalPrediction.of(physics.numpy(), encoder.residual_table())
    scores = predicted.scores(truth[chosen, :2].numpy())
    assert chosen.sum() > 40
    for name in ("k_over_r2", "depth_over_diameter"):
        assert scores[f"physics/{name}_coverage_95"] > 0.88
    clear = _predict(encoder, brightness[~chosen], scale[~chosen])
    assert physics[:, 1, 1].median() > 1.45 * clear[:, 1, 1].median()


@pytest.mark.parametrize(("harm", "wider"), [("blurred", 1.15), ("dark", 1.3), ("empty", 1.3)])
def test_unsure_where_there_is_little_to_see(encoder, unseen, harm: str, wider: float) -> None:
    """The depth of deep craters has a wider interval when the same crops are made worse."""
    brightness, scale, truth = unseen
    deep = truth[:, 1] > np.log(0.12)
    brightness, scale = brightness[deep], scale[deep]
    clear = _predict(encoder, brightness, scale)[:, 1, 1].median()
    worse = brightness.clone()
    if harm == "blurred":
        worse = blur(brightness, torch.full((len(brightness),), 7.0)).clamp_min(0)
    elif harm == "dark":
        worse[:, :, len(worse[0]) // 3 :] *= 0.01
    else:
        noise = torch.randn(worse.shape, generator=torch.Generator().manual_seed(0))
        worse = 100 + 3 * noise
    assert _predict(encoder, worse, scale)[:, 1, 1].median() > wider * clear


def test_a_low_sun_is_not_degradation(encoder, unseen) -> None:
    """Twice the contrast of a whole mosaic changes the order of depths little."""
    brightness, _, _ = unseen
    mean = brightness.mean((1, 2), keepdim=True)
    one = torch.zeros(len(brightness), dtype=torch.int64)
    depths = []
    for factor in (0.4, 0.8):
        other = (mean + factor * (brightness - mean)).clamp_min(0)
        depths.append(_predict(encoder, other, contrast_scale(other, one, 1))[:, 1, 0])
    ranks = [depth.argsort().argsort().double() for depth in depths]
    assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.85


@pytest.mark.parametrize("name", NAMES)
def test_a_member_of_an_ensemble(name: str, tmp_path: Path) -> None:
    size = Checkpoint.load(f"pretrained:{name}").encoder.crop_size_px
    crop_set = make_crop_set_folder(tmp_path, n=30, size=size)
    config = TrainConfig(crops="", encoder="ensemble", members=(f"pretrained:{name}",))
    ensemble = build_encoder(config, crop_size_px=size)
    checkpoint = Checkpoint.for_crops(ensemble, crop_set)
    crops = checkpoint.normalisation(torch.from_numpy(np.array(crop_set.crops)))
    ensemble.fit(crops, torch.Generator())
    assert torch.isfinite(ensemble.embed(crops)).all()
