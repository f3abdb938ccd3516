"""Test published backbones as encoders."""

import json
from pathlib import Path

import pytest
import torch
from encoder_contract import EncoderContract, SeesViews, generator, make_crops
from torch import Tensor
from transformers import (
    ConvNextConfig,
    ConvNextModel,
    ViTConfig,
    ViTModel,
)

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import Encoder, build_encoder
from lunar_models.encoders.families.backbone import BackboneEncoder
from lunar_models.errors import ConfigError


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
