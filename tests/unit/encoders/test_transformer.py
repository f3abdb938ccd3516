"""Trainable layers, learning rates by depth and pooling, in small networks of each architecture."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import bowl_crops
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    ConvNextConfig,
    ConvNextModel,
    Dinov2Config,
    Dinov2Model,
    Dinov2WithRegistersConfig,
    Dinov2WithRegistersModel,
    DINOv3ViTConfig,
    DINOv3ViTModel,
    PreTrainedModel,
    ViTConfig,
    ViTModel,
)

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import build_encoder
from lunar_models.encoders.families.backbone import BackboneEncoder
from lunar_models.encoders.layers.transformer import (
    InputFormat,
    blocks_of,
    read_pretrained,
    train_only,
)
from lunar_models.errors import CheckpointError, ConfigError

VIT = {"hidden_size": 16, "num_attention_heads": 2, "image_size": 32, "patch_size": 16}
PATCHES = 4
NETWORKS: dict[str, Callable[[], PreTrainedModel]] = {
    "bert": lambda: BertModel(
        BertConfig(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=9)
    ),
    "convnext": lambda: ConvNextModel(
        ConvNextConfig(hidden_sizes=[4, 8, 8, 16], depths=[1, 1, 3, 1])
    ),
    "dinov2": lambda: Dinov2Model(Dinov2Config(**VIT, num_hidden_layers=6, mlp_ratio=2)),
    "dinov3": lambda: DINOv3ViTModel(
        DINOv3ViTConfig(**VIT, num_hidden_layers=3, intermediate_size=32, num_register_tokens=4)
    ),
    "registers": lambda: Dinov2WithRegistersModel(
        Dinov2WithRegistersConfig(**VIT, num_hidden_layers=3, mlp_ratio=2, num_register_tokens=4)
    ),
    "vit": lambda: ViTModel(ViTConfig(**VIT, num_hidden_layers=3, intermediate_size=32)),
}


@pytest.fixture
def backbone(tmp_path: Path) -> Callable[..., BackboneEncoder]:
    """Makes an encoder of one of `NETWORKS`, through a folder in the layout of the hub."""

    def make(network: str, **settings: Any) -> BackboneEncoder:
        torch.manual_seed(0)
        NETWORKS[network]().save_pretrained(tmp_path / network)
        size = {"size": {"height": 32, "width": 32}}
        (tmp_path / network / "preprocessor_config.json").write_text(json.dumps(size))
        config = TrainConfig(
            crops="", encoder="backbone", pretrained=str(tmp_path / network), **settings
        )
        encoder = build_encoder(config, crop_size_px=32)
        assert isinstance(encoder, BackboneEncoder)
        return encoder

    return make


@pytest.mark.parametrize(
    ("network", "trainable", "trained"),
    [
        ("convnext", "middle+late", ("encoder.stages.2.", "encoder.stages.3.", "layernorm.")),
        ("convnext", "late", ("encoder.stages.2.layers.2.", "encoder.stages.3.", "layernorm.")),
        ("dinov2", "late", ("encoder.layer.4.", "encoder.layer.5.", "layernorm.")),
        ("dinov2", "decoder", ("layernorm.",)),
        ("dinov3", "late", ("model.layer.2.", "norm.")),
        ("vit", "middle+late", ("layers.1.", "layers.2.", "layernorm.", "pooler.")),
        ("vit", "late", ("layers.2.", "layernorm.", "pooler.")),
    ],
)
def test_what_trains(
    backbone: Callable[..., BackboneEncoder],
    network: str,
    trainable: str,
    trained: tuple[str, ...],
) -> None:
    encoder = backbone(network, trainable=trainable)
    assert all(p.requires_grad for p in encoder.projector.parameters())
    parameters = dict(encoder.model.named_parameters())
    found = {name for name, parameter in parameters.items() if parameter.requires_grad}
    assert found == {name for name in parameters if name.startswith(trained)}
    assert all(any(name.startswith(part) for name in found) for part in trained)


@pytest.mark.parametrize(
    ("network", "steps"),
    [
        (
            "convnext",
            {
                "embeddings.": 7,
                "encoder.stages.0.": 6,
                "encoder.stages.1.": 5,
                "encoder.stages.2.downsampling_layer.": 4,
                "encoder.stages.2.layers.0.": 4,
                "encoder.stages.2.layers.1.": 3,
                "encoder.stages.2.layers.2.": 2,
                "encoder.stages.3.": 1,
                "layernorm.": 0,
            },
        ),
        (
            "dinov2",
            {"embeddings.": 7, "layernorm.": 0} | {f"encoder.layer.{i}.": 6 - i for i in range(6)},
        ),
        (
            "vit",
            {"embeddings.": 4, "layernorm.": 0, "pooler.": 0}
            | {f"layers.{i}.": 3 - i for i in range(3)},
        ),
    ],
)
def test_rates_fall_towards_the_input(
    backbone: Callable[..., BackboneEncoder], network: str, steps: dict[str, int]
) -> None:
    encoder = backbone(network, layer_decay=0.5)
    scales = {id(p): g["scale"] for g in encoder.parameter_groups() for p in g["params"]}
    assert {scales[id(p)] for p in encoder.projector.parameters()} == {1.0}
    for name, parameter in encoder.model.named_parameters():
        [expected] = [count for part, count in steps.items() if name.startswith(part)]
        assert scales[id(parameter)] == 0.5**expected, name


def test_every_parameter_has_one_rate(backbone: Callable[..., BackboneEncoder]) -> None:
    encoder = backbone("convnext", layer_decay=0.5)
    grouped = [id(p) for group in encoder.parameter_groups() for p in group["params"]]
    assert sorted(grouped) == sorted(id(p) for p in encoder.parameters())


def test_a_network_without_blocks() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    assert blocks_of(network) == []
    with pytest.raises(ConfigError, match="trainable=late needs"):
        train_only("late", model=network, blocks=[])
    train_only("none", model=network, blocks=[])
    assert not any(p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("network", ["registers", "dinov3"])
def test_registers_are_left_out_of_the_mean(
    backbone: Callable[..., BackboneEncoder], network: str
) -> None:
    encoder = backbone(network)
    crops = torch.from_numpy(bowl_crops(3, 32)[0])[:, None] / 127.5 - 1
    with torch.no_grad():
        tokens = encoder.model.eval()(encoder.input_format(crops)).last_hidden_state
    assert tokens.shape[1] == 1 + 4 + PATCHES
    expected = torch.cat([tokens[:, 0], tokens[:, -PATCHES:].mean(1)], 1)
    torch.testing.assert_close(encoder.embed(crops), expected)


@pytest.mark.parametrize("family", ["backbone", "vit_mae"])
def test_damaged_weights(tmp_path: Path, family: str) -> None:
    ViTConfig(**VIT, num_hidden_layers=1).save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"rubbish" * 10)
    config = TrainConfig(crops="", encoder=family, pretrained=str(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=r"cannot be loaded: .*Give a hub id or a folder"):
        build_encoder(config, crop_size_px=32)


@pytest.mark.parametrize(
    ("family", "network", "why"),
    [
        ("vit_mae", "vit", r"type vit and has no weights for decoder"),
        ("backbone", "bert", "images"),
    ],
)
def test_weights_of_another_kind_are_not_filled_up_at_random(
    tmp_path: Path, family: str, network: str, why: str
) -> None:
    NETWORKS[network]().save_pretrained(tmp_path)
    config = TrainConfig(crops="", encoder=family, pretrained=str(tmp_path))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=why):
        build_encoder(config, crop_size_px=32)


def test_a_missing_pooler_does_not_matter(tmp_path: Path) -> None:
    config = ViTConfig(**VIT, num_hidden_layers=1)
    ViTModel(config, add_pooling_layer=False).save_pretrained(tmp_path)
    model, _ = read_pretrained(ViTModel, str(tmp_path))
    assert model.pooler is not None


def test_a_damaged_preprocessor_is_not_passed_over(tmp_path: Path) -> None:
    NETWORKS["vit"]().save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text("{not json")
    with pytest.raises(CheckpointError, match=r"preprocessor_config\.json cannot be read"):
        read_pretrained(ViTModel, str(tmp_path))


def test_a_missing_folder_is_said_first(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    with pytest.raises(CheckpointError, match=f"^pretrained={missing} is no folder here, and as"):
        read_pretrained(ViTModel, missing)


def test_export_leaves_no_tensors_without_numbers_behind() -> None:
    class Inputs(nn.Module):
        def forward(self, crops: Tensor) -> Tensor:
            return InputFormat(8, mean=(0.3125,), std=(0.6875,))(crops)

    crops = torch.zeros(2, 1, 8, 8)
    program = torch.export.export(Inputs(), (crops,)).module()
    after = Inputs()(crops)
    assert type(after) is Tensor
    torch.testing.assert_close(after, torch.full_like(crops, (0.5 - 0.3125) / 0.6875))
    torch.testing.assert_close(program(crops), after)
