"""Bound the memory of long computations: reuse freed memory, and unmap crops that were read."""

import ctypes
import mmap
import os
import sys

import numpy as np
import numpy.typing as npt

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of glibc's <malloc.h>
_LARGEST = 2**30
_LARGEST_BEFORE_2_35 = 2**25
"""Older versions of glibc refuse a larger threshold for mapping."""


def keep_memory() -> bool:
    """Let this process use freed memory again instead of giving it back to the system.

    Each step needs the same buffers; fresh ones come page by page and cleared, which costs a
    small network up to a third of its time. Does nothing where the C library is not glibc.

    Returns:
        Whether it took effect.
    """
    if sys.platform != "linux" or not hasattr(library := ctypes.CDLL(None), "mallopt"):
        return False
    # Where neither is accepted the other threshold must stay, or glibc would stop adapting.
    mapping = (library.mallopt(_MMAP_THRESHOLD, n) for n in (_LARGEST, _LARGEST_BEFORE_2_35))
    return any(mapping) and bool(library.mallopt(_TRIM_THRESHOLD, _LARGEST))


def give_memory_back() -> bool:
    """Give freed memory back to the system, also that which `keep_memory` lets the process keep.

    For the end of a long piece of work: what it needed is not what the next needs. Does nothing
    where the C library is not glibc.

    Returns:
        Whether any was given back.
    """
    if sys.platform != "linux" or not hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        return False
    return bool(library.malloc_trim(0))


def read_crops(
    crops: npt.NDArray[np.uint8],
    positions: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Copy some crops out of an array, or of the file behind a memory map.

    Pages touched through a map count as the process's own until the system takes them back, so
    that it would seem to grow with the crop set.

    Args:
        crops: (N, S, S) uint8; may be a memory map, C-contiguous.
        positions: (B,) in [0, N).
        out: (B, S, S) uint8, C-contiguous, to read into; None for a new array.

    Returns:
        (B, S, S) uint8, `out` if it was given.
    """
    values = np.empty((len(positions), *crops.shape[1:]), np.uint8) if out is None else out
    # A part of a map does not know its own offset.
    if not (isinstance(crops, np.memmap) and isinstance(crops.base, mmap.mmap)):
        return np.take(crops, positions, axis=0, out=values)
    runs = np.split(np.arange(len(values)), np.flatnonzero(np.diff(positions) != 1) + 1)
    with open(crops.filename, "rb", buffering=0) as file:
        for run in filter(len, runs):
            part, first = values[run[0] : run[-1] + 1], int(positions[run[0]])
            size = part.nbytes // len(run)
            read = os.preadv(file.fileno(), [part.data], crops.offset + first * size)
            if read != part.nbytes:
                raise OSError(f"{crops.filename} ends before crop {first + read // size}.")
    return values
