"""One contract for every encoder family: a new one only adds a class at the end."""

import json
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from helpers import bowl_crops
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    ConvNextConfig,
    ConvNextModel,
    ViTConfig,
    ViTMAEConfig,
    ViTMAEForPreTraining,
    ViTModel,
)

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.build import ENCODERS, Encoder, FittedEncoder, build_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.backbone import BackboneEncoder
from lunar_models.encoders.families.ensemble import EnsembleEncoder
from lunar_models.encoders.families.inverse_rendering import (
    INCIDENCE,
    INCIDENCE_NOISE,
    INCIDENCE_WEIGHT,
    InverseRenderingEncoder,
)
from lunar_models.encoders.families.original_cae import OriginalEncoder
from lunar_models.encoders.families.swav import sinkhorn
from lunar_models.encoders.families.vit_mae import ViTMaeEncoder
from lunar_models.encoders.interchange.onnx_file import TOLERANCE, difference, write_onnx
from lunar_models.encoders.interchange.program import CropsIn, export_program
from lunar_models.encoders.layers.positions import sinusoids
from lunar_models.encoders.layers.transformer import attention, norm_once
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.heads.physical import DepthCorrection, PhysicalPrediction
from lunar_models.rendering.simulation import normalised, simulate_crops
from lunar_models.training import train


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


class TestVicreg(SeesViews, EncoderContract):
    name = "vicreg"
    overfit = 0.8  # variance and covariance cannot vanish with four crops


class TestVicregWithReconstruction(EncoderContract):
    name = "vicreg"
    settings: ClassVar[dict[str, Any]] = {"latent_dim": 6, "reconstruction_weight": 1.0}
    overfit = 0.8


class TestPhysics(SeesViews, EncoderContract):
    name = "physics"
    overfit = 0.8


class TestViTMae(EncoderContract):
    name = "vit_mae"
    settings: ClassVar[dict[str, Any]] = {"patch_size_px": 8}
    overfit = 0.5
    overfit_steps = 30

    @pytest.mark.parametrize("ratio", [0.01, 0.5, 0.99])
    def test_mask_ratio(self, ratio: float) -> None:
        """As many patches are hidden as asked for, but one is, and one is seen."""
        torch.manual_seed(0)
        config = TrainConfig(crops="", encoder="vit_mae", patch_size_px=8, mask_ratio=ratio)
        encoder = build_encoder(config, crop_size_px=32)
        assert isinstance(encoder, ViTMaeEncoder)
        crops = make_crops(2, 32)
        loss = encoder.loss(crops, generator())["loss"]
        loss.backward()
        steepest = max(p.grad.abs().max() for p in encoder.parameters() if p.grad is not None)
        assert torch.isfinite(loss)
        assert steepest < 100
        hidden = encoder.mask(crops, generator())[0, 0, ::8, ::8].sum()
        assert hidden == {0.01: 1, 0.5: 8, 0.99: 15}[ratio]

    def test_training_with_next_to_nothing_seen(self, crop_set: CropSet) -> None:
        config = TrainConfig(
            crops="", encoder="vit_mae", mask_ratio=0.99, batch_size=2, epochs=2, device="cpu"
        )
        result = train(crop_set, config)
        assert all(torch.isfinite(p).all() for p in result.checkpoint.encoder.parameters())
        assert result.history[1]["train/loss"] < 10 * result.history[0]["train/loss"]

    def test_the_small_size_with_small_patches(self) -> None:
        config = TrainConfig(crops="", encoder="vit_mae", model_size="small", patch_size_px=4)
        encoder = build_encoder(config, crop_size_px=16)
        assert encoder.embedding_dim == 384
        assert torch.isfinite(encoder.embed(make_crops(2, 16))).all()
        assert encoder.mask(make_crops(2, 16), generator()) is not None

    def test_reconstruction_keeps_what_was_visible(self, encoder: Encoder, crops: Tensor) -> None:
        assert isinstance(encoder, ViTMaeEncoder)
        rebuilt, mask = (f(crops, generator(4)) for f in (encoder.reconstruct, encoder.mask))
        torch.testing.assert_close(rebuilt * (1 - mask), crops * (1 - mask), atol=1e-5, rtol=0)
        assert ((rebuilt - crops) * mask).abs().max() > 1e-2

    def test_loss_is_that_of_transformers(self, encoder: Encoder, crops: Tensor) -> None:
        """Same mask and weights; ours decodes in the order of the mask, theirs of the crop."""
        assert isinstance(encoder, ViTMaeEncoder)
        pixels = encoder.input_format(crops)
        noise = torch.rand(len(crops), 16, generator=generator(4))
        encoder.model.set_attn_implementation("sdpa")
        theirs = encoder.model(pixels, noise=noise).loss
        torch.testing.assert_close(encoder.loss(crops, generator(4))["loss"], theirs)

    def test_attention_by_hand(self) -> None:
        """Two tokens with equal keys: each gets the mean of the values."""
        query, value = torch.randn(1, 1, 2, 4), torch.tensor([[[[1.0], [3.0]]]])
        for dtype in (torch.float32, torch.bfloat16):
            key = torch.ones(1, 1, 2, 4, dtype=dtype)
            mixed, _ = attention(
                nn.Module(), query.to(dtype), key, value.expand(1, 1, 2, 4).to(dtype), None, 0.5
            )
            torch.testing.assert_close(mixed.float(), torch.full((1, 2, 1, 4), 2.0))

    def test_attention_is_that_of_pytorch(self) -> None:
        parts = [part.transpose(1, 2) for part in torch.randn(3, 2, 5, 3, 4, generator=generator())]
        expected = functional.scaled_dot_product_attention(*parts, scale=0.7).transpose(1, 2)
        for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 0.03)):
            mixed, _ = attention(nn.Module(), *(p.to(dtype) for p in parts), None, 0.7)
            torch.testing.assert_close(mixed.float(), expected, atol=tolerance, rtol=0)

    def test_a_norm_is_rounded_once_and_only_under_autocast(self) -> None:
        norm = nn.LayerNorm(4)
        norm_once(norm)
        values = torch.randn(3, 4, generator=generator())
        assert norm(values).dtype == torch.float32
        with torch.autocast("cpu", torch.bfloat16):
            assert norm(values).dtype == torch.bfloat16

    def test_every_patch_can_be_told_from_every_other(self, encoder: Encoder) -> None:
        """Both halves have positions, though transformers leaves a new decoder's at zero."""
        assert isinstance(encoder, ViTMaeEncoder)
        for positions in encoder._positions():
            assert torch.pdist(positions[0]).min() > 0.1

    @pytest.mark.parametrize("patch_size_px", [7, 32])
    def test_patches_must_divide_the_crop_and_be_several(self, patch_size_px: int) -> None:
        config = TrainConfig(crops="", encoder="vit_mae", patch_size_px=patch_size_px)
        with pytest.raises(ConfigError, match=f"patch_size_px={patch_size_px} does not divide"):
            build_encoder(config, crop_size_px=32)


