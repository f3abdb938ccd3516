"""Load pretrained transformers, feed them grey crops, and freeze them by depth."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lunar_models.config.train import Trainable
from lunar_models.errors import CheckpointError, ConfigError

ATTENTION = "lunar_models"
"""Name of `attention` in transformers, once `register_attention` has been called."""
PREPROCESSING_FILE = "preprocessor_config.json"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class InputFormat:
    """The input format of a pretrained network; plain values for JSON."""

    side_px: int
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)
    """Per channel, of images in [0, 1]; their number is the number of channels."""

    def __call__(self, crops: Tensor) -> Tensor:
        """(B, 1, S, S) crops in [-1, 1] -> (B, C, side, side) as in the network's own training."""
        side = (self.side_px, self.side_px)
        if crops.shape[-2:] != side:
            crops = functional.interpolate(crops, side, mode="bicubic", antialias=True)
        mean, std = (_per_channel(tuple(v), crops.device) for v in (self.mean, self.std))
        return ((crops + 1) / 2 - mean) / std

    def undo(self, pixels: Tensor, crop_size_px: int) -> Tensor:
        """Convert (B, C, side, side) to (B, 1, S, S) in [-1, 1]."""
        mean, std = (_per_channel(tuple(v), pixels.device) for v in (self.mean, self.std))
        grey = ((pixels * std + mean) * 2 - 1).mean(1, keepdim=True)
        if grey.shape[-1] == crop_size_px:
            return grey
        return functional.interpolate(grey, [crop_size_px] * 2, mode="bicubic", antialias=True)


def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return the values as a tensor (C, 1, 1), made once, because a copy to a GPU waits."""
    # What `torch.export` traces holds no numbers, and must not stay for those who compute.
    made = _made_once.__wrapped__ if torch.compiler.is_exporting() else _made_once
    return made(values, device)


@functools.lru_cache(16)
def _made_once(values: tuple[float, ...], device: torch.device) -> Tensor:
    with torch.inference_mode(False):
        return torch.tensor(values, device=device)[:, None, None]


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: Any,
) -> tuple[Tensor, None]:
    """Compute softmax attention without mask or dropout, with the interface of transformers.

    PyTorch's fused kernel is slow on CPUs in bfloat16: with 17 tokens its gradient takes ten
    times as long as that of the three operations it fuses, with 197 tokens three times. Its
    softmax of a few values is slower in bfloat16 than in float32, casts included.

    Args:
        module: unused.
        query: (B, heads, T, D); so are `key` and `value`.
        key: see `query`.
        value: see `query`.
        attention_mask: unused, images have no padding.
        scaling: of the products before the softmax.

    Returns:
        (B, T, heads, D), and no weights.
    """
    if query.device.type == "cpu" and query.dtype == torch.bfloat16:
        # Laid out by head once, the transposed keys need no copy of their own.
        queries, keys, values = (part.flatten(0, 1) for part in (query, key, value))
        products = (queries @ keys.transpose(1, 2)).float() * scaling
        mixed = (products.softmax(2).to(values) @ values).view_as(query)
    else:
        mixed = functional.scaled_dot_product_attention(query, key, value, scale=scaling)
    return mixed.transpose(1, 2), None


def norm_once(*modules: nn.Module) -> None:
    """Round the output of each norm once under autocast, not once per following layer."""

    def rounded(_module: nn.Module, _inputs: Any, values: Tensor) -> Tensor:
        device = values.device.type
        reduced = torch.is_autocast_enabled(device)
        return values.to(torch.get_autocast_dtype(device)) if reduced else values

    for norm in (part for module in modules for part in module.modules()):
        if isinstance(norm, nn.LayerNorm):
            norm.register_forward_hook(rounded)


def register_attention() -> None:
    """Register `attention` with transformers."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION, attention)


