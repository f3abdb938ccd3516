"""The big file of a crop set, written and read in pieces so that memory stays bounded.

A memory map would count every page it touched as resident memory of the process.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.compiled import compiled
from lunar_models.crops import CROPS_FILE
from lunar_models.workfolder import Segment, WorkFolder, write_at

_PIECE_BYTES = 1 << 24


@dataclass(frozen=True)
class CropsFile:
    """``crops.npy``: (count, S, S) uint8 after a NumPy header."""

    path: Path
    count: int
    crop_size_px: int

    @property
    def piece(self) -> int:
        """Crops that are read or written at once."""
        return max(1, _PIECE_BYTES // self.crop_size_px**2)

    @property
    def data_start(self) -> int:
        """Bytes of the header."""
        return self.path.stat().st_size - self.count * self.crop_size_px**2

    def create(self) -> None:
        """Allocate the file, unless it is there; a full disk shows here.

        Raises:
            OSError: the disk is full.
        """
        shape = (self.count, self.crop_size_px, self.crop_size_px)
        if not self.path.exists():
            np.lib.format.open_memmap(self.path, "w+", np.uint8, shape)
        with open(self.path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, self.path.stat().st_size)

    def read(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """(count, S, S) crops from position `start`."""
        size = self.crop_size_px
        offset = self.data_start + start * size * size
        crops = np.fromfile(self.path, np.uint8, count * size * size, offset=offset)
        return crops.reshape(count, size, size)


def move_crops(
    work: WorkFolder,
    segments: Sequence[Segment],
    *,
    keep: npt.NDArray[np.bool_],
    flipped: npt.NDArray[np.bool_],
    workers: int,
) -> CropsFile:
    """Move the kept crops of all segments, mirrored where `flipped`, to their final file.

    Args:
        work: all segments in it are sampled; those whose crops are gone were moved before.
        segments: in order.
        keep: (N,) over all segments.
        flipped: (N,).
        workers: threads.
    """
    crops = CropsFile(work.path / CROPS_FILE, int(keep.sum()), work.crop_size_px)
    crops.create()
    place = np.concatenate([[0], np.cumsum(keep)])

    with open(crops.path, "r+b") as file, ThreadPoolExecutor(workers, "assemble") as pool:

        def move(segment: Segment) -> None:
            source = work.crops_file(segment)
            if source.exists():
                _move_segment(source, segment, keep, flipped, crops, file.fileno(), place)
                source.unlink()

        for _ in pool.map(move, segments):
            pass
        os.fsync(file.fileno())
    return crops


def _move_segment(
    source: Path,
    segment: Segment,
    keep: npt.NDArray[np.bool_],
    flipped: npt.NDArray[np.bool_],
    crops: CropsFile,
    descriptor: int,
    place: npt.NDArray[np.int64],
) -> None:
    size = crops.crop_size_px
    with open(source, "rb") as file:
        for start in range(segment.start, segment.stop, crops.piece):
            part = slice(start, min(start + crops.piece, segment.stop))
            count = part.stop - part.start
            piece = np.fromfile(file, np.uint8, count * size * size).reshape(count, size, size)
            mirror(piece, flipped[part])
            offset = crops.data_start + int(place[start]) * size * size
            write_at(descriptor, piece if keep[part].all() else piece[keep[part]], offset)


@compiled()
def mirror(crops: Any, chosen: Any) -> None:
    """Swap left and right of the chosen crops, (N, S, S) and (N,) bool, in place."""
    for n in range(crops.shape[0]):
        if chosen[n]:
            for k in range(crops.shape[1]):
                row = crops[n, k]
                for i in range(row.size // 2):
                    row[i], row[row.size - 1 - i] = row[row.size - 1 - i], row[i]


def digest_crops(
    crops: CropsFile, crater_id: "pd.Series[str]", *, workers: int
) -> tuple[str, npt.NDArray[np.int64]]:
    """Read all crops once more.

    Returns:
        sha256 over the sha256 of each piece of 16 MiB of crops, then the ids; and how often each
        of the 256 values occurs.
    """

    def digest_piece(start: int) -> tuple[bytes, npt.NDArray[np.int64]]:
        piece = crops.read(start, min(crops.piece, crops.count - start))
        return hashlib.sha256(piece.data).digest(), _histogram(piece.ravel())

    total = hashlib.sha256()
    histogram = np.zeros(256, np.int64)
    with ThreadPoolExecutor(workers, "digest") as pool:
        for digest, counts in pool.map(digest_piece, range(0, crops.count, crops.piece)):
            total.update(digest)
            histogram += counts
    total.update("\n".join(crater_id).encode())
    return total.hexdigest(), histogram


@compiled()
def _histogram(values: Any) -> Any:
    counts = np.zeros((4, 256), np.int64)  # four, so that equal neighbours do not wait
    for i in range(values.size):
        counts[i & 3, values[i]] += 1
    return counts.sum(axis=0)
