"""Masked autoencoder: a vision transformer that fills in hidden patches (arXiv 2111.06377)."""

from dataclasses import asdict
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import ModelSize, Pooling, Trainable, TrainConfig
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.transformer import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputFormat,
    decayed_groups,
    read_pretrained,
    train_only,
)
from lunar_models.errors import ConfigError

SIZES: dict[ModelSize, dict[str, int]] = {
    "tiny": {"hidden_size": 192, "num_attention_heads": 3, "decoder_hidden_size": 96},
    "small": {"hidden_size": 384, "num_attention_heads": 6, "decoder_hidden_size": 192},
}
"""Of models from scratch; DeiT's tiny and small (arXiv 2012.12877), with a light decoder."""


class ViTMaeEncoder(Encoder):
    """transformers' ViTMAEForPreTraining, from the hub, a folder, or from scratch.

    Embedding: the class token, or the mean of the patch tokens, after the last norm, of the whole
    crop. Only `loss` and `reconstruct` mask.
    """

    name = "vit_mae"

    def __init__(
        self,
        *,
        crop_size_px: int,
        architecture: dict[str, Any],
        input_format: dict[str, Any],
        mask_ratio: float = 0.75,
        pooling: Pooling = "mean",
        trainable: Trainable = "all",
        layer_decay: float = 1.0,
    ) -> None:
        super().__init__()
        self.crop_size_px = crop_size_px
        self.mask_ratio, self.pooling = mask_ratio, pooling
        self.trainable, self.layer_decay = trainable, layer_decay
        self.input_format = InputFormat(**input_format)
        side = self.input_format.side_px
        # transformers takes seconds to import: only who uses it waits
        from transformers import ViTMAEConfig, ViTMAEForPreTraining

        self.model = ViTMAEForPreTraining(ViTMAEConfig(**{**architecture, "image_size": side}))
        self.embedding_dim = self.model.config.hidden_size
        self.patch_px = self.model.config.patch_size
        self._last: list[nn.Module] = [self.model.vit.layernorm, self.model.decoder]
        # transformers leaves a new model without positions.
        for positions in self._positions():
            positions.copy_(sinusoids(side // self.patch_px, positions.shape[-1]))
        train_only(trainable, model=self, blocks=self.model.vit.layers, last=self._last)

    @classmethod
    def from_config(cls, config: TrainConfig, *, crop_size_px: int) -> Self:
        options: dict[str, Any] = {
            "crop_size_px": crop_size_px,
            "mask_ratio": config.mask_ratio,
            "pooling": config.pooling,
            "trainable": config.trainable,
            "layer_decay": config.layer_decay,
        }
        if config.pretrained is not None:
            return cls._from_pretrained(config.pretrained, options)
        if crop_size_px % config.patch_size_px:
            raise ConfigError(
                f"patch_size_px={config.patch_size_px} does not divide crops of {crop_size_px} px."
            )
        architecture = _architecture(config.model_size, config.patch_size_px)
        return cls(architecture=architecture, input_format={"side_px": crop_size_px}, **options)

    @classmethod
    def _from_pretrained(cls, name: str, options: dict[str, Any]) -> Self:
        from transformers import ViTMAEForPreTraining

        source, preprocessing = read_pretrained(ViTMAEForPreTraining, name)
        patch, grey = source.config.patch_size, source.config.num_channels == 1
        side = max(1, round(options["crop_size_px"] / patch)) * patch
        input_format = InputFormat(
            side,
            tuple(preprocessing.get("image_mean", (0.5,) if grey else IMAGENET_MEAN)),
            tuple(preprocessing.get("image_std", (0.5,) if grey else IMAGENET_STD)),
        )
        encoder = cls(
            architecture=source.config.to_diff_dict(), input_format=asdict(input_format), **options
        )
        weights = source.state_dict()
        for name, positions in encoder.model.named_parameters():
            if name.endswith(("position_embeddings", "decoder_pos_embed")):
                weights[name] = _interpolate(weights[name], positions.shape[1])
        encoder.model.load_state_dict(weights)
        return encoder

    @property
    def arguments(self) -> dict[str, Any]:
        return {
            "crop_size_px": self.crop_size_px,
            "architecture": self.model.config.to_diff_dict(),
            "input_format": asdict(self.input_format),
            "mask_ratio": self.mask_ratio,
            "pooling": self.pooling,
            "trainable": self.trainable,
            "layer_decay": self.layer_decay,
        }

    def _positions(self) -> list[Tensor]:
        embeddings, decoder = self.model.vit.embeddings, self.model.decoder
        return [embeddings.position_embeddings.data, decoder.decoder_pos_embed.data]

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decayed_groups(
            self, blocks=self.model.vit.layers, last=self._last, decay=self.layer_decay
        )

    def _encode(self, pixels: Tensor, keep: Tensor | None = None) -> Tensor:
        """(B, C, H, W) pixels -> (B, 1 + T, D) tokens, the class token first.

        Args:
            pixels: in the network's input format.
            keep: (B, K) numbers of the patches to look at; all of them if None.
        """
        vit = self.model.vit
        positions = vit.embeddings.position_embeddings
        tokens = vit.embeddings.patch_embeddings(pixels) + positions[:, 1:]
        if keep is not None:
            tokens = tokens.gather(1, keep[:, :, None].expand(-1, -1, tokens.shape[2]))
        first = (vit.embeddings.cls_token + positions[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], 1)
        for block in vit.layers:
            tokens = block(tokens)
        encoded: Tensor = vit.layernorm(tokens)
        return encoded

    def _embed(self, crops: Tensor) -> Tensor:
        tokens = self._encode(self.input_format(crops))
        return tokens[:, 0] if self.pooling == "cls" else tokens[:, 1:].mean(1)

    def _fill_in(
        self, pixels: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hide patches at random and guess them.

        Returns:
            guess, truth: (B, T, P) pixels by patch, normalised patch by patch if so configured.
            hidden: (B, T) 1 where a patch was hidden.
        """
        truth = self.model.patchify(pixels)
        count, patches = truth.shape[:2]
        noise = torch.rand(count, patches, generator=generator).to(pixels.device)
        shuffled = noise.argsort(1)
        restore = shuffled.argsort(1)
        kept = min(int(patches * (1 - self.mask_ratio)), patches - 1)
        tokens = self._encode(pixels, shuffled[:, :kept])
        guess = self.model.decoder(tokens, restore).logits
        return guess, truth, (restore >= kept).float()

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        guess, truth, hidden = self._fill_in(self.input_format(crops), generator)
        if self.model.config.norm_pix_loss:
            mean, deviation = _patch_statistics(truth)
            truth = (truth - mean) / deviation
        errors = functional.mse_loss(guess.float(), truth, reduction="none").mean(2)
        return {"loss": (errors * hidden).sum() / hidden.sum()}

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        """What was visible as it is, what was hidden as it is guessed."""
        guess, truth, hidden = self._fill_in(self.input_format(crops), generator)
        if self.model.config.norm_pix_loss:
            mean, deviation = _patch_statistics(truth)
            guess = guess * deviation + mean
        mixed = torch.where(hidden[:, :, None] > 0, guess.float(), truth)
        return self.input_format.undo(self.model.unpatchify(mixed), self.crop_size_px)

    def mask(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(B, 1, S, S), 1 where `reconstruct` with the same generator hides the crop."""
        side = self.input_format.side_px // self.patch_px
        noise = torch.rand(len(crops), side * side, generator=generator)
        kept = min(int(side * side * (1 - self.mask_ratio)), side * side - 1)
        hidden = (noise.argsort(1).argsort(1) >= kept).float().view(-1, 1, side, side)
        return functional.interpolate(hidden, [self.crop_size_px] * 2)


def _architecture(size: ModelSize, patch_px: int) -> dict[str, Any]:
    sizes = SIZES[size]
    return {
        **sizes,
        "num_channels": 1,
        "patch_size": patch_px,
        "num_hidden_layers": 12,
        "intermediate_size": 4 * sizes["hidden_size"],
        "decoder_num_hidden_layers": 2,
        "decoder_num_attention_heads": sizes["num_attention_heads"],
        "decoder_intermediate_size": 4 * sizes["decoder_hidden_size"],
    }


def sinusoids(side: int, width: int) -> Tensor:
    """(1, 1 + side², D) fixed positions, halves as in the published MAE weights."""
    from transformers.models.vit_mae.modeling_vit_mae import (
        build_2d_sinusoidal_position_embedding,
    )

    positions: Tensor = build_2d_sinusoidal_position_embedding(side, side, width, cls_token=True)
    return positions.roll(width // 2, dims=1)[None]


def _interpolate(positions: Tensor, count: int) -> Tensor:
    """(1, 1 + T, D) positions of one square grid of patches -> (1, count, D) of another."""
    if positions.shape[1] == count:
        return positions
    old, new = (round((n - 1) ** 0.5) for n in (positions.shape[1], count))
    grid = positions[:, 1:].view(1, old, old, -1).permute(0, 3, 1, 2)
    grid = functional.interpolate(grid, [new, new], mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], grid.flatten(2).transpose(1, 2)], 1)


def _patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    deviation = (patches.var(2, keepdim=True) + 1e-6).sqrt()
    return patches.mean(2, keepdim=True), deviation
