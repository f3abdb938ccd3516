"""Write and check digests of the pieces of ``crops.npy``, which reveal changed bytes."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lunar_models.errors import CropSetError

DIGESTS_FILE = "digests.json"
CHECKED_PIECES = 8
"""Pieces that are compared when a crop set is opened for work."""


def write_digests(folder: Path, digests: Sequence[str], *, piece_crops: int) -> None:
    """Write `DIGESTS_FILE`.

    Args:
        folder: of the crop set.
        digests: sha256 of each piece, hexadecimal.
        piece_crops: crops of a piece; the last one may have fewer.
    """
    text = json.dumps({"piece_crops": piece_crops, "sha256": list(digests)}, indent=0)
    (folder / DIGESTS_FILE).write_text(text)


def check_digests(file: Path, crops: Any, *, pieces: int | None = CHECKED_PIECES) -> None:
    """Compare the crops in a file with the digests beside it.

    Args:
        file: ``crops.npy``; a crop set of an earlier version has no digests and passes.
        crops: (N, S, S) uint8, memory map of `file`.
        pieces: how many pieces of up to 16 MiB to read, drawn at random; None for all.

    Raises:
        CropSetError: bytes have changed since the digests were taken.
    """
    digests = file.with_name(DIGESTS_FILE)
    if not digests.is_file():
        return
    try:
        recorded = json.loads(digests.read_text())
        expected, step = list(recorded["sha256"]), int(recorded["piece_crops"])
        whole = len(expected) == -(-len(crops) // step)
    except (ValueError, KeyError, TypeError, ZeroDivisionError):
        whole = False
    if not whole:
        raise damaged(digests, "it is not what was written")
    count = len(expected) if pieces is None else min(pieces, len(expected))
    bytes_each = crops[0].nbytes
    # Unseeded: what one run does not see, another one may.
    for k in np.sort(np.random.default_rng().permutation(len(expected))[:count]):
        start, stop = int(k) * step, min((int(k) + 1) * step, len(crops))
        # Read, not mapped: mapped pages would count as memory of the process.
        found = np.fromfile(
            file, np.uint8, (stop - start) * bytes_each, offset=crops.offset + start * bytes_each
        )
        if hashlib.sha256(found.data).hexdigest() != expected[k]:
            raise damaged(file, f"crops {start} to {stop - 1} have changed since it was made")


def damaged(file: Path, what: str) -> CropSetError:
    """Return an error that names a file of a crop set, what is wrong with it, and the remedy."""
    return CropSetError(
        f"{file} is damaged: {what}. Delete {file.parent} and run preprocess again."
    )
