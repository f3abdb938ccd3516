"""Import a model of the original pipeline: the PyTorch state dict of its autoencoder."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lunar_models.crops.normalisation import Normalisation
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.families.original_cae import OriginalEncoder, side_after_convolutions
from lunar_models.errors import CheckpointError

ORIGINAL_SIZES_PX = (100, 224)
LARGEST_CROP_PX = 1024
UNIT_PIXELS = Normalisation(kind="global", centre=0.0, clip=255.0)
"""The original fed its network with pixels in [0, 1]."""


def import_checkpoint(
    file: str | Path, *, crop_size_px: int | None = None, context_diameters: float = 1.5
) -> Checkpoint:
    """Read ``autoencoder.pth`` with weights only, never running code from it.

    The file's ``encoder`` must be a Sequential of stride-2 convolutions of one kernel size, each
    with batch normalisation or all without, rectifiers, and one linear layer to the latent, such
    as the original's 1-16-32-64-128 or 1-16-32. Channels, kernel and latent follow from the
    weights; the padding is 1, or else what fits the crops. A state dict does not name its
    rectifiers: the original's ReLU is taken. The decoder is left behind.

    Args:
        file: a state dict as written by ``torch.save``.
        crop_size_px: side of the crops it was trained on; None tries 100 and 224.
        context_diameters: side of those crops in crater diameters.

    Raises:
        CheckpointError: the file is damaged, holds more than weights, or another network.
    """
    numbered = _encoder_layers(_read(Path(file)), file)
    weights = [layer for _, layer in numbered]
    convolutions = [layer["weight"] for layer in weights if layer["weight"].ndim == 4]
    linear, batch_norm = weights[-1]["weight"], any("running_mean" in layer for layer in weights)
    widths = [weight.shape[0] for weight in convolutions]
    if not _is_original([w.shape for w in convolutions], linear, numbered, batch_norm):
        layers = ", ".join(f"{place}: {tuple(layer['weight'].shape)}" for place, layer in numbered)
        raise CheckpointError(
            f"{file} holds the layers {layers}, not stride-2 convolutions of one channel with "
            "rectifiers and one linear layer, such as the original's 1-16-32-64-128 or 1-16-32; "
            "only such an autoencoder can be imported."
        )
    kernel_px = int(convolutions[0].shape[-1])
    size, padding = _crop_size(linear.shape[1] / widths[-1], kernel_px, widths, crop_size_px, file)
    encoder = OriginalEncoder(
        crop_size_px=size,
        latent_dim=linear.shape[0],
        kernel_px=kernel_px,
        batch_norm=batch_norm,
        widths=widths,
        padding_px=padding,
    )
    _copy(weights, encoder, file)
    return Checkpoint(encoder.eval(), UNIT_PIXELS, context_diameters=context_diameters)


def _is_original(
    shapes: list[torch.Size],
    linear: Tensor,
    numbered: list[tuple[int, dict[str, Tensor]]],
    batch_norm: bool,
) -> bool:
    """Channels follow one another, kernels are square and equal, and no layer lies in between."""
    channels = [1, *(shape[0] for shape in shapes)]
    kernels = {tuple(shape[2:]) for shape in shapes}
    chained = [shape[1] for shape in shapes] == channels[:-1]
    square = len(kernels) == 1 and len(set(next(iter(kernels)))) == 1
    step = 3 if batch_norm else 2  # convolution, normalisation, rectifier
    places = [n * step + k for n in range(len(shapes)) for k in range(step - 1)]
    places.append(len(shapes) * step + 1)  # after the flattening
    return chained and square and linear.ndim == 2 and [n for n, _ in numbered] == places


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


def _encoder_layers(
    weights: dict[str, Any], file: str | Path
) -> list[tuple[int, dict[str, Tensor]]]:
    """Place and tensors of each layer of ``encoder`` that has any, in its order."""
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
    return sorted(layers.items())


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


def _crop_size(
    positions: float, kernel_px: int, widths: list[int], given: int | None, file: str | Path
) -> tuple[int, int]:
    """Side of the crops that give so many positions, and the padding with which they do."""
    fitting = {
        padding: [
            size
            for size in range(1, LARGEST_CROP_PX + 1)
            if side_after_convolutions(size, kernel_px, padding, len(widths)) ** 2 == positions
        ]
        for padding in dict.fromkeys((1, (kernel_px - 1) // 2, 0))
    }
    for size in ORIGINAL_SIZES_PX if given is None else (given,):
        for padding, sizes in fitting.items():
            if size in sizes:
                return size, padding
    sizes = next((found for found in fitting.values() if found), [])
    if not sizes:
        raise CheckpointError(
            f"{file}: a linear layer of {positions * widths[-1]:g} inputs fits no crop up to "
            f"{LARGEST_CROP_PX} px; only the original's autoencoder can be imported."
        )
    tried = ORIGINAL_SIZES_PX if given is None else (given,)
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
