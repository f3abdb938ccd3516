"""The big file of a crop set, made in place so that every byte goes to the disk once.

Crops are sampled straight into ``crops.npy``. Afterwards the places of dropped crops are filled
with crops from the end, and piece by piece the crops are mirrored where the Sun stood in the
west. Each step can be interrupted: a copy into a hole can be repeated, and before a piece is
mirrored its bytes are saved beside the file until it is done.

Pieces are read and written with explicit offsets: a memory map would count every page it
touched as resident memory of the process.
"""

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled

PIECE_BYTES = 1 << 24
HEADER_BYTES = 128


@dataclass(frozen=True)
class CropsFile:
    """``crops.npy``: (count, S, S) uint8 after a NumPy header of 128 bytes."""

    path: Path
    crop_size_px: int

    @property
    def crop_bytes(self) -> int:
        """Of one crop."""
        return self.crop_size_px**2

    @property
    def piece_crops(self) -> int:
        """Crops that are mirrored and digested at once."""
        return max(1, PIECE_BYTES // self.crop_bytes)

    def allocate(self, count: int) -> None:
        """Reserve the disk space of `count` crops, unless the file is there.

        Raises:
            OSError: the disk is full.
        """
        if not self.path.exists():
            with open(self.path.with_suffix(".new"), "wb") as file:
                os.posix_fallocate(file.fileno(), 0, HEADER_BYTES + count * self.crop_bytes)
            os.replace(file.name, self.path)

    def read(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """(count, S, S) crops from position `start`."""
        size = self.crop_size_px
        offset = HEADER_BYTES + start * self.crop_bytes
        return np.fromfile(self.path, np.uint8, count * size * size, offset=offset).reshape(
            count, size, size
        )

    def write(self, descriptor: int, start: int, crops: npt.NDArray[np.uint8]) -> None:
        """Write C-contiguous (n, S, S) crops at position `start`; safe from several threads."""
        view, offset = memoryview(crops.data).cast("B"), HEADER_BYTES + start * self.crop_bytes
        while view:
            written = os.pwrite(descriptor, view, offset)
            view, offset = view[written:], offset + written

    def close_holes(self, order: npt.NDArray[np.int64]) -> None:
        """Bring the kept crops to the front: crop r becomes the one at position ``order[r]``.

        Only positions beyond the end are moved (`kept_order`), so their sources stay intact until
        the file is cut, and repeating this does no harm.
        """
        end = HEADER_BYTES + len(order) * self.crop_bytes
        with open(self.path, "r+b") as file:
            if self.path.stat().st_size > end:
                for hole in np.flatnonzero(order != np.arange(len(order))):
                    self.write(file.fileno(), int(hole), self.read(int(order[hole]), 1))
            file.write(_header((len(order), self.crop_size_px, self.crop_size_px)))
            file.truncate(end)


def kept_order(keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """(n,) positions of the n kept crops: as they were, with holes filled from the end."""
    count = int(keep.sum())
    order = np.arange(count)
    order[~keep[:count]] = count + np.flatnonzero(keep[count:])
    return order


def _header(shape: tuple[int, ...]) -> bytes:
    """A NumPy header of version 1.0, padded to `HEADER_BYTES`."""
    description = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    room = HEADER_BYTES - 10
    return (
        b"\x93NUMPY\x01\x00"
        + room.to_bytes(2, "little")
        + (description.ljust(room - 1) + "\n").encode("latin1")
    )


class Digest(NamedTuple):
    """What reading all crops once tells."""

    hexadecimal: str
    """sha256 over the sha256 of each piece of 16 MiB of crops, then the ids."""
    histogram: npt.NDArray[np.int64]
    """(256,) how often each value occurs."""


def align_crops(
    crops: CropsFile, flipped: npt.NDArray[np.bool_], crater_id: Sequence[str], *, workers: int
) -> Digest:
    """Mirror the crops where `flipped` (N,), in place, and digest them.

    A piece that is done leaves its digest beside the file (``00007.done.npy``).
    """
    starts = range(0, len(flipped), crops.piece_crops)
    with open(crops.path, "r+b") as file, ThreadPoolExecutor(workers, "align") as pool:

        def align(start: int) -> npt.NDArray[np.int64]:
            return _align_piece(crops, file.fileno(), start, flipped)

        records = list(pool.map(align, starts))
    total = hashlib.sha256()
    for record in records:
        total.update(record[256:].astype(np.uint8).data)
    total.update("\n".join(crater_id).encode())
    histogram = np.sum([record[:256] for record in records], axis=0)
    return Digest(total.hexdigest(), histogram)


def _align_piece(
    crops: CropsFile, descriptor: int, start: int, flipped: npt.NDArray[np.bool_]
) -> npt.NDArray[np.int64]:
    """Histogram (256) and sha256 (32) of a piece, once it is aligned."""
    number = start // crops.piece_crops
    done = crops.path.with_name(f"{number:05d}.done.npy")
    saved = crops.path.with_name(f"{number:05d}.saved.npy")
    if done.exists():
        record: npt.NDArray[np.int64] = np.load(done, allow_pickle=False)
        return record
    chosen = flipped[start : start + crops.piece_crops]
    interrupted = saved.exists()  # while it was written back
    piece = np.load(saved) if interrupted else crops.read(start, len(chosen))
    if chosen.any():
        save_whole(saved, piece)
        mirror(piece, chosen)
        crops.write(descriptor, start, piece)
    digest = np.frombuffer(hashlib.sha256(piece.data).digest(), np.uint8)
    record = np.concatenate([_histogram(piece.ravel()), digest.astype(np.int64)])
    save_whole(done, record)
    saved.unlink(missing_ok=True)
    return record


def save_whole(path: Path, values: npt.NDArray[Any]) -> None:
    """Save a .npy file so that it is either absent, old, or whole."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb") as file:
        np.save(file, values, allow_pickle=False)
    os.replace(fresh, path)


@compiled()
def mirror(crops: Any, chosen: Any) -> None:
    """Swap left and right of the chosen crops, (N, S, S) and (N,) bool, in place."""
    for n in range(crops.shape[0]):
        if chosen[n]:
            for k in range(crops.shape[1]):
                row = crops[n, k]
                for i in range(row.size // 2):
                    row[i], row[row.size - 1 - i] = row[row.size - 1 - i], row[i]


@compiled()
def _histogram(values: Any) -> Any:
    counts = np.zeros((4, 256), np.int64)  # four, so that equal neighbours do not wait
    for i in range(values.size):
        counts[i & 3, values[i]] += 1
    return counts.sum(axis=0)
