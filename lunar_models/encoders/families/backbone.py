"""Embed crops with a pretrained vision model of transformers, optionally fine-tuned."""

from dataclasses import asdict
from typing import Any, Self

import torch
from torch import Tensor

from lunar_models.config.train import Trainable, TrainConfig
from lunar_models.encoders.augmentation import lunar_view
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.families.vicreg import PROJECTION_DIM, vicreg_terms
from lunar_models.encoders.layers.convolutions import projector
from lunar_models.encoders.layers.transformer import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputFormat,
    blocks_of,
    decayed_groups,
    read_pretrained,
    train_only,
)
from lunar_models.errors import ConfigError

DEFAULT_SIDE_PX = 224


class BackboneEncoder(Encoder):
    """DINOv2, DINOv3, ViT, ConvNeXt, …, frozen or fine-tuned with VICReg on lunar views.

    Embedding: the class token and the mean of the patch tokens of a transformer, the mean over
    the crop of a convolutional network. Input side and statistics are those of its own files.
    """

    name = "backbone"
    stays_on_device = True

    def __init__(
        self,
        *,
        crop_size_px: int,
        architecture: dict[str, Any],
        input_format: dict[str, Any],
        trainable: Trainable = "none",
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.crop_size_px, self.trainable, self.layer_decay = crop_size_px, trainable, layer_decay
        self.architecture = architecture
        self.input_format = InputFormat(**input_format)
        from transformers import AutoConfig, AutoModel  # takes seconds: only who uses it waits

        self.model = AutoModel.from_config(AutoConfig.for_model(**architecture))
        self.embedding_dim = self._measure()
        self.projector = projector(self.embedding_dim, PROJECTION_DIM)
        train_only(trainable, model=self, blocks=blocks_of(self.model))

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        if config.pretrained is None:
            raise ConfigError("encoder=backbone needs pretrained=<hub id or local folder>.")
        from transformers import AutoModel

        source, preprocessing = read_pretrained(AutoModel, config.pretrained)
        input_format = InputFormat(
            _side(preprocessing),
            tuple(preprocessing.get("image_mean", IMAGENET_MEAN)),
            tuple(preprocessing.get("image_std", IMAGENET_STD)),
        )
        encoder = cls(
            crop_size_px=crop_size_px,
            architecture={**source.config.to_diff_dict(), "model_type": source.config.model_type},
            input_format=asdict(input_format),
            trainable=config.trainable,
            layer_decay=config.layer_decay,
        )
        encoder.model.load_state_dict(source.state_dict())
        return encoder

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.crop_size_px,
            "architecture": self.architecture,
            "input_format": asdict(self.input_format),
            "trainable": self.trainable,
            "layer_decay": self.layer_decay,
        }

    def _measure(self) -> int:
        self.model.eval()
        with torch.no_grad():
            size = self._embed(torch.zeros(1, 1, self.crop_size_px, self.crop_size_px)).shape[1]
        self.model.train()
        return size

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decayed_groups(self, blocks=blocks_of(self.model), decay=self.layer_decay)

    def _embed(self, crops: Tensor) -> Tensor:
        tokens = self.model(pixel_values=self.input_format(crops)).last_hidden_state
        if tokens.ndim == 4:
            pooled: Tensor = tokens.mean((2, 3))
            return pooled
        # Registers hold no place in the image (arXiv 2309.16588).
        first_patch = 1 + getattr(self.model.config, "num_register_tokens", 0)
        return torch.cat([tokens[:, 0], tokens[:, first_patch:].mean(1)], 1)

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        views = torch.cat(
            [
                lunar_view(crops, generator, context_diameters=self.context_diameters)
                for _ in range(2)
            ]
        )
        return vicreg_terms(*self.projector(self._embed(views)).float().chunk(2))


def _side(preprocessing: Any) -> int:
    """The side of the images a model was trained with, from its preprocessor_config.json."""
    size = preprocessing.get("crop_size") or preprocessing.get("size") or DEFAULT_SIDE_PX
    if isinstance(size, int):
        return size
    return int(size.get("height") or size.get("shortest_edge") or DEFAULT_SIDE_PX)
