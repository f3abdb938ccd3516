"""Test principal components as an encoder."""

import pytest
import torch
from encoder_contract import EncoderContract, generator, make_crops

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import FittedEncoder, build_encoder
from lunar_models.errors import ConfigError


class TestPca(EncoderContract):
    name = "pca"

    def test_recovers_a_planted_plane(self) -> None:
        """Crops that lie in a plane are reconstructed by two components exactly."""
        basis = torch.randn(2, 64, generator=generator())
        crops = (torch.randn(50, 2, generator=generator(1)) @ basis).view(-1, 1, 8, 8)
        config = TrainConfig(crops="", encoder="pca", latent_dim=2)
        encoder = build_encoder(config, crop_size_px=8)
        assert isinstance(encoder, FittedEncoder)
        encoder.fit(crops, generator())
        torch.testing.assert_close(encoder.reconstruct(crops), crops, atol=1e-4, rtol=1e-4)
        variance = encoder.embed(crops).var(0)
        assert variance[0] > variance[1]

    def test_limits(self) -> None:
        config = TrainConfig(crops="", encoder="pca", latent_dim=20)
        with pytest.raises(ConfigError, match="16 pixels"):
            build_encoder(config, crop_size_px=4)
        encoder = build_encoder(config, crop_size_px=8)
        assert isinstance(encoder, FittedEncoder)
        with pytest.raises(ConfigError, match="there are 20"):
            encoder.fit(make_crops(20, 8), generator())
