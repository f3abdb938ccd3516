"""Resample whole spatial blocks (block bootstrap): neighbouring craters are not independent."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import FloatArray


@dataclass(frozen=True)
class BlockBootstrap:
    """The number of draws of each block in each replicate, the same for every metric and run.

    Cluster bootstrap: Field & Welsh (2007), doi 10.1111/j.1467-9868.2007.00593.x.
    """

    block: npt.NDArray[np.int64]
    """(N,) position of each row's block in 0..B-1."""
    counts: npt.NDArray[np.int64]
    """(1 + R, B), rows sum to B. Row 0 counts every block once: it is the data themselves."""

    @classmethod
    def draw(cls, blocks: npt.NDArray[np.int64], replicates: int, seed: int) -> "BlockBootstrap":
        """Draw B of the B blocks with replacement, `replicates` times; blocks are (N,) ids."""
        ids, block = np.unique(blocks, return_inverse=True)
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(ids), np.full(len(ids), 1.0 / len(ids)), size=replicates)
        return cls(block, np.vstack((np.ones((1, len(ids)), np.int64), drawn)))

    def totals(self, rows: FloatArray) -> FloatArray:
        """Sum what rows contribute, (N, ...), in each replicate: (1 + R, ...)."""
        flat = np.asarray(rows, np.float64).reshape(len(rows), -1)
        sums = np.zeros((self.counts.shape[1], flat.shape[1]))
        np.add.at(sums, self.block, flat)
        return np.asarray((self.counts @ sums).reshape(len(self.counts), *np.shape(rows)[1:]))

    def counts_of(self, codes: npt.NDArray[np.integer[Any]], n_codes: int) -> FloatArray:
        """Count each code 0..n_codes-1 in each replicate: (1 + R, n_codes)."""
        size = self.counts.shape[1] * n_codes
        sums = np.bincount(self.block * n_codes + codes, minlength=size)
        return np.asarray(self.counts @ sums.reshape(-1, n_codes).astype(np.float64))

    def weights(self, replicate: int) -> FloatArray:
        """Return the weight of each row in one replicate, (N,)."""
        return np.asarray(self.counts[replicate][self.block].astype(np.float64))


def percentile_interval(replicates: FloatArray, level: float) -> tuple[float, float]:
    """Compute the lower and upper percentile of (R,) replicates; NaN replicates are left out.

    Args:
        replicates: (R,) values of a metric.
        level: coverage, such as 0.95.
    """
    finite = replicates[np.isfinite(replicates)]
    if finite.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return float(low), float(high)