@pytest.fixture(scope="session")
def hub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small RGB ViT-MAE in the layout of the hub: 4 x 4 patches of 8 px."""
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(1)
    config = ViTMAEConfig(
        hidden_size=32,
        num_hidden_layers=6,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=32,
        patch_size=8,
        decoder_hidden_size=32,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=64,
    )
    model = ViTMAEForPreTraining(config)
    for positions in (model.vit.embeddings.position_embeddings, model.decoder.decoder_pos_embed):
        positions.data = sinusoids(4, 32)  # transformers leaves them at zero
    model.save_pretrained(folder)
    statistics = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]}
    (folder / "preprocessor_config.json").write_text(json.dumps(statistics))
    return folder


def pretrained_mae(hub_folder: Path, *, size: int = 32, **settings: Any) -> ViTMaeEncoder:
    config = TrainConfig(crops="", encoder="vit_mae", pretrained=str(hub_folder), **settings)
    encoder = build_encoder(config, crop_size_px=size)
    assert isinstance(encoder, ViTMaeEncoder)
    return encoder


class TestPretrainedViTMae(EncoderContract):
    name = "vit_mae"
    overfit = 0.7

    @pytest.fixture
    def encoder(self, hub_folder: Path) -> Encoder:
        return pretrained_mae(hub_folder)

    def test_sees_what_transformers_sees(self, hub_folder: Path, crops: Tensor) -> None:
        """Same weights, same input statistics: the tokens are transformers' own."""
        theirs = ViTMAEForPreTraining.from_pretrained(hub_folder, mask_ratio=0.0).eval()
        mean, std = (torch.tensor(v)[:, None, None] for v in ([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]))
        in_order = torch.arange(16.0).expand(len(crops), 16)
        with torch.no_grad():
            tokens = theirs.vit(((crops + 1) / 2 - mean) / std, noise=in_order).last_hidden_state
        expected = {"cls": tokens[:, 0], "mean": tokens[:, 1:].mean(1)}
        for pooling, embeddings in expected.items():
            ours = pretrained_mae(hub_folder, pooling=pooling).embed(crops)
            torch.testing.assert_close(ours, embeddings, atol=1e-5, rtol=1e-4)

    @pytest.mark.parametrize("size", [8, 30, 48, 64])
    def test_interpolates_positions_in_two_dimensions(self, hub_folder: Path, size: int) -> None:
        encoder = pretrained_mae(hub_folder, size=size)
        assert encoder.reconstruct(make_crops(2, size)).shape == (2, 1, size, size)
        side = encoder.input_format.side_px // 8
        assert side == max(2, round(size / 8))  # a single patch could not be guessed from another
        for positions in encoder._positions():
            grid = positions[0, 1:].view(side, side, -1)
            assert grid.any()
            rows = (grid[1:] - grid[:-1]).norm(dim=2).mean()
            columns = (grid[:, 1:] - grid[:, :-1]).norm(dim=2).mean()
            torch.testing.assert_close(rows, columns, rtol=0.05, atol=0)

    @pytest.mark.parametrize(
        ("trainable", "trained"),
        [
            ("all", "012345ed"),
            ("middle+late", "2345d"),
            ("late", "45d"),
            ("decoder", "d"),
            ("none", ""),
        ],
    )
    def test_freezing_by_thirds(self, hub_folder: Path, trainable: str, trained: str) -> None:
        model = pretrained_mae(hub_folder, trainable=trainable).model
        parts = {str(i): block for i, block in enumerate(model.vit.layers)}
        parts |= {"e": model.vit.embeddings.patch_embeddings, "d": model.decoder.decoder_layers}
        flags = {key: {p.requires_grad for p in part.parameters()} for key, part in parts.items()}
        assert flags == {key: {key in trained} for key in parts}

    def test_layer_decay(self, hub_folder: Path) -> None:
        encoder = pretrained_mae(hub_folder, layer_decay=0.5)
        scale = {id(p): g["scale"] for g in encoder.parameter_groups() for p in g["params"]}
        vit = encoder.model.vit
        found = [
            scale[id(vit.embeddings.cls_token)],
            *(scale[id(block.mlp.fc1.weight)] for block in vit.layers),
            scale[id(encoder.model.decoder.decoder_pred.weight)],
        ]
        assert found == [0.5**7, 0.5**6, 0.5**5, 0.5**4, 0.5**3, 0.5**2, 0.5, 1.0]

    def test_a_missing_model(self, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError, match="pretrained="):
            pretrained_mae(tmp_path)


