"""Test the encoder that infers depth, degradation and incidence."""

from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from encoder_contract import EncoderContract, generator
from torch import Tensor

from lunar_models.config.pretrain import NetworkSize
from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.build import Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.inverse_rendering import (
    EXCESSES,
    FEATURE_SCALE,
    INCIDENCE,
    INCIDENCE_NOISE,
    INCIDENCE_WEIGHT,
    InverseRenderingEncoder,
)
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import DepthCorrection, PhysicalPrediction
from lunar_models.rendering.simulation import normalised, simulate_crops


class TestInverseRendering(EncoderContract):
    name = "inverse_rendering"
    model_size: ClassVar[NetworkSize] = "small"
    more: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        encoder = InverseRenderingEncoder(
            crop_size_px=32, latent_dim=6, model_size=self.model_size, **self.more
        )
        made = simulate_crops(64, crop_size_px=32, context_diameters=1.5, generator=generator())
        scale = made.scale[:, 0]
        encoder.calibrate(normalised(made.brightness[:, 0], scale), scale, made.truth[:, 0])
        encoder.ranks.copy_(torch.linspace(-2, 2, len(encoder.ranks)))  # else rounding decides
        return encoder

    def test_flat_crops_stay_finite(self, encoder: Encoder, crops: Tensor) -> None:
        assert torch.isfinite(encoder.embed(torch.zeros_like(crops))).all()

    def test_loss_is_scalar_and_repeatable(self, encoder: Encoder, crops: Tensor) -> None:
        with pytest.raises(ConfigError, match="pretrain step"):
            encoder.loss(crops)

    def test_north_and_south_do_not_matter(self, encoder: Encoder, crops: Tensor) -> None:
        torch.testing.assert_close(encoder.embed(crops.flip(2)), encoder.embed(crops))

    def test_corrected_depths(self, encoder: InverseRenderingEncoder, crops: Tensor) -> None:
        """The weights take the correction that the predictions take; the order stays."""
        encoder.see_mosaic(crops)
        table = encoder.residual_table()
        plain = PhysicalPrediction.of(encoder.physics(crops).numpy(), table)
        quantiles = np.sort(np.random.default_rng(0).normal(size=len(table.levels)))
        correction = DepthCorrection(0.7, -0.9, quantiles)
        mended = Checkpoint(encoder).calibrated(correction).encoder
        found = PhysicalPrediction.of(mended.physics(crops).numpy(), mended.residual_table())
        expected = plain.corrected(correction)
        for level in (0.5, 0.95):
            for one, other in zip(found.interval(level), expected.interval(level), strict=True):
                np.testing.assert_allclose(one, other, atol=1e-4)
        np.testing.assert_allclose(found.mean, expected.mean, atol=1e-4)
        for one, other in zip(mended.degradation(crops), encoder.degradation(crops), strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
        torch.testing.assert_close(mended.embed(crops), encoder.embed(crops), atol=1e-3, rtol=0)

    def test_what_seems_more_oblique_than_its_mosaic_is_deeper(
        self, encoder: InverseRenderingEncoder, crops: Tensor
    ) -> None:
        encoder.eval()
        alone = encoder._look(crops).mean
        encoder.see_mosaic(crops)
        among, _, _ = encoder._in_light(encoder._look(crops))
        oblique = alone[:, INCIDENCE] - alone[:, INCIDENCE].median()
        torch.testing.assert_close(among[:, 1] - alone[:, 1], INCIDENCE_WEIGHT * oblique)
        others = [n for n in range(alone.shape[1]) if n != 1]
        torch.testing.assert_close(among[:, others], alone[:, others])
        encoder.see_mosaic(crops)  # another time, as for another crop set
        torch.testing.assert_close(encoder._in_light(encoder._look(crops))[0], among)

    def test_what_the_light_tells_is_uncertain(
        self, encoder: InverseRenderingEncoder, crops: Tensor
    ) -> None:
        encoder.eval()
        alone = encoder._look(crops).variance
        encoder.see_mosaic(crops)
        _, wider, _ = encoder._in_light(encoder._look(crops))
        added = (INCIDENCE_WEIGHT * encoder.light.incidence_share * INCIDENCE_NOISE) ** 2
        torch.testing.assert_close(wider[:, 1] - alone[:, 1], torch.full((len(crops),), added))
        torch.testing.assert_close(wider[:, [0, 2]], alone[:, [0, 2]])

    def test_a_mosaic_under_many_suns_is_not_read_that_way(
        self, encoder: InverseRenderingEncoder, crops: Tensor
    ) -> None:
        """Where incidences spread ten times as far as errors do, one part in 100 is error."""
        encoder.eval()
        oblique = encoder._look(crops).mean[:, INCIDENCE]
        spread = (oblique.quantile(0.84) - oblique.quantile(0.16)) / 2
        last = encoder.head[-1]
        assert isinstance(last, torch.nn.Linear)
        with torch.no_grad():
            last.weight[INCIDENCE] *= 10 * INCIDENCE_NOISE / spread
        encoder.see_mosaic(crops)
        assert encoder.light.incidence_share == pytest.approx(0.01, rel=1e-3)
        assert (
            Checkpoint(encoder).encoder.arguments["incidence_share"]
            == encoder.light.incidence_share
        )

    def test_is_trained_by_another_step(self) -> None:
        with pytest.raises(ConfigError, match="pretrain step"):
            InverseRenderingEncoder.from_config(TrainConfig(crops=""), crop_size_px=32)

    def test_another_normalisation(self, encoder: Encoder) -> None:
        with pytest.raises(ConfigError, match="normalisation=ratio"):
            Checkpoint(encoder, Normalisation(kind="zscore"))

    test_a_batch_of_two = None  # type: ignore[assignment]
    test_gradients_reach_every_trainable_parameter = None  # type: ignore[assignment]
    test_one_batch_can_be_overfitted = None  # type: ignore[assignment]


class TestMapsAndContrast(TestInverseRendering):
    more: ClassVar[dict[str, Any]] = {
        "embeds_maps": True,
        "reads_contrast": True,
        "sees_brightness": True,
    }

    def test_what_seems_more_oblique_than_its_mosaic_is_deeper(
        self, encoder: InverseRenderingEncoder, crops: Tensor
    ) -> None:
        """Contrast that others of its depth do not have is read as depth, too."""
        encoder.eval()
        encoder.see_mosaic(crops)
        look = encoder._look(crops)
        with_it, _, excess = encoder._in_light(look)
        encoder.reads_contrast = False
        without, variance, _ = encoder._in_light(look)
        gain = encoder.light.contrast_gain(variance[:, 1])
        torch.testing.assert_close(with_it[:, 1] - without[:, 1], gain * excess)
        assert excess.abs().max() > 0.01
        assert excess.min() >= EXCESSES[0]
        assert abs(float(excess.detach().median())) < 0.01

    @pytest.mark.parametrize("end", [0, 1])
    def test_contrast_beyond_a_crater_is_doubt(
        self, encoder: InverseRenderingEncoder, crops: Tensor, end: int
    ) -> None:
        """A crop that is blurred among sharp ones is not taken for a far shallower crater."""
        encoder.eval()
        encoder.see_mosaic(crops)
        look = encoder._look(crops)
        plain, variance, excess = encoder._in_light(look)
        other = look._replace(contrast=look.contrast + (-10, 10)[end])
        mean, wider, limited = encoder._in_light(other)
        torch.testing.assert_close(limited, torch.full_like(excess, EXCESSES[end]))
        encoder.reads_contrast = False
        gain = encoder.light.contrast_gain(encoder._in_light(look)[1][:, 1])
        torch.testing.assert_close((mean - plain)[:, 1], gain * (limited - excess))
        assert (wider - variance)[:, 1].min() > 50

    def test_layout_of_the_embedding(self, encoder: InverseRenderingEncoder, crops: Tensor) -> None:
        encoder.eval()
        assert encoder.embed(crops).shape[1] == encoder.embedding_dim == 6 + 2
        made = simulate_crops(64, crop_size_px=32, context_diameters=1.5, generator=generator())
        scale = made.scale[:, 0]
        told = encoder.outputs(normalised(made.brightness[:, 0], scale), scale)["embedding"]
        components = told[:, 1:6] / FEATURE_SCALE
        covariance = (components.T @ components) / len(components)
        torch.testing.assert_close(covariance, torch.eye(5), atol=1e-2, rtol=0)

    test_what_the_light_tells_is_uncertain = None  # type: ignore[assignment]

    def test_more_components_than_maps_have(self) -> None:
        with pytest.raises(ConfigError, match="latent_dim=2000 is too large; the most is"):
            InverseRenderingEncoder(crop_size_px=32, latent_dim=2000, embeds_maps=True)


@pytest.mark.slow
class TestLargeInverseRendering(TestInverseRendering):
    model_size = "large"
