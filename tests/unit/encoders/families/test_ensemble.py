"""Test ensembles of encoders."""

from pathlib import Path

import pytest
import torch
from encoder_contract import EncoderContract, generator, make_crops
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.build import Encoder, build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.ensemble import EnsembleEncoder
from lunar_models.errors import ConfigError


class TestEnsemble(EncoderContract):
    name = "ensemble"

    @pytest.fixture
    def member(self, tmp_path: Path) -> Path:
        torch.manual_seed(3)
        cae = build_encoder(TrainConfig(crops="", latent_dim=5), crop_size_px=32)
        Checkpoint(cae, Normalisation(clip=0.5)).save(tmp_path / "cae")
        return tmp_path / "cae"

    @pytest.fixture
    def encoder(self, member: Path) -> Encoder:
        members = ("polar_harmonics", str(member), "pca")
        config = TrainConfig(crops="", encoder="ensemble", members=members, latent_dim=4)
        encoder = build_encoder(config, crop_size_px=32)
        assert isinstance(encoder, EnsembleEncoder)
        encoder.fit(make_crops(40, 32, seed=1), generator())
        return encoder

    def test_gradients_reach_every_trainable_parameter(
        self, encoder: Encoder, crops: Tensor
    ) -> None:
        assert not any(p.requires_grad for p in encoder.parameters())

    def test_members_weigh_the_same(self, encoder: Encoder, member: Path) -> None:
        crops = make_crops(40, 32, seed=1)  # those it was fitted on
        parts = encoder.embed(crops).split([56, 5, 4], 1)
        for part in parts:
            assert part.var(0, unbiased=False).sum().item() == pytest.approx(1.0, rel=1e-3)
        theirs = Checkpoint.load(member).encoder.embed(crops)
        theirs = theirs - theirs.mean(0)
        ratio = parts[1].norm() / theirs.norm()
        torch.testing.assert_close(parts[1], theirs * ratio, atol=1e-4, rtol=1e-3)

    def test_another_normalisation(self, encoder: Encoder) -> None:
        with pytest.raises(ConfigError, match=r"Member 1 of the ensemble \(cae\)"):
            Checkpoint(encoder, Normalisation(kind="zscore"))

    def test_untrained_members(self) -> None:
        config = TrainConfig(crops="", encoder="ensemble", members=("cae",))
        with pytest.raises(ConfigError, match="trained first"):
            build_encoder(config, crop_size_px=32)
