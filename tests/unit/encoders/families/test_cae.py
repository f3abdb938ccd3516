"""Test the convolutional autoencoder."""

import pytest
from encoder_contract import EncoderContract, make_crops

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import build_encoder


class TestCae(EncoderContract):
    name = "cae"

    @pytest.mark.parametrize("size", [16, 33, 48, 100])
    def test_any_crop_size(self, size: int) -> None:
        encoder = build_encoder(TrainConfig(crops="", latent_dim=4), crop_size_px=size)
        assert encoder.reconstruct(make_crops(2, size)).shape == (2, 1, size, size)
