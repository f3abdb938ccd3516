"""Find more craters like a few: fit a probe to marked examples and rank a whole catalogue by it.

Anything can be searched that the embedding shows: rayed craters, flooded floors, doublets. Craters
that are marked as unlike, and the ranking that follows, refine the search.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from lunar_models.arrays import Float64Array, FloatArray, IntArray
from lunar_models.errors import LunarModelsError

MOST_EXAMPLES = 2_000
"""Marked craters of one search."""
_BACKGROUND = 1_000
"""Unmarked craters that stand for the catalogue when the probe is fitted."""
_STRENGTH = 0.3
"""Inverse of the ridge penalty."""
_CHUNK = 65_536


@dataclass(frozen=True)
class Probe:
    """A direction in the embedding: score = embedding · weights + offset."""

    weights: Float64Array
    """(D,) of the embedding as it is."""
    offset: float

    def score(self, embeddings: FloatArray) -> npt.NDArray[np.float32]:
        """Compute the scores of (N, D) embeddings, (N,); above 0 is more like than unlike.

        A memory map is read in parts, so a catalogue need not fit into memory.
        """
        scores = np.empty(len(embeddings), np.float32)
        for start in range(0, len(embeddings), _CHUNK):
            part = np.asarray(embeddings[start : start + _CHUNK], np.float32)
            scores[start : start + len(part)] = part @ self.weights.astype(np.float32) + self.offset
        return scores


@dataclass(frozen=True)
class Background:
    """What is usual in a catalogue: computed once, used by every search."""

    mean: Float64Array
    """(D,)"""
    whitening: Float64Array
    """(D, D): (x - mean) @ whitening has unit covariance, small directions damped."""
    sample: Float64Array
    """(B, D) whitened craters of the catalogue."""

    @classmethod
    def of(cls, embeddings: FloatArray, *, seed: int = 0) -> "Background":
        """Describe a catalogue by at most 20,000 of its (N, D) embeddings."""
        rng = np.random.default_rng(seed)
        rows = np.sort(rng.permutation(len(embeddings))[:20_000])
        chosen = np.asarray(embeddings[rows], np.float64)
        mean = chosen.mean(axis=0)
        values, vectors = np.linalg.eigh(np.cov(chosen, rowvar=False).reshape(len(mean), -1))
        damped = np.maximum(values, 0.0) + 0.02 * max(float(values.mean()), 1e-12)
        whitening = vectors / np.sqrt(damped)
        part = rng.permutation(len(chosen))[:_BACKGROUND]
        return cls(mean, whitening, (chosen[part] - mean) @ whitening)

    def fit(self, positives: FloatArray, negatives: FloatArray) -> Probe:
        """Fit a probe in milliseconds: a ridge-penalised logistic regression.

        A sample of the catalogue counts as unlike, with little weight: most craters are not of a
        rare kind, but some are.

        Args:
            positives: (P, D) embeddings of craters of the kind, P from 1 to `MOST_EXAMPLES`.
            negatives: (Q, D) of craters that are not, Q may be 0.

        Raises:
            LunarModelsError: no positive, or too many examples.
        """
        if not 1 <= len(positives) <= MOST_EXAMPLES or len(negatives) > MOST_EXAMPLES:
            raise LunarModelsError(
                f"A search needs 1 to {MOST_EXAMPLES} positives and at most {MOST_EXAMPLES} "
                f"negatives, not {len(positives)} and {len(negatives)}."
            )
        marked = np.concatenate((positives, negatives)).astype(np.float64)
        features = np.concatenate(((marked - self.mean) @ self.whitening, self.sample))
        like = np.zeros(len(features), np.int64)
        like[: len(positives)] = 1
        weight = np.full(len(features), len(positives) / len(self.sample))
        weight[: len(positives)] = 1.0
        weight[len(positives) : len(marked)] = len(positives) / max(len(negatives), 1)
        model = LogisticRegression(C=_STRENGTH, max_iter=200).fit(features, like, weight)
        weights = self.whitening @ model.coef_[0]
        return Probe(weights, float(model.intercept_[0] - self.mean @ weights))


def ranked(
    scores: FloatArray, without: IntArray, *, page: int = 200
) -> Iterator[npt.NDArray[np.int64]]:
    """Yield rows by falling score, a page at a time; each page is sorted only when it is asked for.

    Args:
        scores: (N,) from `Probe.score`.
        without: (M,) rows to leave out, such as the examples.
        page: rows in a page.
    """
    left = np.ones(len(scores), np.bool_)
    left[without] = False
    rows = np.flatnonzero(left)
    block = page * 64  # the best of a million first, then these in order
    while len(rows):
        if len(rows) > 2 * block:
            order = np.argpartition(-scores[rows], block)
            best, rows = rows[order[:block]], rows[order[block:]]
        else:
            best, rows = rows, rows[:0]
        best = best[np.lexsort((best, -scores[best]))]
        for start in range(0, len(best), page):
            yield best[start : start + page]
