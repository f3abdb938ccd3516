"""The contract of every encoder family, as classes that their tests inherit."""

import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from helpers import bowl_crops
from torch import Tensor

from lunar_models.config.train import TrainConfig
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.build import Encoder, FittedEncoder, build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.interchange.onnx_file import TOLERANCE, difference, write_onnx
from lunar_models.encoders.interchange.program import CropsIn, export_program
from lunar_models.errors import ConfigError


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
    overfit_steps: ClassVar[int] = 100

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

    def test_exported_program_takes_any_number_of_crops(self, encoder: Encoder) -> None:
        module = CropsIn(Checkpoint(encoder, Normalisation(clip=0.5)))
        program = export_program(module).module()
        for count in (1, 3):
            inputs = module.example(count)
            with torch.no_grad():
                expected = module(*inputs)
                torch.testing.assert_close(program(*inputs), expected, atol=1e-5, rtol=1e-5)
            embedding = encoder.embed(module.normalisation(inputs[0]))
            torch.testing.assert_close(expected["embedding"], embedding, atol=1e-6, rtol=1e-6)

    @pytest.mark.slow  # quick for three families in test_interchange.py
    def test_onnx_gives_the_same(self, encoder: Encoder, tmp_path: Path) -> None:
        pytest.importorskip("onnxruntime")
        module = CropsIn(Checkpoint(encoder, Normalisation(clip=0.5)))
        write_onnx(module, tmp_path / "model.onnx")
        assert difference(module, tmp_path / "model.onnx") <= TOLERANCE

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
        for _ in range(self.overfit_steps):
            optimiser.zero_grad()
            loss = encoder.loss(crops[:4], generator())["loss"]
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < self.overfit * losses[0]


class SeesViews:
    """Families that learn from pairs of views."""

    def test_views_know_the_context(
        self, encoder: Encoder, crops: Tensor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []

        def view(part: Tensor, generator: Any = None, *, context_diameters: float) -> Tensor:
            seen.append(context_diameters)
            return part

        monkeypatch.setattr(sys.modules[type(encoder).__module__], "lunar_view", view)
        encoder.see_crops(normalisation=Normalisation(), context_diameters=3.0)
        encoder.loss(crops, generator())
        assert seen
        assert set(seen) == {3.0}