class TestSwav(SeesViews, EncoderContract):
    name = "swav"
    settings: ClassVar[dict[str, Any]] = {"latent_dim": 6, "prototypes": 8}
    overfit = 0.9


class TestSinkhorn:
    def test_rows_are_whole_and_prototypes_share_equally(self) -> None:
        scores = torch.randn(60, 5, generator=generator())
        shares = sinkhorn(scores, smoothness=0.5, rounds=200)
        torch.testing.assert_close(shares.sum(1), torch.ones(60))
        torch.testing.assert_close(shares.sum(0), torch.full((5,), 12.0), atol=1e-3, rtol=0)

    def test_by_hand(self) -> None:
        """Two crops like the same prototype: the one that likes it less must go.

        With q on the diagonal, q² / (1 - q)² = exp((1 + 0.9 - 0 - 1) / 0.1).
        """
        shares = sinkhorn(torch.tensor([[1.0, 0.0], [1.0, 0.9]]), smoothness=0.1, rounds=500)
        q = torch.sigmoid(torch.tensor(4.5)).item()
        expected = torch.tensor([[q, 1 - q], [1 - q, q]])
        torch.testing.assert_close(shares, expected, atol=1e-4, rtol=0)

    def test_no_overflow(self) -> None:
        assert torch.isfinite(sinkhorn(torch.tensor([[1e4, -1e4], [3e3, 9e3]]))).all()


