"""Test the original project's autoencoder."""

import pytest
import torch
from encoder_contract import EncoderContract
from torch import Tensor

from lunar_models.encoders.build import Encoder
from lunar_models.encoders.families.original_cae import OriginalEncoder
from lunar_models.errors import ConfigError


class TestOriginalCae(EncoderContract):
    name = "original_cae"

    @pytest.fixture
    def encoder(self) -> Encoder:
        return OriginalEncoder(crop_size_px=32, latent_dim=6, kernel_px=3, batch_norm=True)

    def test_flat_crops_stay_finite(self, encoder: Encoder, crops: Tensor) -> None:
        assert torch.isfinite(encoder.embed(torch.zeros_like(crops))).all()

    def test_loss_is_scalar_and_repeatable(self, encoder: Encoder, crops: Tensor) -> None:
        with pytest.raises(ConfigError, match="no loss"):
            encoder.loss(crops)

    test_a_batch_of_two = None  # type: ignore[assignment]
    test_gradients_reach_every_trainable_parameter = None  # type: ignore[assignment]
    test_one_batch_can_be_overfitted = None  # type: ignore[assignment]
