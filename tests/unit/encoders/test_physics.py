import pytest
import torch

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.families.physics import FEATURE_SCALE, PhysicsEncoder
from lunar_models.errors import ConfigError
from lunar_models.rendering.craters import render_craters


def _encoder(latent_dim: int = 8) -> PhysicsEncoder:
    torch.manual_seed(0)
    config = TrainConfig(crops="", encoder="physics", latent_dim=latent_dim)
    encoder = build_encoder(config, crop_size_px=24)
    assert isinstance(encoder, PhysicsEncoder)
    return encoder


def _crops(encoder: PhysicsEncoder, count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rendered = render_craters(
        count,
        crop_size_px=24,
        context_diameters=1.5,
        generator=torch.Generator().manual_seed(seed),
    )
    return encoder.normalisation(rendered.brightness), rendered.log_depth


def test_degradation_is_a_part_with_an_uncertainty() -> None:
    encoder = _encoder()
    crops, _ = _crops(encoder, 20, 0)
    score, spread = encoder.degradation(crops)
    assert score.shape == spread.shape == (20,)
    assert ((score >= 0) & (score <= 1)).all()
    assert ((spread >= 0) & (spread <= 0.5)).all()
    assert encoder.training  # left as it was


def test_the_first_dimension_of_the_embedding_is_the_degradation() -> None:
    encoder = _encoder()
    crops, _ = _crops(encoder, 20, 0)
    score, _ = encoder.degradation(crops)
    torch.testing.assert_close(encoder.embed(crops)[:, 0], (score - 0.5) * 12**0.5)


def test_north_and_south_do_not_matter() -> None:
    encoder = _encoder()
    crops, _ = _crops(encoder, 20, 0)
    torch.testing.assert_close(encoder.embed(crops.flip(2)), encoder.embed(crops))


def test_too_small() -> None:
    with pytest.raises(ConfigError, match="latent_dim=1"):
        _encoder(1)


@pytest.mark.slow
def test_learns_to_tell_worn_craters_from_fresh_ones() -> None:
    encoder = _encoder(32)
    crops, _ = _crops(encoder, 512, 1)
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(2)
    encoder.train()
    for _ in range(120):
        batch = crops[torch.randperm(len(crops), generator=generator)[:64]]
        optimiser.zero_grad()
        encoder.loss(batch, generator)["loss"].backward()
        optimiser.step()
    unseen, log_depth = _crops(encoder, 300, 9)
    score, _ = encoder.degradation(unseen)
    assert torch.corrcoef(torch.stack([score, -log_depth]))[0, 1] > 0.7
    # What is scaled by running statistics has the spread that it should have.
    embeddings = encoder.embed(crops)
    assert embeddings[:, 0].std().item() == pytest.approx(1.0, abs=0.25)
    assert embeddings[:, 1:].std(0).mean().item() == pytest.approx(FEATURE_SCALE, rel=0.4)
