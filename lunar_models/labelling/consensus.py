"""Estimate each crater's state from several people's votes, and how far each person is to trust.

Dawid & Skene (1979), doi 10.2307/2346806: every labeller has a confusion matrix of their own; the
states and the matrices are estimated together by expectation-maximisation. Repeated votes of one
person count as independent answers, as in that paper. crowd-kit has the same method, but needs
torch and transformers to be imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logsumexp

from lunar_models.arrays import FloatArray
from lunar_models.errors import LabelsError
from lunar_models.labelling.agreement import first_answers, rank_votes
from lunar_models.labelling.votes import is_blind

Ranks = npt.NDArray[np.integer[Any]]

_PSEUDO_COUNT = 0.5
"""Added to every cell of a confusion matrix, so that one rare vote does not decide (Jeffreys)."""
_ON_DIAGONAL = 2.0
"""Added further to the diagonal: people are taken to know more than chance until votes say
otherwise, which also fixes which estimated state is which."""


@dataclass(frozen=True)
class Consensus:
    """The estimated states, and the labellers behind them."""

    table: pd.DataFrame
    """crater_id (ascending), state (name), confidence (probability of that state), labellers
    (people who voted), probability_<state>, adjudicated."""
    confusion: dict[str, pd.DataFrame]
    """labeller -> (K, K) probabilities, rows the true state, summing to 1."""
    prior: FloatArray
    """(K,) share of each state."""
    rounds: int
    """Of expectation-maximisation until it settled."""


def find_consensus(
    votes: pd.DataFrame, states: Sequence[str], *, most_rounds: int = 500, tolerance: float = 1e-6
) -> Consensus:
    """Estimate the consensus of votes by the method of Dawid and Skene.

    An adjudication decides its crater, and the labellers are judged by it. Answers that name no
    state, training on gold, and votes given after another's label or a guess was seen, are left
    out. With a single vote on a crater the confidence rests on how well that person agrees with
    others elsewhere.

    Args:
        votes: `votes_that_count`: crater_id, labeller, value, kind, and blind where the store
            told it.
        states: names, freshest first.
        most_rounds: of expectation-maximisation.
        tolerance: largest change of a probability at which it stops.

    Raises:
        LabelsError: no vote names a state, or a value is unknown.
    """
    ranked = _heard(votes, states)
    decides = ranked["kind"] == "adjudication"
    decided, heard = ranked[decides].groupby("crater_id")["rank"].last(), ranked[~decides]
    if ranked.empty:
        raise LabelsError("No blind vote or decision names a state; label some craters first.")
    craters = np.unique(np.concatenate((heard["crater_id"], decided.index)).astype(str))
    labellers, who = np.unique(heard["labeller"].astype(str), return_inverse=True)
    counts = np.zeros((len(labellers), len(craters), len(states)))
    row = pd.Index(craters).get_indexer(pd.Index(heard["crater_id"].astype(str)))
    np.add.at(counts, (who, row, heard["rank"].to_numpy()), 1.0)
    known = decided.reindex(craters).to_numpy(np.float64)
    fitted = dawid_skene(counts, known, most_rounds=most_rounds, tolerance=tolerance)
    names = list(states)
    return Consensus(
        _table(craters, fitted.posterior, names, counts, ~np.isnan(known)),
        {
            str(name): pd.DataFrame(matrix, index=names, columns=names)
            for name, matrix in zip(labellers, fitted.confusion, strict=True)
        },
        fitted.prior,
        fitted.rounds,
    )


def has_consensus(votes: pd.DataFrame, states: Sequence[str]) -> bool:
    """Return whether `find_consensus` has any vote to go by."""
    return not _heard(votes, states).empty


def _heard(votes: pd.DataFrame, states: Sequence[str]) -> pd.DataFrame:
    """Decisions, blind labels (one a person) and repeats that name a state, with their `rank`.

    Training is left out: whoever gets a gold crater wrong is told, and the crater has a state.
    """
    ranked = rank_votes(votes, states).reset_index(drop=True)
    label = ranked.index.isin(first_answers(ranked).index)
    repeat = (ranked["kind"] == "repeat") & is_blind(ranked)
    return ranked[(ranked["rank"] >= 0) & ((ranked["kind"] == "adjudication") | repeat | label)]


@dataclass(frozen=True)
class DawidSkene:
    """Estimates for N craters, J labellers and K states."""

    posterior: FloatArray
    """(N, K), rows sum to 1."""
    confusion: FloatArray
    """(J, K, K), rows the true state."""
    prior: FloatArray
    """(K,)."""
    rounds: int


def dawid_skene(
    counts: FloatArray,
    known: FloatArray | None = None,
    *,
    most_rounds: int = 500,
    tolerance: float = 1e-6,
) -> DawidSkene:
    """Estimate true states and confusion matrices by expectation-maximisation.

    Args:
        counts: (J, N, K) how often labeller j called crater n state k.
        known: (N,) rank of the state where it is known, NaN elsewhere.
        most_rounds: to stop after.
        tolerance: largest change of a posterior at which it stops.
    """
    fixed = np.zeros(counts.shape[1], np.bool_) if known is None else ~np.isnan(known)
    certain = np.eye(counts.shape[2])[known[fixed].astype(np.int64)] if known is not None else 0.0
    votes = counts.sum(axis=0) + 1e-9  # no vote: even shares
    posterior = votes / votes.sum(axis=1, keepdims=True)
    posterior[fixed] = certain
    smooth = _PSEUDO_COUNT + _ON_DIAGONAL * np.eye(counts.shape[2])
    settled = False
    rounds = 0
    while not settled and rounds < most_rounds:
        rounds += 1
        prior = (posterior.sum(axis=0) + _PSEUDO_COUNT) / (
            len(posterior) + _PSEUDO_COUNT * counts.shape[2]
        )
        confusion = np.einsum("nt,jnk->jtk", posterior, counts, optimize=True) + smooth
        confusion /= confusion.sum(axis=2, keepdims=True)
        before, posterior = posterior, posterior_of(counts, confusion, prior)
        posterior[fixed] = certain
        settled = bool(np.abs(posterior - before).max() < tolerance)
    return DawidSkene(posterior, confusion, prior, rounds)


def posterior_of(counts: FloatArray, confusion: FloatArray, prior: FloatArray) -> FloatArray:
    """Compute the probability of each state by Bayes' rule, (N, K).

    Args:
        counts: (J, N, K) votes.
        confusion: (J, K, K) probabilities above 0, rows the true state.
        prior: (K,) above 0.
    """
    logs = np.log(prior) + np.einsum("jnk,jtk->nt", counts, np.log(confusion), optimize=True)
    return np.asarray(np.exp(logs - logsumexp(logs, axis=1, keepdims=True)))


def _table(
    craters: npt.NDArray[np.str_],
    posterior: FloatArray,
    states: list[str],
    counts: FloatArray,
    adjudicated: npt.NDArray[np.bool_],
) -> pd.DataFrame:
    best = posterior.argmax(axis=1)
    return pd.DataFrame(
        {
            "crater_id": craters,
            "state": np.array(states)[best],
            "confidence": posterior.max(axis=1),
            "labellers": (counts.sum(axis=2) > 0).sum(axis=0),
            **{f"probability_{name}": posterior[:, k] for k, name in enumerate(states)},
            "adjudicated": adjudicated,
        }
    )
