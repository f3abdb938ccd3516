"""Embed many crops in batches, in bounded memory."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from lunar_models.config.train import Precision
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import inference_copy
from lunar_models.encoders.overlap import batch_size_for, read_pinned, run_overlapped
from lunar_models.encoders.precision import autocast, compute_dtype, pick_device
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.page_cache import keep_memory

WORTH_PREPARING = 256
"""Crops from which on a faster copy of the encoder pays."""
MOST_WORKERS = 4
"""Batches in memory at once."""

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
    encoder = _prepared(checkpoint, crops, device, precision)
    embeddings = np.empty((len(crops), encoder.embedding_dim), np.float32)

    def embed(batch: torch.Tensor) -> torch.Tensor:
        with autocast(precision, encoder.device):
            return encoder.embed(batch)

    for count in _fill(embeddings, embed, checkpoint, encoder, crops, batch_size):
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
    encoder = _prepared(checkpoint, crops, device)
    blank = torch.zeros(1, *crops.shape[1:], dtype=torch.uint8)
    first = encoder.tell(_normalised(checkpoint, blank, encoder.device))
    shapes = {name: value.shape[1:] for name, value in first.items()}
    if shapes.keys() == {"embedding"}:
        return None
    columns = np.cumsum([shape.numel() for shape in shapes.values()])
    rows = np.empty((len(crops), columns[-1]), np.float32)

    def compute(batch: torch.Tensor) -> torch.Tensor:
        told = encoder.tell(batch)
        return torch.cat([told[name].reshape(len(batch), -1) for name in shapes], 1)

    for _ in _fill(rows, compute, checkpoint, encoder, crops, batch_size):
        pass
    parts = zip(shapes.items(), np.split(rows, columns[:-1], axis=1), strict=True)
    return {name: part.reshape(len(rows), *shape) for (name, shape), part in parts}


def _prepared(
    checkpoint: Checkpoint,
    crops: npt.NDArray[np.uint8],
    device: str,
    precision: Precision = "fp32",
) -> Encoder:
    """The encoder on its device, as a faster copy where there are many crops."""
    side = (checkpoint.stored or checkpoint.geometry).size_px
    if crops.shape[1:] != (side, side):
        raise ConfigError(
            f"The encoder takes crops of {side} px, these have "
            f"{crops.shape[-1]} px; run preprocess with crop_size_px={side}."
        )
    encoder = checkpoint.encoder.to(pick_device(device))
    if len(crops) < WORTH_PREPARING:
        return encoder
    keep_memory()
    return inference_copy(encoder, compute_dtype(precision, encoder.device))


def _fill(
    target: npt.NDArray[np.float32],
    compute: Callable[[torch.Tensor], torch.Tensor],
    checkpoint: Checkpoint,
    encoder: Encoder,
    crops: npt.NDArray[np.uint8],
    batch_size: int | None,
) -> Iterator[int]:
    """Put what `compute` makes of normalised batches into `target`; yield their numbers of crops.

    On a GPU batches are read and fetched while others are computed.
    """
    device = encoder.device
    size = batch_size or batch_size_for(device, encoder.crop_size_px)
    starts = range(0, len(crops), size)

    def store(start: int, result: torch.Tensor) -> None:
        target[start : start + len(result)] = result.numpy()

    def done(start: int) -> int:
        batch = _load(checkpoint, encoder, crops, start, start + size)
        store(start, compute(batch))
        return len(batch)

    if device.type == "cpu":
        yield from _run_on_cpu(done, starts, several=encoder is not checkpoint.encoder)
        return
    yield from run_overlapped(
        lambda start: _read(crops, start, start + size, device),
        lambda stored: compute(_normalised(checkpoint, stored, device)),
        store,
        starts,
    )


def _run_on_cpu(done: Callable[[int], int], starts: range, *, several: bool) -> Iterator[int]:
    """Work on some batches at once, each with its share of the cores.

    A small network's layers are too short to be divided among many. Only of the faster copy
    (`several`), which stays in evaluation mode: the first batch to end switches the original back.
    """
    threads = torch.get_num_threads()
    workers = min(threads, MOST_WORKERS, len(starts)) if several else 1
    if workers < 2:
        yield from map(done, starts)
        return
    try:
        with ThreadPoolExecutor(
            workers, initializer=torch.set_num_threads, initargs=(threads // workers,)
        ) as pool:
            yield from pool.map(done, starts)
    finally:
        torch.set_num_threads(threads)  # else threads to come would begin with a worker's share


def _read(
    crops: npt.NDArray[np.uint8], start: int, stop: int, device: torch.device
) -> torch.Tensor:
    """Some neighbouring crops, as they are stored."""
    return read_pinned(crops, np.arange(start, min(stop, len(crops))), device)


def _normalised(checkpoint: Checkpoint, stored: torch.Tensor, device: torch.device) -> torch.Tensor:
    return checkpoint.prepare(stored.to(device, non_blocking=True))


def _load(
    checkpoint: Checkpoint, encoder: Encoder, crops: npt.NDArray[np.uint8], start: int, stop: int
) -> torch.Tensor:
    """Some neighbouring crops, normalised, on the encoder's device."""
    stored = _read(crops, start, stop, encoder.device)
    return _normalised(checkpoint, stored, encoder.device)


def reconstruct_crops(
    checkpoint: Checkpoint, crops: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.bool_] | None]:
    """What the encoder sees of a few stored crops, and what it makes of them.

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
