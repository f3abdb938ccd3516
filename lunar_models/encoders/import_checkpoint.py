"""Take over a model of the original pipeline: the PyTorch state dict of its autoencoder."""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.original_cae import WIDTHS, OriginalEncoder, side_after_convolutions
from lunar_models.errors import CheckpointError
from lunar_models.normalisation import Normalisation

ORIGINAL_SIZES_PX = (100, 224)
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


def _read(file: Path) -> dict[str, Tensor]:
    try:
        weights = torch.load(file, weights_only=True, map_location="cpu")
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {file}.") from error
    except (RuntimeError, EOFError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{file} is damaged or holds more than weights ({error}); save the state dict alone."
        ) from error
    if not isinstance(weights, dict):
        raise CheckpointError(f"{file} holds a {type(weights).__name__}; save the state dict.")
    return weights


def _encoder_layers(weights: dict[str, Tensor], file: str | Path) -> list[dict[str, Tensor]]:
    """The tensors of each layer of ``encoder`` that has any, in its order."""
    layers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in weights.items():
        part, _, rest = str(name).removeprefix("module.").partition(".")
        number, _, tensor_name = rest.partition(".")
        if part == "encoder" and number.isdigit() and "." not in tensor_name:
            layers.setdefault(int(number), {})[tensor_name] = tensor
    if not layers:
        raise CheckpointError(f"{file} has no tensors named encoder.N.weight: not an autoencoder.")
    return [layers[number] for number in sorted(layers)]


def _crop_size(features: int, kernel_px: int, given: int | None, file: str | Path) -> int:
    tried = ORIGINAL_SIZES_PX if given is None else (given,)
    for size in tried:
        if WIDTHS[-1] * side_after_convolutions(size, kernel_px) ** 2 == features:
            return size
    raise CheckpointError(
        f"{file}: {features} features do not come from crops of {tried} px; give crop_size_px."
    )


def _copy(weights: list[dict[str, Tensor]], encoder: OriginalEncoder, file: str | Path) -> None:
    layers = [layer for layer in encoder.encoder if layer.state_dict()]
    try:
        for layer, tensors in zip(layers, weights, strict=True):
            layer.load_state_dict(tensors)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{file} does not fit the original autoencoder: {error}.") from error
