"""Embed many crops in batches, in bounded memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lunar_models.config.train import Precision
from lunar_models.encoders.batched import fill_by_batches, prepare_encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.precision import autocast, pick_device
from lunar_models.heads.physical import PhysicalPrediction

Progress = Callable[[int], object]
"""Called with the number of crops just finished."""


def embed_crops(
    checkpoint: Checkpoint,
    crops: npt.NDArray[np.uint8],
    *,
    batch_size: int | None = None,
    device: str = "auto",
    precision: Precision | None = None,
    progress: Progress | None = None,
) -> npt.NDArray[np.float32]:
    """Embed stored (aligned) crops.

    Args:
        checkpoint: the encoder and its normalisation.
        crops: (N, S, S) uint8, may be a memory map; read batch by batch.
        batch_size: crops per forward pass; None: see `overlap.batch_size_for`.
        device: see `pick_device`.
        precision: bf16 is faster where the device has it, and right to two or three digits; auto
            takes it there; None is fp32 on a CPU and auto elsewhere.
        progress: called after each batch.

    Returns:
        (N, D) float32.

    Raises:
        ConfigError: the crops' side is not the encoder's.
    """
    precision = precision or ("fp32" if pick_device(device).type == "cpu" else "auto")
    encoder = prepare_encoder(checkpoint, crops, device, precision)
    embeddings = np.empty((len(crops), encoder.embedding_dim), np.float32)

    def embed(batch: torch.Tensor) -> torch.Tensor:
        with autocast(precision, encoder.device):
            return encoder.embed(batch)

    for count in fill_by_batches(embeddings, embed, checkpoint, encoder, crops, batch_size):
        if progress is not None:
            progress(count)
    return embeddings


def score_crops(
    checkpoint: Checkpoint,
    crops: npt.NDArray[np.uint8],
    *,
    batch_size: int | None = None,
    device: str = "auto",
) -> npt.NDArray[np.float32] | None:
    """The encoder's own degradation score of stored (aligned) crops, where it has one.

    Args:
        checkpoint: the encoder and its normalisation.
        crops: (N, S, S) uint8, may be a memory map; read batch by batch.
        batch_size: crops per forward pass; None: see `overlap.batch_size_for`.
        device: see `pick_device`.

    Returns:
        (N, 2) float32: score in [0, 1] and its standard deviation, see `Encoder.degradation`;
        None from an encoder that only embeds.

    Raises:
        ConfigError: the crops' side is not the encoder's.
    """
    told = _tell(checkpoint, crops, batch_size, device)
    return None if told is None else _scores(told)


def measure_crops(
    checkpoint: Checkpoint,
    crops: npt.NDArray[np.uint8],
    *,
    batch_size: int | None = None,
    device: str = "auto",
) -> PhysicalPrediction | None:
    """Predict K/R² and depth over diameter of stored (aligned) crops; arguments as above.

    Returns:
        of N craters; None from an encoder that has not been taught physical quantities.

    Raises:
        ConfigError: the crops' side is not the encoder's.
    """
    if checkpoint.encoder.residual_table() is None:
        return None
    told = _tell(checkpoint, crops, batch_size, device)
    return None if told is None else _physical(checkpoint, told)


@dataclass(frozen=True)
class CropOutputs:
    """All that an encoder tells of N crops."""

    embeddings: npt.NDArray[np.float32]
    """(N, D)"""
    scores: npt.NDArray[np.float32] | None
    """(N, 2), see `score_crops`."""
    physical: PhysicalPrediction | None
    """See `measure_crops`."""

    def take(self, rows: npt.NDArray[np.integer]) -> "CropOutputs":
        """Return the outputs of some crops."""
        return CropOutputs(
            self.embeddings[rows],
            None if self.scores is None else self.scores[rows],
            None if self.physical is None else self.physical.take(rows),
        )


def compute_outputs(
    checkpoint: Checkpoint, crops: npt.NDArray[np.uint8], *, device: str = "auto"
) -> CropOutputs:
    """Compute in one pass what `embed_crops`, `score_crops` and `measure_crops` give.

    Scores and physical quantities are computed in float32, and so are the embeddings of an
    encoder that tells them.

    Args:
        checkpoint: the encoder and its normalisation.
        crops: (N, S, S) uint8, may be a memory map; read batch by batch.
        device: see `pick_device`.

    Raises:
        ConfigError: the crops' side is not the encoder's.
    """
    told = _tell(checkpoint, crops, None, device)
    if told is None:
        return CropOutputs(embed_crops(checkpoint, crops, device=device), None, None)
    return CropOutputs(told["embedding"], _scores(told), _physical(checkpoint, told))


def _scores(told: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.float32] | None:
    names = ("score", "score_deviation")
    return np.stack([told[name] for name in names], 1) if "score" in told else None


def _physical(
    checkpoint: Checkpoint, told: Mapping[str, npt.NDArray[np.float32]]
) -> PhysicalPrediction | None:
    residuals = checkpoint.encoder.residual_table()
    return None if residuals is None else PhysicalPrediction.of(told["physics"], residuals)


def _tell(
    checkpoint: Checkpoint, crops: npt.NDArray[np.uint8], batch_size: int | None, device: str
) -> dict[str, npt.NDArray[np.float32]] | None:
    """`Encoder.outputs` of all crops, float32; None from an encoder that only embeds."""
    encoder = prepare_encoder(checkpoint, crops, device)
    blank = torch.zeros(1, *crops.shape[1:], dtype=torch.uint8)
    first = encoder.tell(checkpoint.prepare(blank.to(encoder.device)))
    shapes = {name: value.shape[1:] for name, value in first.items()}
    if shapes.keys() == {"embedding"}:
        return None
    columns = np.cumsum([shape.numel() for shape in shapes.values()])
    rows = np.empty((len(crops), columns[-1]), np.float32)

    def compute(batch: torch.Tensor) -> torch.Tensor:
        told = encoder.tell(batch)
        return torch.cat([told[name].reshape(len(batch), -1) for name in shapes], 1)

    for _ in fill_by_batches(rows, compute, checkpoint, encoder, crops, batch_size):
        pass
    parts = zip(shapes.items(), np.split(rows, columns[:-1], axis=1), strict=True)
    return {name: part.reshape(len(rows), *shape) for (name, shape), part in parts}


def reconstruct_crops(
    checkpoint: Checkpoint, crops: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]:
    """Compute the encoder's input of a few stored crops, and its reconstruction of them.

    Args:
        checkpoint: an encoder with a decoder, on any device.
        crops: (N, S, S) uint8, few enough for one batch.

    Returns:
        normalised, reconstructed: (N, S, S) float32 each.
        hidden: (N, S, S), true where the encoder had to guess, equal in each call; None from
            encoders that see whole crops.

    Raises:
        ConfigError: the encoder has no decoder.
    """
    encoder = checkpoint.encoder
    normalised = checkpoint.prepare(torch.from_numpy(np.array(crops)).to(encoder.device))
    reconstructed = encoder.reconstruct(normalised, torch.Generator().manual_seed(0))
    mask = encoder.mask(normalised, torch.Generator().manual_seed(0))
    hidden = None if mask is None else mask[:, 0].cpu().numpy() > 0
    return normalised[:, 0].cpu().numpy(), reconstructed[:, 0].cpu().numpy(), hidden
