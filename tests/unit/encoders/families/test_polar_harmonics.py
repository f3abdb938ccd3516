"""Test angular harmonics of rings."""

import pytest
import torch
from encoder_contract import EncoderContract, make_crops

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.build import build_encoder


class TestPolarHarmonics(EncoderContract):
    name = "polar_harmonics"

    def test_a_planted_wave(self) -> None:
        """Brightness a + b cos(angle) + c sin(2 angle) at all radii."""
        axis = (torch.arange(96) + 0.5) / 48 - 1
        angle = torch.atan2(-axis[:, None].expand(96, 96), axis.expand(96, 96))
        crop = 0.2 - 0.3 * angle.cos() + 0.1 * (2 * angle).sin()
        encoder = build_encoder(TrainConfig(crops="", encoder=self.name), crop_size_px=96)
        rings = encoder.embed(crop[None, None]).view(4, 14)[:, 3:]  # the centre is too coarse
        for feature, expected in zip(rings, (0.2, -0.15, 0.15, 0.05), strict=True):
            torch.testing.assert_close(feature, torch.full((11,), expected), atol=5e-3, rtol=0)

    def test_the_middle_pixel_of_an_odd_crop_has_no_angle(self) -> None:
        encoder = build_encoder(TrainConfig(crops="", encoder=self.name), crop_size_px=33)
        crops = make_crops(4, 33)
        assert torch.isfinite(encoder.reconstruct(crops)).all()
        assert torch.isfinite(encoder.loss(crops)["loss"])

    def test_knows_the_context(self) -> None:
        """A ring at one radius lies further in when the crop shows more around the crater."""
        axis = ((torch.arange(96) + 0.5) / 48 - 1) * 3.0
        radius = torch.hypot(axis[:, None], axis)
        crop = (radius - 0.9).abs().lt(0.15).float()[None, None]
        encoder = build_encoder(TrainConfig(crops="", encoder=self.name), crop_size_px=96)
        encoder.see_crops(normalisation=Normalisation(), context_diameters=3.0)
        brightest = encoder.embed(crop)[0, :14].argmax()
        assert torch.linspace(0.1, 1.45, 14)[brightest] == pytest.approx(0.9, abs=0.1)
