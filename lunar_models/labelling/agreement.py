"""Compute how well people agree with each other, and with themselves.

Only blind answers count: votes given after a guess or another's label was seen, adjudications and
training examples say nothing about how reproducible a label is. A blind answer counts even where
its author changed it after such a look. Craters are resampled, not
votes: all votes on one crater share its difficulty.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.errors import LabelsError
from lunar_models.evaluation.bootstrap import BlockBootstrap, percentile_interval
from lunar_models.evaluation.metrics import quadratic_weighted_kappa
from lunar_models.labelling.scheme import CANNOT_TELL, NOT_A_CRATER
from lunar_models.labelling.votes import BLIND_KINDS, is_blind

ALL_PAIRS = "all pairs (pooled, Scott-like)"
"""Name of the row that pools every pair of labellers, where there are several.

Nobody comes first in it, so both people share the marginal distribution that chance is judged by,
as in Scott's pi (1955, doi 10.1086/266577); the pairs' own rows are Cohen's.
"""

_FEWEST = 2
"""Craters below which there is no interval."""
_COLUMNS = ["first", "second", "craters", "same", "within_one", "qwk", "low", "high"]


@dataclass(frozen=True)
class Agreement:
    """How often two answers to the same crater are the same."""

    pairs: pd.DataFrame
    """first, second (labellers), craters, same and within_one (shares), qwk, low, high; where there
    are several pairs, the pooled row `ALL_PAIRS` last. In it a crater with three labellers counts
    as three pairs."""
    selves: pd.DataFrame
    """The same columns; `first` and `second` name the same person, who saw the crater twice."""
    confusion: dict[tuple[str, str], pd.DataFrame]
    """(first, second) -> (K, K) counts, rows the first labeller's state."""
    labellers: pd.DataFrame
    """labeller, votes, craters, each state's share, no_state: share of answers that name none."""


def measure_agreement(
    votes: pd.DataFrame,
    states: Sequence[str],
    *,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Agreement:
    """Compute quadratic-weighted kappa between labellers and of each with themselves.

    Args:
        votes: `votes_that_count`: crater_id, labeller, value, kind, and blind where the store
            told it.
        states: names, freshest first.
        replicates: bootstrap replicates by crater.
        level: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        LabelsError: a value is neither a state nor a known answer without one.
    """
    ranked = rank_votes(votes, states)
    first = first_answers(ranked)
    judge = _Judge(tuple(states), replicates, level, seed)
    between = list(_pairs_of_labellers(first))
    rows = [judge.row(a, b, pair) for a, b, pair in between]
    if len(rows) > 1:
        pooled = pd.concat([pair for _, _, pair in between], ignore_index=True)
        rows.append(judge.row(ALL_PAIRS, ALL_PAIRS, pooled, symmetric=True))
    own = [judge.row(name, name, pair) for name, pair in _pairs_with_self(ranked, first)]
    return Agreement(
        pd.DataFrame(rows, columns=_COLUMNS),
        pd.DataFrame(own, columns=_COLUMNS),
        {(a, b): judge.confusion(pair) for a, b, pair in between},
        _labeller_table(ranked, states),
    )


def rank_votes(votes: pd.DataFrame, states: Sequence[str]) -> pd.DataFrame:
    """Add `rank`, 0 the freshest and -1 for an answer that names no state.

    Raises:
        LabelsError: a value is neither a state nor `CANNOT_TELL` or `NOT_A_CRATER`.
    """
    codes = {name: rank for rank, name in enumerate(states)} | {CANNOT_TELL: -1, NOT_A_CRATER: -1}
    rank = votes["value"].map(codes)
    if rank.isna().any():
        row = votes[rank.isna()].iloc[0]
        raise LabelsError(
            f"{row['labeller']} called crater {row['crater_id']!r} {row['value']!r}, which is not "
            f"among the states {', '.join(states)}; give the scheme it was labelled with."
        )
    return votes.assign(rank=rank.astype("int64"))


def first_answers(ranked: pd.DataFrame) -> pd.DataFrame:
    """Select the blind first votes that name a state, one per person and crater: the last."""
    labels = ranked[ranked["kind"].isin(BLIND_KINDS) & is_blind(ranked)]
    last = labels.drop_duplicates(["crater_id", "labeller"], keep="last")
    return last[last["rank"] >= 0]


def _pairs_of_labellers(first: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Each two people with common craters: crater_id, rank_a, rank_b."""
    wide = first.pivot(index="crater_id", columns="labeller", values="rank")
    for a, b in combinations(wide.columns, 2):
        both = wide[[a, b]].dropna().astype("int64")
        if len(both):
            yield a, b, both.set_axis(["rank_a", "rank_b"], axis=1).reset_index()


def _pairs_with_self(
    ranked: pd.DataFrame, first: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    again = ranked[(ranked["kind"] == "repeat") & is_blind(ranked) & (ranked["rank"] >= 0)]
    keys = ["crater_id", "labeller"]
    both = first.merge(again.drop_duplicates(keys), on=keys, suffixes=("_a", "_b"))
    for name, pair in both.groupby("labeller"):
        yield str(name), pair[["crater_id", "rank_a", "rank_b"]]


@dataclass(frozen=True)
class _Judge:
    """Compute the row of a table from pairs of ranks."""

    states: tuple[str, ...]
    replicates: int
    level: float
    seed: int

    def row(
        self, first: str, second: str, pair: pd.DataFrame, *, symmetric: bool = False
    ) -> tuple[Any, ...]:
        """Fill `_COLUMNS`; symmetric: neither answer comes first, so both orders count half."""
        a, b = pair["rank_a"].to_numpy(), pair["rank_b"].to_numpy()
        counts = np.zeros((len(pair), len(self.states), len(self.states)))
        rows = np.arange(len(pair))
        counts[rows, a, b] += 0.5 if symmetric else 1.0
        if symmetric:
            counts[rows, b, a] += 0.5
        craters, codes = np.unique(pair["crater_id"].to_numpy(), return_inverse=True)
        kappa = self._kappas(counts, codes)
        low, high = (
            percentile_interval(kappa[1:], self.level)
            if len(craters) >= _FEWEST
            else (np.nan, np.nan)
        )
        steps = np.abs(a - b)
        same, near = float((steps == 0).mean()), float((steps <= 1).mean())
        return first, second, len(craters), same, near, float(kappa[0]), low, high

    def confusion(self, pair: pd.DataFrame) -> pd.DataFrame:
        """(K, K) counts, rows the first labeller's state."""
        counts = np.zeros((len(self.states),) * 2, np.int64)
        np.add.at(counts, (pair["rank_a"].to_numpy(), pair["rank_b"].to_numpy()), 1)
        return pd.DataFrame(counts, index=list(self.states), columns=list(self.states))

    def _kappas(self, counts: FloatArray, codes: npt.NDArray[np.int64]) -> FloatArray:
        draws = BlockBootstrap.draw(codes, self.replicates, self.seed)
        return quadratic_weighted_kappa(draws.totals(counts))


def _labeller_table(ranked: pd.DataFrame, states: Sequence[str]) -> pd.DataFrame:
    groups = ranked.groupby("labeller")
    table = pd.DataFrame({"votes": groups.size(), "craters": groups["crater_id"].nunique()})
    for rank, name in enumerate(states):
        table[name] = ranked["rank"].eq(rank).groupby(ranked["labeller"]).mean()
    table["no_state"] = ranked["rank"].eq(-1).groupby(ranked["labeller"]).mean()
    return table.reset_index()
