"""Summarise crops piece by piece: digest and histogram, in one reading."""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lunar_models.compiled import compiled

_THIN_SIDE_PX = 32


class Summary(NamedTuple):
    """What reading all crops once tells."""

    digest: str
    """sha256 over the sha256 of each piece of crops, then the ids."""
    histogram: npt.NDArray[np.int64]
    """(256,) how often each value occurs (in large crops, among evenly spread pixels)."""


def summarise_piece(piece: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Summarise a piece as (288,): histogram (256) and sha256 (32)."""
    digest = np.frombuffer(hashlib.sha256(piece.data).digest(), np.uint8)
    thin = max(1, piece.shape[1] // _THIN_SIDE_PX)
    return np.concatenate([_histogram(piece[:, ::thin, ::thin]), digest.astype(np.int64)])


def summarise(records: npt.NDArray[np.int64], crater_id: Sequence[str]) -> Summary:
    """Join (n, 288) records of pieces, and the ids of all crops."""
    total = hashlib.sha256(records[:, 256:].astype(np.uint8).tobytes())
    total.update("\n".join(crater_id).encode())
    return Summary(total.hexdigest(), records[:, :256].sum(axis=0))


def hex_digests(records: npt.NDArray[np.int64]) -> list[str]:
    """Return the sha256 in each of (n, 288) records, hexadecimal."""
    return [record[256:].astype(np.uint8).tobytes().hex() for record in records]


@compiled()
def _histogram(crops: Any) -> Any:
    counts = np.zeros((4, 256), np.int64)  # four, so that equal neighbours do not wait
    for n in range(crops.shape[0]):
        for k in range(crops.shape[1]):
            for i in range(crops.shape[2]):
                counts[i & 3, crops[n, k, i]] += 1
    return counts.sum(axis=0)
