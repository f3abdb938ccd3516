"""Compute how many labels are enough, for each state and together: a learning curve.

Labels are drawn at random from the craters outside a spatial fold, and the fold is predicted. The
intervals hold both the chance of the draw and that of the terrain (bootstrap by block).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.evaluation.bootstrap import BlockBootstrap, percentile_interval
from lunar_models.evaluation.metrics import quadratic_weighted_kappa
from lunar_models.evaluation.probes import lda_probe

TOGETHER = "all states"
"""Name of the rows of the quadratic-weighted kappa."""
SIZES = (25, 50, 100, 200, 400, 800, 1600, 3200)
"""Numbers of labels, each twice the one before."""
TOLERANCE = 0.02
"""What a further doubling of the labels may still bring when they are called enough."""


@dataclass(frozen=True)
class LabelCurve:
    """Quality against the number of labels."""

    curve: pd.DataFrame
    """state, labels, of_state (labels of that state among them, mean), metric (f1 of a state, qwk
    of `TOGETHER`), value, low, high."""
    enough: pd.DataFrame
    """Columns state, labels, of_state, gain, low, high.

    The fewest labels whose doubling gains less than `TOLERANCE`, with the interval of that gain;
    labels is missing where the curve still climbs.
    """


def label_curve(
    embeddings: FloatArray,
    ranks: IntArray,
    folds: IntArray,
    blocks: npt.NDArray[np.int64],
    states: Sequence[str],
    *,
    draws: int = 10,
    replicates: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> LabelCurve:
    """Fit shrinkage LDA to growing numbers of labels.

    Args:
        embeddings: (N, D).
        ranks: (N,) states 0..K-1, all of them present.
        folds: (N,) spatial folds.
        blocks: (N,) spatial blocks, each within one fold.
        states: K names.
        draws: random draws of the labels for each size.
        replicates: bootstrap replicates by block for each draw.
        level: coverage of the intervals.
        seed: of draws and bootstrap.
    """
    available = min(int((folds != fold).sum()) for fold in np.unique(folds))
    sizes = [*(size for size in SIZES if size < 0.95 * available), available]
    bootstrap = BlockBootstrap.draw(blocks, replicates, seed)
    n_states = len(states)
    samples, shares = {}, np.bincount(ranks, minlength=n_states) / len(ranks)
    for size in sizes:
        totals = []
        for draw in range(draws):
            rng = np.random.default_rng([seed, draw])  # larger draws hold the smaller ones
            predicted = _predict(embeddings, ranks, folds, size, rng)
            cells = bootstrap.counts_of(ranks * n_states + predicted, n_states**2)
            totals.append(cells.reshape(-1, n_states, n_states))
        samples[size] = _scores(np.stack(totals, axis=1))  # (1 + R, draws, K + 1)
    curve = pd.DataFrame(
        [row for size in sizes for row in _rows(size, samples[size], states, shares, level)],
        columns=["state", "labels", "of_state", "metric", "value", "low", "high"],
    )
    return LabelCurve(curve, _enough(samples, states, shares, level))


def _predict(
    embeddings: FloatArray,
    ranks: IntArray,
    folds: IntArray,
    size: int,
    rng: np.random.Generator,
) -> IntArray:
    """(N,) ranks, each from `size` labels outside its fold."""
    predicted = np.empty(len(ranks), np.int64)
    for fold in np.unique(folds):
        train = rng.permutation(np.flatnonzero(folds != fold))[:size]
        if len(np.unique(ranks[train])) == 1:  # all that so few labels can say
            predicted[folds == fold] = ranks[train][0]
        else:
            probe = lda_probe().fit(embeddings[train], ranks[train])
            predicted[folds == fold] = probe.predict(embeddings[folds == fold])
    return predicted


def _scores(confusion: FloatArray) -> FloatArray:
    """(..., K, K) -> (..., K + 1): F1 of each state, and the kappa of all."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    f1 = 2 * hits / np.maximum(confusion.sum(-1) + confusion.sum(-2), 1e-12)
    return np.concatenate((f1, quadratic_weighted_kappa(confusion)[..., None]), axis=-1)


def _rows(
    size: int, sample: FloatArray, states: Sequence[str], shares: FloatArray, level: float
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for k, name in enumerate((*states, TOGETHER)):
        low, high = percentile_interval(sample[1:, :, k].ravel(), level)
        of_state = size * (shares[k] if k < len(states) else 1.0)
        metric = "f1" if k < len(states) else "qwk"
        rows.append((name, size, of_state, metric, np.nanmean(sample[0, :, k]), low, high))
    return rows


def _enough(
    samples: dict[int, FloatArray], states: Sequence[str], shares: FloatArray, level: float
) -> pd.DataFrame:
    """The first size from which on no doubling gains more than the tolerance.

    Gains are paired: the same craters and blocks are in both sizes, and the draws are averaged.
    """
    doubled = [(size, 2 * size) for size in samples if 2 * size in samples]
    rows = []
    for k, name in enumerate((*states, TOGETHER)):
        share = shares[k] if k < len(states) else 1.0
        found: tuple[float, ...] = (np.nan,) * 5
        for small, large in reversed(doubled):
            gains = np.nanmean(samples[large][..., k] - samples[small][..., k], axis=1)
            still_climbs = gains[0] >= TOLERANCE
            if still_climbs and large != doubled[-1][1]:
                break  # what is found is the answer
            labels = np.nan if still_climbs else float(small)
            interval = percentile_interval(gains[1:], level)
            found = (labels, labels * share, float(gains[0]), *interval)
            if still_climbs:
                break
        rows.append((name, *found))
    return pd.DataFrame(rows, columns=["state", "labels", "of_state", "gain", "low", "high"])
