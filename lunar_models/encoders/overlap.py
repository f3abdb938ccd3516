"""Overlap reading, computing and fetching, so that an accelerator never waits."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

_BYTES_PER_PIXEL = 256
"""Of memory that a network needs per pixel of a crop, generously."""
_SHARE = 8
"""A batch may need this part of the free memory."""
_LEAST, _MOST = 64, 4096


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

    While the device computes a batch, the next one is read by a thread, and the result of the one
    before is fetched: that waits for a batch that is over or nearly so.

    Args:
        read: the stored crops from a position; called in another thread.
        compute: what to make of them, on the device; must not wait for it.
        store: takes a position and its result, on the CPU.
        starts: positions of the batches.

    Yields:
        The number of crops of each batch, once it is stored.
    """
    behind: tuple[int, Tensor] | None = None
    with ThreadPoolExecutor(1, "read") as reader:
        ahead = reader.submit(read, starts[0]) if starts else None
        for n, start in enumerate(starts):
            assert ahead is not None
            stored = ahead.result()
            ahead = reader.submit(read, starts[n + 1]) if n + 1 < len(starts) else None
            result = compute(stored)
            if behind is not None:
                store(behind[0], behind[1].cpu())
                yield len(behind[1])
            behind = (start, result)
    if behind is not None:
        store(behind[0], behind[1].cpu())
        yield len(behind[1])


def pinned(values: Tensor, device: torch.device) -> Tensor:
    """Return values in memory from which a copy to `device` need not wait."""
    on_host = values.device.type == "cpu"
    return values.pin_memory() if device.type == "cuda" and on_host else values


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy values to `device` without waiting for the work that it has."""
    return pinned(values, device).to(device, non_blocking=True)
