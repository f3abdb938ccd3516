"""Train a masked autoencoder: a vision transformer reconstructs masked patches (2111.06377)."""

from dataclasses import asdict
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import Pooling, Trainable, TrainConfig
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.families.vit_mae_sizes import architecture_of
from lunar_models.encoders.layers.positions import interpolate_positions, sinusoids
from lunar_models.encoders.layers.transformer import (
    ATTENTION,
    IMAGENET_MEAN,
    IMAGENET_STD,
    InputFormat,
    blocks_of,
    decayed_groups,
    norm_once,
    read_pretrained,
    register_attention,
    train_only,
)
from lunar_models.errors import ConfigError
from lunar_models.joint_batch import draw


class ViTMaeEncoder(Encoder):
    """transformers' ViTMAEForPreTraining, from the hub, a folder, or from scratch.

    Embedding: the class token, or the mean of the patch tokens, after the last norm, of the whole
    crop. Only `loss` and `reconstruct` mask.
    """

    name = "vit_mae"
    stays_on_device = True

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
        self.crop_size_px, self.mask_ratio, self.pooling = crop_size_px, mask_ratio, pooling
        self.trainable, self.layer_decay = trainable, layer_decay
        self.input_format = InputFormat(**input_format)
        side = self.input_format.side_px
        # transformers takes seconds to import: only who uses it waits
        from transformers import ViTMAEConfig, ViTMAEForPreTraining

        register_attention()
        shape = {**architecture, "image_size": side, "attn_implementation": ATTENTION}
        self.model = ViTMAEForPreTraining(ViTMAEConfig(**shape))
        self.embedding_dim = self.model.config.hidden_size
        self.patch_px = self.model.config.patch_size
        norm_once(self.model.vit.layers, self.model.decoder.decoder_layers)
        # transformers leaves a new model without positions.
        for positions in self._positions():
            positions.copy_(sinusoids(side // self.patch_px, positions.shape[-1]))
        train_only(trainable, model=self, blocks=blocks_of(self.model.vit))

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
        patches, rest = divmod(crop_size_px, config.patch_size_px)
        if rest or patches < 2:  # one to see, one to hide
            raise ConfigError(
                f"patch_size_px={config.patch_size_px} does not divide crops of {crop_size_px} px "
                "into 2 x 2 patches or more; choose a smaller divisor."
            )
        architecture = architecture_of(config.model_size, config.patch_size_px)
        return cls(architecture=architecture, input_format={"side_px": crop_size_px}, **options)

    @classmethod
    def _from_pretrained(cls, name: str, options: dict[str, Any]) -> Self:
        from transformers import ViTMAEForPreTraining

        source, preprocessing = read_pretrained(ViTMAEForPreTraining, name)
        patch, grey = source.config.patch_size, source.config.num_channels == 1
        side = max(2, round(options["crop_size_px"] / patch)) * patch
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
                weights[name] = interpolate_positions(weights[name], positions.shape[1])
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

    def blocks(self) -> list[nn.Module]:
        return [*self.model.vit.layers, *self.model.decoder.decoder_layers]

    def _positions(self) -> list[Tensor]:
        embeddings, decoder = self.model.vit.embeddings, self.model.decoder
        return [embeddings.position_embeddings.data, decoder.decoder_pos_embed.data]

    def parameter_groups(self) -> list[dict[str, Any]]:
        return decayed_groups(self, blocks=blocks_of(self.model.vit), decay=self.layer_decay)

    def _encode(self, patches: Tensor, seen: Tensor | None = None) -> Tensor:
        """(B, T, P) pixels by patch -> (B, 1 + K, D) tokens, the class token first.

        Args:
            patches: in the network's input format.
            seen: (B, K) numbers of the patches to look at; all of them, K = T, if None.
        """
        vit = self.model.vit
        positions = vit.embeddings.position_embeddings[:, 1:]
        if seen is not None:
            patches, positions = _pick(patches, seen), positions[0, seen]
        projection = vit.embeddings.patch_embeddings.projection
        weight = projection.weight.permute(0, 2, 3, 1).flatten(1)
        tokens = functional.linear(patches, weight, projection.bias) + positions
        first = vit.embeddings.cls_token + vit.embeddings.position_embeddings[:, :1]
        tokens = torch.cat([first.expand(tokens.shape[0], -1, -1), tokens], 1)
        for block in vit.layers:
            tokens = block(tokens)
        encoded: Tensor = vit.layernorm(tokens)
        return encoded

    def _decode(self, tokens: Tensor, order: Tensor) -> Tensor:
        """(B, 1 + K, D) tokens -> (B, T - K, P) guesses of the patches that have none.

        Attention knows patches by their positions only, so they stay in the order of the mask:
        nothing needs to be put back, and only what was hidden is painted.

        Args:
            tokens: class token, and one for each of the first K patches in `order`.
            order: (B, T) numbers of the patches.
        """
        decoder, count = self.model.decoder, tokens.shape[1]
        positions = decoder.decoder_pos_embed
        tokens = decoder.decoder_embed(tokens)
        blank = decoder.mask_token.expand(len(tokens), 1 + order.shape[1] - count, -1)
        tokens = torch.cat([tokens, blank.to(tokens)], 1)
        tokens = tokens + torch.cat(
            [positions[:, :1].expand(len(tokens), -1, -1), positions[0, 1:][order]], 1
        )
        for block in decoder.decoder_layers:
            tokens = block(tokens)
        guess: Tensor = decoder.decoder_pred(decoder.decoder_norm(tokens[:, count:]))
        return guess

    def _embed(self, crops: Tensor) -> Tensor:
        tokens = self._encode(self.model.patchify(self.input_format(crops)))
        return tokens[:, 0] if self.pooling == "cls" else tokens[:, 1:].mean(1)

    def _draw(self, count: int, generator: torch.Generator | None) -> tuple[Tensor, int]:
        """(B, T) numbers of the patches in random order, and how many of the first are seen."""
        total = (self.input_format.side_px // self.patch_px) ** 2
        order = draw(torch.rand, count, total, generator=generator).argsort(1).to(self.device)
        # A new class token is zero: alone, without a patch, its norm has no finite gradient.
        return order, min(max(1, int(total * (1 - self.mask_ratio))), total - 1)

    def _fill_in(
        self, patches: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Hide patches at random and guess them.

        Returns:
            guess, truth: (B, H, P) pixels by patch, normalised patch by patch if so configured.
            hidden: (B, H) their numbers.
        """
        order, seen = self._draw(len(patches), generator)
        hidden = order[:, seen:]
        guess = self._decode(self._encode(patches, order[:, :seen]), order)
        return guess.float(), _pick(patches, hidden), hidden

    def loss(self, crops: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        patches = self.model.patchify(self.input_format(crops))
        guess, truth, _ = self._fill_in(patches, generator)
        if self.model.config.norm_pix_loss:
            mean, deviation = _patch_statistics(truth)
            truth = (truth - mean) / deviation
        return {"loss": functional.mse_loss(guess, truth)}

    def _reconstruct(self, crops: Tensor, generator: torch.Generator | None) -> Tensor:
        """What was visible as it is, what was hidden as it is guessed."""
        patches = self.model.patchify(self.input_format(crops))
        guess, truth, hidden = self._fill_in(patches, generator)
        if self.model.config.norm_pix_loss:
            mean, deviation = _patch_statistics(truth)
            guess = guess * deviation + mean
        mixed = patches.scatter(1, hidden[:, :, None].expand_as(guess), guess)
        return self.input_format.undo(self.model.unpatchify(mixed), self.crop_size_px)

    def mask(self, crops: Tensor, generator: torch.Generator | None = None) -> Tensor:
        order, seen = self._draw(len(crops), generator)
        side = self.input_format.side_px // self.patch_px
        hidden = crops.new_ones(order.shape).scatter(1, order[:, :seen], 0.0)
        return functional.interpolate(hidden.view(-1, 1, side, side), [self.crop_size_px] * 2)


def _pick(patches: Tensor, numbers: Tensor) -> Tensor:
    """(B, T, P) patches, (B, K) numbers -> (B, K, P)."""
    return patches.gather(1, numbers[:, :, None].expand(-1, -1, patches.shape[2]))


def _patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    deviation = (patches.var(2, keepdim=True) + 1e-6).sqrt()
    return patches.mean(2, keepdim=True), deviation
