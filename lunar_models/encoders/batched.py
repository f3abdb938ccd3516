"""Read and normalise crops and pass them to an encoder, batch by batch, in bounded memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from lunar_models.config.train import Precision
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.encoders.inference import inference_copy
from lunar_models.encoders.overlap import batch_size_for, read_pinned, run_overlapped
from lunar_models.encoders.precision import compute_dtype, pick_device
from lunar_models.errors import ConfigError
from lunar_models.page_cache import keep_memory

WORTH_PREPARING = 256
"""Crops from which on a faster copy of the encoder pays."""
MOST_WORKERS = 4
"""Batches in memory at once."""


def prepare_encoder(
    checkpoint: Checkpoint,
    crops: npt.NDArray[np.uint8],
    device: str,
    precision: Precision = "fp32",
) -> Encoder:
    """Prepare a checkpoint's encoder for crops: on its device, as a faster copy for many.

    Args:
        checkpoint: the encoder and the side of the crops that it takes.
        crops: (N, S, S) uint8.
        device: see `pick_device`.
        precision: what a faster copy computes in.

    Raises:
        ConfigError: the crops' side is not the encoder's.
    """
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


def fill_by_batches(
    target: npt.NDArray[np.float32],
    compute: Callable[[torch.Tensor], torch.Tensor],
    checkpoint: Checkpoint,
    encoder: Encoder,
    crops: npt.NDArray[np.uint8],
    batch_size: int | None,
) -> Iterator[int]:
    """Fill rows with what is computed of normalised batches; yield their numbers of crops.

    On a GPU batches are read and fetched while others are computed.

    Args:
        target: (N, D), filled as the generator is used up.
        compute: (B, 1, S, S) normalised crops on the encoder's device to (B, D).
        checkpoint: normalises the crops.
        encoder: of `prepare_encoder`.
        crops: (N, S, S) uint8, may be a memory map; read batch by batch.
        batch_size: B; None: see `overlap.batch_size_for`.
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
