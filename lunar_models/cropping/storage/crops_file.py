"""Write ``crops.npy`` in place, so that every byte is written to disk about once.

Crops are sampled into ``crops.npy`` a little behind their final places. When all are there, they
move to the front group by group, and on the way crops are mirrored where the Sun stood in the
west and dropped crops are replaced by crops from the end. A group never overwrites itself, only
the places of the group before it, so an interrupted group can simply be moved again.

Pieces are read and written with explicit offsets: a memory map would count every page it
touched as resident memory of the process.
"""

import os
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled
from lunar_models.cropping.storage.buffers import ThreadBuffer
from lunar_models.cropping.storage.piece_summary import (
    Summary,
    hex_digests,
    summarise,
    summarise_piece,
)
from lunar_models.crops.digests import write_digests
from lunar_models.errors import CropSetError

PIECE_BYTES = 1 << 24
"""Crops are moved and digested in pieces of this size, at least one crop each."""

GROUP_PIECES = 4
HEADER_BYTES = 128

_buffer = ThreadBuffer()


@dataclass(frozen=True)
class CropsFile:
    """``crops.npy``: (S, S) uint8 crops after a NumPy header of 128 bytes."""

    path: Path
    crop_size_px: int

    @property
    def crop_bytes(self) -> int:
        """Of one crop."""
        return self.crop_size_px**2

    @property
    def piece_crops(self) -> int:
        """Crops that are moved and digested at once."""
        return max(1, PIECE_BYTES // self.crop_bytes)

    def allocate(self, count: int) -> None:
        """Reserve the disk space for `count` crops and for moving them, unless it is there.

        Raises:
            OSError: the disk is full.
        """
        if not self.path.exists():
            fresh = self.path.with_suffix(".new")
            with open(fresh, "wb") as file:
                _reserve(file.fileno(), self._raw_offset(count, count))
            os.replace(fresh, self.path)

    def write_raw(
        self,
        descriptor: int,
        positions: npt.NDArray[np.int64],
        crops: npt.NDArray[np.uint8],
        *,
        count: int,
    ) -> None:
        """Write sampled crops (n, S, S) at n positions among `count`; safe from several threads."""
        for run in np.split(np.arange(len(crops)), np.flatnonzero(np.diff(positions) != 1) + 1):
            offset = self._raw_offset(int(positions[run[0]]), count)
            _write_at(descriptor, crops[run[0] : run[-1] + 1], offset)

    def finish(
        self,
        order: npt.NDArray[np.int64],
        flipped: npt.NDArray[np.bool_],
        crater_id: Sequence[str],
        *,
        count: int,
        workers: int,
    ) -> Summary:
        """Bring the crops to their final places, mirrored where needed.

        A group that is done leaves the checksums of its pieces beside the file
        (``00007.group.npy``). In the end the file is read back: the digests are those of the
        bytes in the file, which must be the bytes that were written.

        Args:
            order: (n,) position among the sampled crops of each final crop, `kept_order`.
            flipped: (n,) which final crops are mirrored.
            crater_id: n ids.
            count: of the sampled crops.
            workers: threads.

        Raises:
            CropSetError: the file does not hold what was written to it.
        """
        checksums = []
        step = GROUP_PIECES * self.piece_crops
        with open(self.path, "r+b") as file, ThreadPoolExecutor(workers, "finish") as pool:

            def move(start: int) -> int:
                part = slice(start, min(start + self.piece_crops, len(order)))
                piece = self._gather(file.fileno(), order[part], start, count)
                mirror(piece, flipped[part])
                _write_at(file.fileno(), piece, self._final_offset(start))
                return zlib.crc32(piece.data)

            for start in range(0, len(order), step):
                done = self.path.with_name(f"{start // step:05d}.group.npy")
                if not done.exists():
                    stop = min(start + step, len(order))
                    pieces = pool.map(move, range(start, stop, self.piece_crops))
                    save_whole(done, np.array(list(pieces)))
                checksums.append(_load_group(done))
            file.write(_header((len(order), self.crop_size_px, self.crop_size_px)))
            file.truncate(self._final_offset(len(order)))
            records = self._read_back(pool, np.concatenate(checksums), len(order))
        write_digests(self.path.parent, hex_digests(records), piece_crops=self.piece_crops)
        return summarise(records, crater_id)

    def _read_back(
        self, pool: ThreadPoolExecutor, checksums: npt.NDArray[np.int64], count: int
    ) -> npt.NDArray[np.int64]:
        """(pieces, 288) `summarise_piece` of what the file holds."""

        def check(piece: int) -> npt.NDArray[np.int64]:
            start = piece * self.piece_crops
            crops = self.read(start, min(self.piece_crops, count - start))
            if zlib.crc32(crops.data) != checksums[piece]:
                raise CropSetError(
                    f"{self.path} does not hold what was written to it, around crop {start}: the "
                    f"disk fails, or another program writes there. Delete {self.path.parent} and "
                    "start again."
                )
            return summarise_piece(crops)

        return np.stack(list(pool.map(check, range(len(checksums)))))

    def read(self, start: int, count: int) -> npt.NDArray[np.uint8]:
        """Return (count, S, S) finished crops from position `start`."""
        values = np.fromfile(
            self.path, np.uint8, count * self.crop_bytes, offset=self._final_offset(start)
        )
        return values.reshape(count, self.crop_size_px, self.crop_size_px)

    def _gather(
        self, descriptor: int, order: npt.NDArray[np.int64], start: int, count: int
    ) -> npt.NDArray[np.uint8]:
        """Sampled crops in final order; nearly all of them lie one after the other."""
        piece = _buffer.array(len(order), self.crop_size_px, self.crop_size_px)
        _read_at(descriptor, piece, self._raw_offset(start, count))
        for n in np.flatnonzero(order != start + np.arange(len(order))):
            _read_at(descriptor, piece[n], self._raw_offset(int(order[n]), count))
        return piece

    def _raw_offset(self, position: int, count: int) -> int:
        """Sampled crops start one group (or all crops, if fewer) behind the final ones."""
        behind = min(GROUP_PIECES * self.piece_crops, count)
        return HEADER_BYTES + (behind + position) * self.crop_bytes

    def _final_offset(self, position: int) -> int:
        return HEADER_BYTES + position * self.crop_bytes


def _load_group(file: Path) -> npt.NDArray[np.int64]:
    try:
        checksums: npt.NDArray[np.int64] = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise CropSetError(
            f"{file} is damaged, and the crops it lists have already been moved. Delete "
            f"{file.parent} and start again."
        ) from error
    return checksums


def kept_order(keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return (n,) positions of the n kept crops: as they were, with holes filled from the end."""
    count = int(keep.sum())
    order = np.arange(count)
    order[~keep[:count]] = count + np.flatnonzero(keep[count:])
    return order


def save_whole(path: Path, values: npt.NDArray[Any]) -> None:
    """Save a .npy file so that it is either absent, old, or whole."""
    fresh = path.with_suffix(".new")
    with open(fresh, "wb") as file:
        np.save(file, values, allow_pickle=False)
    os.replace(fresh, path)


def _reserve(descriptor: int, size: int) -> None:
    """Claim disk space where the system can (not on macOS), else make a sparse file."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.truncate(descriptor, size)


def _write_at(descriptor: int, crops: npt.NDArray[np.uint8], offset: int) -> None:
    """Write all bytes of a C-contiguous array."""
    view = memoryview(crops.data).cast("B")
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _read_at(descriptor: int, crops: npt.NDArray[np.uint8], offset: int) -> None:
    """Fill a C-contiguous array, as far as the file goes."""
    view = memoryview(crops.data).cast("B")
    while view and (count := os.preadv(descriptor, [view], offset)):
        view, offset = view[count:], offset + count


def _header(shape: tuple[int, ...]) -> bytes:
    """A NumPy header of version 1.0, padded to `HEADER_BYTES`."""
    description = repr({"descr": "|u1", "fortran_order": False, "shape": shape})
    room = HEADER_BYTES - 10
    text = description.ljust(room - 1) + "\n"
    return b"\x93NUMPY\x01\x00" + room.to_bytes(2, "little") + text.encode("latin1")


@compiled()
def mirror(crops: Any, chosen: Any) -> None:
    """Swap left and right of the chosen crops, (N, S, S) and (N,) bool, in place."""
    for n in range(crops.shape[0]):
        if chosen[n]:
            for k in range(crops.shape[1]):
                row = crops[n, k]
                for i in range(row.size // 2):
                    row[i], row[row.size - 1 - i] = row[row.size - 1 - i], row[i]
