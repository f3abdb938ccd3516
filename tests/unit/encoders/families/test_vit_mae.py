"""Test the masked autoencoder, trained from nothing and from published weights."""

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from encoder_contract import EncoderContract, generator, make_crops
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    ViTMAEConfig,
    ViTMAEForPreTraining,
)

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.encoders.build import Encoder, build_encoder
from lunar_models.encoders.families.vit_mae import ViTMaeEncoder
from lunar_models.encoders.layers.positions import sinusoids
from lunar_models.encoders.layers.transformer import attention, norm_once
from lunar_models.errors import CheckpointError, ConfigError
from lunar_models.training import train


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