def read_pretrained(auto_class: Any, name: str) -> tuple[Any, Mapping[str, Any]]:
    """Load a transformers model by hub id or local folder.

    Returns:
        The model in float32, and its ``preprocessor_config.json`` (empty if it has none).

    Raises:
        CheckpointError: there is no such model, it cannot be read, it takes no images, or it is of
            another kind, so that some weights would be random.
    """
    from transformers.image_processing_base import ImageProcessingMixin

    try:
        model, loading = auto_class.from_pretrained(
            name, dtype=torch.float32, use_safetensors=None, output_loading_info=True
        )
    except Exception as error:  # broken files make transformers raise errors of any kind
        found = "cannot be loaded"
        if not Path(name).is_dir():
            found = "is no folder here, and as a hub id it cannot be loaded either"
        raise CheckpointError(
            f"pretrained={name} {found}: {str(error).rstrip('. ')}. Give a hub id or a folder "
            "with config.json and model.safetensors."
        ) from error
    # A pooler is trained for other tasks, and does nothing here.
    missing = sorted(key for key in loading["missing_keys"] if not key.startswith("pooler."))
    if missing or model.main_input_name != "pixel_values":
        why = f"has no weights for {missing[0]}" if missing else "takes no images"
        raise CheckpointError(
            f"pretrained={name} is of type {model.config.model_type} and {why}; give a model that "
            f"{auto_class.__name__} loads in full, for backbone any vision model of transformers."
        )
    try:
        return model, ImageProcessingMixin.get_image_processor_dict(name)[0]
    except OSError as error:
        if (Path(name) / PREPROCESSING_FILE).exists():
            raise CheckpointError(
                f"pretrained={name}: {PREPROCESSING_FILE} cannot be read: {error}. Mend or "
                "delete it."
            ) from error
        return model, {}


def blocks_of(model: nn.Module) -> list[list[nn.Parameter]]:
    """List the parameters of each block, first to last.

    Of a network of stages (ConvNeXt, Swin) the blocks of all stages; what else a stage has, such
    as the halving of its input, goes with its first block. Empty if there is no list of modules.
    """
    blocks = []
    for stage in _main_list(model):
        _, *others = _main_list(stage) or [stage]
        later = {p for block in others for p in block.parameters()}
        blocks.append([p for p in stage.parameters() if p not in later])
        blocks += [list(block.parameters()) for block in others]
    return blocks


def _main_list(module: nn.Module) -> nn.ModuleList:
    """The list inside with the most weights, of nested equals the outermost; empty if none."""
    weights = {
        part: sum(p.numel() for p in part.parameters())
        for part in module.modules()
        if isinstance(part, nn.ModuleList)
    }
    return max(filter(weights.get, weights), key=weights.__getitem__, default=nn.ModuleList())


def train_only(
    words: Trainable, *, model: nn.Module, blocks: Sequence[Sequence[nn.Parameter]]
) -> None:
    """Freeze a network by thirds of its depth.

    Args:
        words: what trains; parameters that are frozen already stay so. What follows the blocks
            (norm, decoder, projector) trains unless it is ``none``.
        model: the whole encoder.
        blocks: see `blocks_of`.

    Raises:
        ConfigError: a part shall train, and there are no blocks to tell the parts by.
    """
    if words == "all":
        return
    if words != "none" and not blocks:
        raise ConfigError(
            f"trainable={words} needs a network with a list of blocks, and this one has none; "
            "use all or none."
        )
    behind, third = len(blocks) + 1, len(blocks) // 3
    first_trained = {"middle+late": 1 + third, "late": 1 + 2 * third, "decoder": behind}
    for parameter, depth in _depths(model, blocks).items():
        trains = depth >= first_trained.get(words, behind + 1)
        parameter.requires_grad_(parameter.requires_grad and trains)


def decayed_groups(
    model: nn.Module, *, blocks: Sequence[Sequence[nn.Parameter]], decay: float
) -> list[dict[str, Any]]:
    """Trainable parameters with learning rates that fall by `decay` per block towards the input.

    Clark et al. 2020, arXiv 2003.10555, as the MAE paper fine-tunes (arXiv 2111.06377, A.1).
    """
    groups: dict[int, list[nn.Parameter]] = {}
    for parameter, depth in _depths(model, blocks).items():
        if parameter.requires_grad:
            groups.setdefault(len(blocks) + 1 - depth, []).append(parameter)
    return [{"params": p, "scale": decay**steps} for steps, p in sorted(groups.items())]


def _depths(model: nn.Module, blocks: Sequence[Sequence[nn.Parameter]]) -> dict[nn.Parameter, int]:
    """The number of each parameter's block from 1; 0 before the blocks, one more behind them."""
    numbers = {p: number for number, block in enumerate(blocks, 1) for p in block}
    parameters = list(model.parameters())  # in the order of the layers
    last = max((i for i, p in enumerate(parameters) if p in numbers), default=-1)
    outside = (0, len(blocks) + 1)
    return {p: numbers.get(p, outside[i > last]) for i, p in enumerate(parameters)}
