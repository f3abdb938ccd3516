"""Take over a model of the original pipeline: the PyTorch state dict of its autoencoder."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.original_cae import (
    WIDTHS,
    OriginalEncoder,
    side_after_convolutions,
)
from lunar_models.errors import CheckpointError

ORIGINAL_SIZES_PX = (100, 224)
LARGEST_CROP_PX = 1024
UNIT_PIXELS = Normalisation(kind="global", centre=0.0, clip=255.0)
"""The original fed its network with pixels in [0, 1]."""


def import_checkpoint(
    file: str | Path, *, crop_size_px: int | None = None, context_diameters: float = 1.5
) -> Checkpoint:
    """Read ``autoencoder.pth`` with weights only, never running code from it.

    The file's ``encoder`` must be a Sequential of 1-16-32-64-128 convolutions (stride 2, padding
    1, batch normalisation or not) and a linear layer to the latent, inputs of 100 or 224 px. Its
    decoder is left behind.

    Args:
        file: a state dict as written by ``torch.save``.
        crop_size_px: side of the crops it was trained on; None tries 100 and 224.
        context_diameters: side of those crops in crater diameters.

    Raises:
        CheckpointError: the file is damaged, holds more than weights, or another network.
    """
    weights = _encoder_layers(_read(Path(file)), file)
    convolutions = [layer["weight"] for layer in weights if layer["weight"].ndim == 4]
    linear = weights[-1]["weight"]
    shapes = [tuple(weight.shape[:2]) for weight in convolutions]
    if shapes != list(zip(WIDTHS[1:], WIDTHS, strict=False)) or linear.ndim != 2:
        raise CheckpointError(
            f"{file} holds convolutions {shapes}, not the original's 1-16-32-64-128 followed by a "
            "linear layer; only that autoencoder can be imported."
        )
    kernel_px = convolutions[0].shape[-1]
    encoder = OriginalEncoder(
        crop_size_px=_crop_size(linear.shape[1], kernel_px, crop_size_px, file),
        latent_dim=linear.shape[0],
        kernel_px=kernel_px,
        batch_norm=any("running_mean" in layer for layer in weights),
    )
    _copy(weights, encoder, file)
    return Checkpoint(encoder.eval(), UNIT_PIXELS, context_diameters=context_diameters)


def _read(file: Path) -> dict[str, Any]:
    try:
        weights = torch.load(file, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {file}.") from error
    except OSError as error:
        reason = error.strerror or error
        raise CheckpointError(
            f"{file} cannot be read ({reason}); give the file that torch.save wrote."
        ) from error
    except Exception as error:  # what unpickling rubbish raises can be anything
        found = f"{type(error).__name__}: {error}"
        raise CheckpointError(
            f"{file} is damaged or holds more than weights ({found}); save the state dict alone."
        ) from error
    if not isinstance(weights, dict):
        raise CheckpointError(f"{file} holds a {type(weights).__name__}; save the state dict.")
    return weights


def _encoder_layers(weights: dict[str, Any], file: str | Path) -> list[dict[str, Tensor]]:
    """The tensors of each layer of ``encoder`` that has any, in its order."""
    layers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        part, _, rest = str(name).removeprefix("module.").partition(".")
        number, _, tensor_name = rest.partition(".")
        if part == "encoder" and number.isdigit() and "." not in tensor_name:
            _check_tensor(name, tensor, file)
            layers.setdefault(int(number), {})[tensor_name] = tensor
    if not layers:
        raise CheckpointError(f"{file} has no tensors named encoder.N.weight: not an autoencoder.")
    for place, layer in layers.items():
        if "weight" not in layer:
            raise CheckpointError(
                f"{file}: encoder.{place} has no weight, only {', '.join(layer)}; only the "
                "original's autoencoder can be imported."
            )
    return [layers[place] for place in sorted(layers)]


def _check_tensor(name: str, tensor: Any, file: str | Path) -> None:
    if not isinstance(tensor, Tensor):
        raise CheckpointError(
            f"{file}: {name} is of type {type(tensor).__name__}, not a tensor; save the state dict."
        )
    if not tensor.isfinite().all():
        raise CheckpointError(
            f"{file}: {name} holds values that are not finite, so the training had diverged; "
            "import a state from before."
        )


def _crop_size(features: int, kernel_px: int, given: int | None, file: str | Path) -> int:
    """Side of the crops that give so many features; several sizes give the same number."""
    sizes = [
        size
        for size in range(1, LARGEST_CROP_PX + 1)
        if WIDTHS[-1] * max(side_after_convolutions(size, kernel_px), 0) ** 2 == features
    ]
    tried = ORIGINAL_SIZES_PX if given is None else (given,)
    if not sizes:
        raise CheckpointError(
            f"{file}: a linear layer of {features} inputs fits no crop up to {LARGEST_CROP_PX} px; "
            "only the original's autoencoder can be imported."
        )
    for size in tried:
        if size in sizes:
            return size
    likely = next((size for size in ORIGINAL_SIZES_PX if size in sizes), sizes[-1])
    remedy = "give" if given is None else "bring a crop set that preprocess made with"
    raise CheckpointError(
        f"{file} takes crops of {sizes[0]} to {sizes[-1]} px, not of "
        f"{' or '.join(map(str, tried))} px; {remedy} crop_size_px={likely}."
    )


def _copy(weights: list[dict[str, Tensor]], encoder: OriginalEncoder, file: str | Path) -> None:
    layers = [layer for layer in encoder.encoder if layer.state_dict()]
    try:
        for layer, tensors in zip(layers, weights, strict=True):
            layer.load_state_dict(tensors)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{file} does not fit the original autoencoder: {error}.") from error