@pytest.fixture(scope="session")
def vit_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViT in the layout of the hub, with a crop side and statistics of its own."""
    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(1)
    ViTModel(
        ViTConfig(
            hidden_size=16,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=32,
            image_size=16,
            patch_size=8,
        )
    ).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(
        json.dumps({"size": {"height": 16, "width": 16}, "image_mean": [0.5] * 3})
    )
    return folder


class TestBackbone(SeesViews, EncoderContract):
    name = "backbone"
    overfit = 0.9

    @pytest.fixture
    def encoder(self, vit_folder: Path) -> Encoder:
        config = TrainConfig(crops="", encoder="backbone", pretrained=str(vit_folder))
        return build_encoder(config, crop_size_px=32)

    def test_gradients_reach_every_trainable_parameter(
        self, encoder: Encoder, crops: Tensor
    ) -> None:
        """All but the pooler, which is not used."""
        encoder.train()
        encoder.loss(crops, generator())["loss"].backward()
        without = [name for name, p in encoder.named_parameters() if p.grad is None]
        assert all("pooler" in name for name in without)

    def test_class_token_and_mean_of_patches(self, encoder: Encoder, crops: Tensor) -> None:
        assert isinstance(encoder, BackboneEncoder)
        assert encoder.input_format.side_px == 16
        assert encoder.input_format.mean == (0.5, 0.5, 0.5)
        pixels = encoder.input_format(crops)
        assert pixels.shape == (12, 3, 16, 16)
        with torch.no_grad():
            tokens = encoder.model.eval()(pixels).last_hidden_state
        expected = torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1)
        torch.testing.assert_close(encoder.embed(crops), expected)

    def test_frozen(self, vit_folder: Path) -> None:
        config = TrainConfig(
            crops="", encoder="backbone", pretrained=str(vit_folder), trainable="none"
        )
        encoder = build_encoder(config, crop_size_px=32)
        assert not any(p.requires_grad for p in encoder.parameters())

    def test_a_convolutional_network(self, tmp_path: Path) -> None:
        config = ConvNextConfig(hidden_sizes=[4, 8, 8, 16], depths=[1, 1, 1, 1])
        ConvNextModel(config).save_pretrained(tmp_path)
        chosen = TrainConfig(crops="", encoder="backbone", pretrained=str(tmp_path))
        encoder = build_encoder(chosen, crop_size_px=32)
        assert encoder.embed(make_crops(2, 32)).shape == (2, 16)

    def test_needs_a_name(self) -> None:
        with pytest.raises(ConfigError, match="pretrained="):
            build_encoder(TrainConfig(crops="", encoder="backbone"), crop_size_px=32)


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


class TestInverseRendering(EncoderContract):
    name = "inverse_rendering"

    @pytest.fixture
    def encoder(self) -> Encoder:
        torch.manual_seed(0)
        encoder = InverseRenderingEncoder(crop_size_px=32, latent_dim=6)
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
        _, alone, _ = encoder._look(crops)
        encoder.see_mosaic(crops)
        _, among, _ = encoder._look(crops)
        oblique = alone[:, INCIDENCE] - alone[:, INCIDENCE].median()
        torch.testing.assert_close(among[:, 1] - alone[:, 1], INCIDENCE_WEIGHT * oblique)
        others = [n for n in range(alone.shape[1]) if n != 1]
        torch.testing.assert_close(among[:, others], alone[:, others])
        encoder.see_mosaic(crops)  # another time, as for another crop set
        torch.testing.assert_close(encoder._look(crops)[1], among)

    def test_a_mosaic_under_many_suns_is_not_read_that_way(
        self, encoder: InverseRenderingEncoder, crops: Tensor
    ) -> None:
        """Where incidences spread ten times as far as errors do, one part in 100 is error."""
        encoder.eval()
        oblique = encoder._look(crops)[1][:, INCIDENCE]
        spread = (oblique.quantile(0.84) - oblique.quantile(0.16)) / 2
        last = encoder.head[-1]
        assert isinstance(last, torch.nn.Linear)
        with torch.no_grad():
            last.weight[INCIDENCE] *= 10 * INCIDENCE_NOISE / spread
        encoder.see_mosaic(crops)
        assert encoder.incidence_share == pytest.approx(0.01, rel=1e-3)
        assert Checkpoint(encoder).encoder.arguments["incidence_share"] == encoder.incidence_share

    def test_is_trained_by_another_step(self) -> None:
        with pytest.raises(ConfigError, match="pretrain step"):
            InverseRenderingEncoder.from_config(TrainConfig(crops=""), crop_size_px=32)

    def test_another_normalisation(self, encoder: Encoder) -> None:
        with pytest.raises(ConfigError, match="normalisation=ratio"):
            Checkpoint(encoder, Normalisation(kind="zscore"))

    test_a_batch_of_two = None  # type: ignore[assignment]
    test_gradients_reach_every_trainable_parameter = None  # type: ignore[assignment]
    test_one_batch_can_be_overfitted = None  # type: ignore[assignment]


def test_every_encoder_has_its_contract() -> None:
    tested = {contract.name for contract in EncoderContract.__subclasses__()}
    assert tested == set(ENCODERS)
