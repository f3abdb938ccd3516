"""Select the craters to label next.

A head is a linear model with as many weights as the embedding has dimensions, and few labels to
fit them. `design` (optimal design of experiments) takes the craters that fix these weights, and
needs no model; `uncertain` and `margin` take those near the thresholds of a model. Figures are in
docs/active_learning.md. Quotas keep the mix of diameters, latitudes, terrain and light of the crop
set: otherwise a later audit of confounds would judge the choice of the labels.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.errors import ConfigError
from lunar_models.labelling.acquisition import (
    covering,
    margins,
    transductive_design,
    typical,
    uncertain,
    weighted_design,
)

Method = Literal["design", "weighted", "typical", "covering", "uncertain", "margin", "random"]
NEED_PROBABILITIES = ("weighted", "uncertain", "margin")
Rows = npt.NDArray[np.int64]


def select(
    embeddings: FloatArray,
    count: int,
    *,
    labelled: IntArray,
    probabilities: FloatArray | None = None,
    strata: IntArray | None = None,
    method: Method = "design",
    n_states: int = 4,
    seed: int = 0,
) -> Rows:
    """Select the rows to label next, the most valuable first.

    Args:
        embeddings: (N, D) finite, of all craters that may be or have been labelled.
        count: rows to select, at most those without a label.
        labelled: (L,) rows with a label.
        probabilities: (N, K) of a head fitted on those labels, for weighted, uncertain and margin.
        strata: (N,) group of each crater (`stratify`), kept in proportion; None: no quotas.
        method: design, from embeddings alone (`transductive_design`); weighted, the same with
            uncertain craters counting more (`weighted_design`); typical (TypiClust);
            covering (ProbCover); uncertain, and unlike each other (BADGE); margin, uncertain
            only; random.
        n_states: states of the scale, for covering.
        seed: of clusters and draws; design has none.

    Returns:
        (count,) int64, without repeats.

    Raises:
        ConfigError: too few craters are left, or there are no probabilities where they are needed.
    """
    quota = _Quota(labelled, strata, count, len(embeddings))
    if probabilities is None and method in NEED_PROBABILITIES:
        raise ConfigError(f"method={method} needs the probabilities of a head; label some first.")
    rng = np.random.default_rng(seed)
    scaled = np.asarray(embeddings, np.float64)
    scaled = (scaled - scaled.mean(axis=0)) / np.maximum(scaled.std(axis=0), 1e-12)
    match method:
        case "design":
            order = transductive_design(scaled, labelled, quota.allowed)
        case "weighted":
            order = weighted_design(scaled, np.asarray(probabilities), labelled, quota.allowed)
        case "typical":
            order = typical(scaled, labelled, count, quota.allowed, seed)
        case "covering":
            order = covering(scaled, labelled, n_states, quota.allowed, seed)
        case "uncertain":
            order = uncertain(scaled, np.asarray(probabilities), quota.allowed, rng)
        case "margin":
            order = iter(np.argsort(margins(np.asarray(probabilities)), kind="stable"))
        case "random":
            order = iter(rng.permutation(len(embeddings)))
    return quota.fill(order)


def stratify(*properties: FloatArray, bins: int = 3) -> Rows:
    """Cut properties at their quantiles and number the combinations that occur.

    Args:
        properties: (N,) each, such as diameter, latitude, brightness of the terrain and incidence
            of the light; NaN is a group of its own.
        bins: groups of equal size for each property; at most so many distinct values are groups.

    Returns:
        (N,) int64.
    """
    codes = np.zeros(len(properties[0]), np.int64)
    for each in properties:
        values = np.asarray(each, np.float64)
        known = values[~np.isnan(values)]
        inner = np.linspace(0, 1, bins + 1)[1:-1]
        distinct = np.unique(known)
        edges = distinct[1:] if len(distinct) <= bins else np.quantile(known, inner)
        group = np.where(np.isnan(values), bins, np.searchsorted(edges, values, side="right"))
        codes = codes * (bins + 1) + group
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


class _Quota:
    """Which craters may still be chosen: those without a label, of groups that are not full.

    Raises:
        ConfigError: too few craters are left.
    """

    def __init__(
        self, labelled: IntArray, strata: IntArray | None, count: int, n_craters: int
    ) -> None:
        self._free = np.ones(n_craters, np.bool_)
        self._free[labelled] = False
        if not 1 <= count <= self._free.sum():
            raise ConfigError(
                f"count={count} is not between 1 and {int(self._free.sum())}, the craters left."
            )
        self._count = count
        self._strata = np.zeros(n_craters, np.int64) if strata is None else np.asarray(strata)
        self._left = _shares(self._strata, labelled, self._free, count)

    def allowed(self) -> npt.NDArray[np.bool_]:
        return self._free & (self._left[self._strata] > 0)

    def fill(self, order: Iterable[int]) -> Rows:
        """Take rows in this order, those of full groups left out."""
        chosen: list[int] = []
        for row in order:
            if self._free[row] and self._left[self._strata[row]] > 0:
                self._free[row] = False
                self._left[self._strata[row]] -= 1
                chosen.append(int(row))
            if len(chosen) == self._count:
                break
        return np.array(chosen, np.int64)


def _shares(
    strata: IntArray, labelled: IntArray, free: npt.NDArray[np.bool_], count: int
) -> npt.NDArray[np.int64]:
    """(G,) craters to take of each group, so that all labels together are in proportion.

    The place goes to the group that lacks most, one after the other; a group gives what it has.
    """
    n_groups = int(strata.max()) + 1
    target = np.bincount(strata, minlength=n_groups) / len(strata) * (len(labelled) + count)
    lacking = target - np.bincount(strata[labelled], minlength=n_groups)
    there = np.bincount(strata[free], minlength=n_groups)
    take = np.zeros(n_groups, np.int64)
    for _ in range(count):
        group = int(np.where(take < there, lacking - take, -np.inf).argmax())
        take[group] += 1
    return take
