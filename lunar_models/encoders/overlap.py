"""Overlap reading, computing and fetching, so that an accelerator never waits."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lunar_models.page_cache import read_crops

_BYTES_PER_PIXEL = 256
"""Of memory that a network needs per pixel of a crop, generously."""
_SHARE = 8
"""A batch may need this part of the free memory."""
_LEAST, _MOST = 64, 4096
_READERS = 3
"""Threads that read batches ahead, each one batch."""


def batch_size_for(device: torch.device, crop_size_px: int) -> int:
    """Choose how many crops are embedded at once: 64 on a CPU, as many as fit on a GPU.

    Args:
        device: where the encoder computes.
        crop_size_px: S.

    Returns:
        A power of two from 64 to 4096.
    """
    if device.type != "cuda":
        return _LEAST
    free, _ = torch.cuda.mem_get_info(device)
    fitting = free // (_SHARE * _BYTES_PER_PIXEL * crop_size_px**2)
    return max(_LEAST, min(_MOST, 1 << max(int(fitting).bit_length() - 1, 0)))


def run_overlapped(
    read: Callable[[int], Tensor],
    compute: Callable[[Tensor], Tensor],
    store: Callable[[int, Tensor], None],
    starts: Sequence[int],
) -> Iterator[int]:
    """Compute batch after batch without waiting for the host in between.

    While the device computes a batch, the next ones are read by threads, and the result of the one
    before is fetched: that waits for this result only, not for the work after it.

    Args:
        read: the stored crops from a position; called in other threads.
        compute: what to make of them, on the device; must not wait for it.
        store: takes a position and its result, on the CPU.
        starts: positions of the batches.

    Yields:
        The number of crops of each batch, once it is stored.
    """
    ahead: deque[Future[Tensor]] = deque()
    behind: deque[tuple[int, Callable[[], Tensor]]] = deque()

    def finish() -> int:
        start, wait = behind.popleft()
        store(start, result := wait())
        return len(result)

    with ThreadPoolExecutor(_READERS, "read") as readers:
        for start in islice(starts, _READERS):
            ahead.append(readers.submit(read, start))
        for n, start in enumerate(starts):
            stored = ahead.popleft().result()
            if n + _READERS < len(starts):
                ahead.append(readers.submit(read, starts[n + _READERS]))
            behind.append((start, _fetched(compute(stored))))
            if len(behind) > 1:
                yield finish()
    while behind:
        yield finish()


def _fetched(values: Tensor) -> Callable[[], Tensor]:
    """Begin to copy values to the CPU; the function returned waits for them."""
    if values.device.type != "cuda":
        return values.cpu
    fetched = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    fetched.copy_(values, non_blocking=True)
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record()

    def wait() -> Tensor:
        done.synchronize()
        return fetched

    return wait


def read_pinned(
    crops: npt.NDArray[np.uint8], positions: npt.NDArray[np.int64], device: torch.device
) -> Tensor:
    """Read crops as `read_crops` does, into memory from which a copy to `device` need not wait.

    Returns:
        (B, S, S) uint8 on the CPU.
    """
    if device.type != "cuda":
        return torch.from_numpy(read_crops(crops, positions))
    values = torch.empty((len(positions), *crops.shape[1:]), dtype=torch.uint8, pin_memory=True)
    read_crops(crops, positions, values.numpy())
    return values


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """Return values in memory from which a copy to `device` need not wait."""
    on_host = values.device.type == "cpu"
    return values.pin_memory() if device.type == "cuda" and on_host else values


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy values to `device` without waiting for the work that it has."""
    return pinned(values, device).to(device, non_blocking=True)
