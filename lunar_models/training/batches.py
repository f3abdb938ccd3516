"""Read batches of stored crops from the memory map, ahead of the training in a thread."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lunar_models.encoders.base import CPU
from lunar_models.encoders.overlap import read_pinned, send

Indices = npt.NDArray[np.int64]

AHEAD = 2
"""Batches read before they are asked for; memory holds no more than these."""
RESIDENT_SHARE = 0.25
"""Of the free memory of a GPU that the crops of a training may take."""
_PIECE_BYTES = 2**28


def read_batches(
    crops: npt.NDArray[np.uint8], batches: Iterable[Indices], *, device: torch.device = CPU
) -> Iterator[Tensor]:
    """Read batch after batch.

    Args:
        crops: (N, S, S) uint8, may be a memory map.
        batches: positions of the crops of each batch.
        device: where they will be copied to.

    Yields:
        (B, 1, S, S) uint8, one for each of `batches`.
    """

    def read(batch: Indices) -> Tensor:
        # Ascending: neighbouring reads of the file.
        return read_pinned(crops, np.sort(batch), device)[:, None]

    waiting: deque[Future[Tensor]] = deque()
    with ThreadPoolExecutor(1) as reader:
        for batch in batches:
            waiting.append(reader.submit(read, batch))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def resident(crops: npt.NDArray[np.uint8], device: torch.device) -> Tensor | None:
    """Copy all crops to a GPU if they take at most `RESIDENT_SHARE` of its free memory.

    Returns:
        (N, S, S) uint8 on the device; None where they do not fit, and on other devices.
    """
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if crops.nbytes > RESIDENT_SHARE * free:
        return None
    stored = torch.empty(crops.shape, dtype=torch.uint8, device=device)
    for numbers in np.array_split(np.arange(len(crops)), crops.nbytes // _PIECE_BYTES + 1):
        piece = read_pinned(crops, numbers, device)
        stored[numbers[0] : numbers[-1] + 1].copy_(piece, non_blocking=True)
    return stored


def pick_batches(stored: Tensor, batches: Iterable[Indices]) -> Iterator[Tensor]:
    """Pick from crops that lie on a device what `read_batches` reads from a file."""
    for batch in batches:
        yield stored[send(torch.from_numpy(np.sort(batch)), stored.device), None]


def shuffled_batches(
    indices: Indices, rng: np.random.Generator, *, batch_size: int, rank: int = 0, world: int = 1
) -> Iterator[Indices]:
    """One epoch's training batches of one of `world` processes; what does not fill up is left out.

    All processes must come with equally seeded `rng`: together they take ``batch_size * world``
    crops at a time, each its part of them in ascending order, so that two processes see, row by
    row, what one sees with the doubled batch.
    """
    together = batch_size * world
    shuffled = rng.permutation(indices)
    for start in range(0, len(shuffled) // together * together, together):
        joint = np.sort(shuffled[start : start + together])
        yield joint[rank * batch_size : (rank + 1) * batch_size]


def ordered_batches(
    indices: Indices, *, batch_size: int, rank: int = 0, world: int = 1
) -> Iterator[Indices]:
    """All of `indices` in order, every `world`-th batch of them."""
    for start in range(rank * batch_size, len(indices), batch_size * world):
        yield indices[start : start + batch_size]
