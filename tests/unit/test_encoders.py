"""One contract for every encoder family: a new one only adds a class at the end."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers import bowl_crops
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.encoders import ENCODERS, Encoder, FittedEncoder, build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import ConfigError
from lunar_models.normalisation import Normalisation


def make_crops(n: int, size: int, seed: int = 0) -> Tensor:
    stored, _ = bowl_crops(n, size, seed)
    crops: Tensor = Normalisation.fit("ratio", stored)(torch.from_numpy(stored))
    return crops


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class EncoderContract:
    """What training, evaluation and serving rely on."""

    name: ClassVar[str]
    settings: ClassVar[dict[str, Any]] = {"latent_dim": 6}
    size: ClassVar[int] = 32
    overfit: ClassVar[float] = 0.2
    """What repeating one batch must bring the loss down to, as a part of the first one."""

    @pytest.fixture
    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        config = TrainConfig(crops="", encoder=self.name, **self.settings)  # type: ignore[arg-type]
        encoder = build_encoder(config, crop_size_px=self.size)
        if isinstance(encoder, FittedEncoder):
            encoder.fit(make_crops(40, self.size, seed=1), generator())
        return encoder

    @pytest.fixture
    def crops(self) -> Tensor:
        return make_crops(12, self.size)

    def test_shape_type_and_finite(self, encoder: Encoder, crops: Tensor) -> None:
        embeddings = encoder.embed(crops)
        assert embeddings.shape == (12, encoder.embedding_dim)
        assert embeddings.dtype == torch.float32
        assert torch.isfinite(embeddings).all()
        assert not embeddings.requires_grad

    def test_flat_crops_stay_finite(self, encoder: Encoder, crops: Tensor) -> None:
        flat = torch.zeros_like(crops)
        assert torch.isfinite(encoder.embed(flat)).all()
        assert torch.isfinite(encoder.loss(flat, generator())["loss"])

    def test_different_crops_differ(self, encoder: Encoder, crops: Tensor) -> None:
        embeddings = encoder.embed(crops)
        assert (embeddings[0] - embeddings[1]).abs().max() > 1e-4

    def test_embedding_is_deterministic(self, encoder: Encoder, crops: Tensor) -> None:
        encoder.train()
        first = encoder.embed(crops)
        torch.manual_seed(99)
        assert torch.equal(encoder.embed(crops), first)
        assert encoder.training  # left as it was

    def test_independent_of_batch_size_and_neighbours(
        self, encoder: Encoder, crops: Tensor
    ) -> None:
        together = encoder.embed(crops)
        alone = torch.cat([encoder.embed(crop[None]) for crop in crops])
        others = encoder.embed(torch.cat([crops[:1], make_crops(5, self.size, seed=7)]))
        torch.testing.assert_close(alone, together, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(others[:1], together[:1], atol=1e-4, rtol=1e-4)

    def test_no_crops(self, encoder: Encoder, crops: Tensor) -> None:
        assert encoder.embed(crops[:0]).shape == (0, encoder.embedding_dim)

    def test_reconstruction_has_the_shape_of_the_crops(
        self, encoder: Encoder, crops: Tensor
    ) -> None:
        if encoder.can_reconstruct:
            assert encoder.reconstruct(crops, generator()).shape == crops.shape
        else:
            with pytest.raises(ConfigError, match="no decoder"):
                encoder.reconstruct(crops)

    def test_loss_is_scalar_and_repeatable(self, encoder: Encoder, crops: Tensor) -> None:
        encoder.eval()
        first, second = (encoder.loss(crops, generator(3)) for _ in range(2))
        assert all(value.ndim == 0 for value in first.values())
        assert torch.equal(first["loss"], second["loss"])
        torch.manual_seed(5)  # the global generator must not matter
        assert torch.equal(encoder.loss(crops, generator(3))["loss"], first["loss"])

    def test_a_batch_of_two(self, encoder: Encoder, crops: Tensor) -> None:
        encoder.train()
        assert torch.isfinite(encoder.loss(crops[:2], generator())["loss"])

    def test_checkpoint_round_trip(self, encoder: Encoder, crops: Tensor, tmp_path: Path) -> None:
        Checkpoint(encoder, Normalisation(clip=0.5)).save(tmp_path)
        loaded = Checkpoint.load(tmp_path).encoder
        assert type(loaded) is type(encoder)
        assert loaded.embedding_dim == encoder.embedding_dim
        assert torch.equal(loaded.embed(crops), encoder.embed(crops))

    def test_gradients_reach_every_trainable_parameter(
        self, encoder: Encoder, crops: Tensor
    ) -> None:
        if isinstance(encoder, FittedEncoder):
            assert not list(encoder.parameters())
            return
        encoder.train()
        encoder.loss(crops, generator())["loss"].backward()
        without = [
            name
            for name, parameter in encoder.named_parameters()
            if parameter.requires_grad and (parameter.grad is None or not parameter.grad.any())
        ]
        assert not without

    def test_one_batch_can_be_overfitted(self, encoder: Encoder, crops: Tensor) -> None:
        if isinstance(encoder, FittedEncoder):
            return
        optimiser = torch.optim.AdamW(encoder.parameters(), lr=3e-3)
        encoder.train()
        losses = []
        for _ in range(150):
            optimiser.zero_grad()
            loss = encoder.loss(crops[:4], generator())["loss"]
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < self.overfit * losses[0]


class TestCae(EncoderContract):
    name = "cae"

    @pytest.mark.parametrize("size", [16, 33, 48, 100])
    def test_any_crop_size(self, size: int) -> None:
        encoder = build_encoder(TrainConfig(crops="", latent_dim=4), crop_size_px=size)
        assert encoder.reconstruct(make_crops(2, size)).shape == (2, 1, size, size)


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

    def test_knows_the_context(self) -> None:
        """A ring at one radius lies further in when the crop shows more around the crater."""
        axis = ((torch.arange(96) + 0.5) / 48 - 1) * 3.0
        radius = torch.hypot(axis[:, None], axis)
        crop = (radius - 0.9).abs().lt(0.15).float()[None, None]
        encoder = build_encoder(TrainConfig(crops="", encoder=self.name), crop_size_px=96)
        encoder.see_crops(normalisation=Normalisation(), context_diameters=3.0)
        brightest = encoder.embed(crop)[0, :14].argmax()
        assert torch.linspace(0.1, 1.45, 14)[brightest] == pytest.approx(0.9, abs=0.1)


class TestVicreg(EncoderContract):
    name = "vicreg"
    overfit = 0.8  # variance and covariance cannot vanish with four crops


class TestVicregWithReconstruction(EncoderContract):
    name = "vicreg"
    settings: ClassVar[dict[str, Any]] = {"latent_dim": 6, "reconstruction_weight": 1.0}
    overfit = 0.8


class TestPhysics(EncoderContract):
    name = "physics"
    overfit = 0.8


def test_every_encoder_has_its_contract() -> None:
    tested = {contract.name for contract in EncoderContract.__subclasses__()}
    assert tested == set(ENCODERS)
