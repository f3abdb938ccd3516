"""Put the craters of a crop set into the order in which they should be labelled."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.errors import ConfigError, LabelsError
from lunar_models.evaluation.probes import ordinal_probe
from lunar_models.labelling.consensus import find_consensus, has_consensus
from lunar_models.labelling.reading import VoteSet
from lunar_models.labelling.selection import NEED_PROBABILITIES, Method, Rows, select, stratify

DESIGN_FIRST = 30
"""Labels up to which `auto` follows a design without a model."""

_FEWEST = 2
"""States that a head tells apart, at least."""


def strata_properties(metadata: pd.DataFrame) -> dict[str, FloatArray]:
    """Return what the mix of labels is kept by, (N,) each; NaN where unknown.

    Diameter, latitude, terrain (its brightness), light (the incidence, or the contrast of the crops
    where no incidence is known), and the Sun's side where it differs.
    """
    light = "incidence_deg" if metadata["incidence_deg"].notna().any() else "contrast"
    columns = {
        "diameter": "diameter_km", "latitude": "latitude_deg", "terrain": "mean_brightness",
        "light": light,
    }  # fmt: skip
    if metadata["flipped"].nunique() > 1:
        columns["Sun side"] = "flipped"
    return {name: metadata[column].to_numpy(np.float64) for name, column in columns.items()}


@dataclass(frozen=True)
class NextLabels:
    """An order for the page /label, and how well it represents the crop set."""

    order: pd.DataFrame
    """CRATER_ID and reason: those with a vote first (``labelled``), so that second labels and
    repeats of them go on, then the new ones, the most valuable first (``selected``)."""
    balance: pd.DataFrame
    """property, group, above (least value), and the shares of the crop set (all), of the labels
    so far (labelled) and of these together with the selection (together) in that group."""
    method: Method
    """How they were selected; what `auto` stood for."""
    why: str = ""
    """Why `auto` stood for it, if not by the number of labels."""


def choose_next(
    metadata: pd.DataFrame,
    embeddings: FloatArray,
    votes: VoteSet | None,
    count: int,
    *,
    without: Collection[str] = (),
    method: Method | Literal["auto"] = "auto",
    bins: int = 2,
    seed: int = 0,
) -> NextLabels:
    """Select the craters to label next, in proportion to diameter, latitude, terrain and light.

    Args:
        metadata: N craters of a crop set.
        embeddings: (N, D) in the same order.
        votes: those so far; None without any.
        count: craters to select, at most those without a vote.
        without: ids that are never asked about, such as gold.
        method: of `select`; auto is design up to `DESIGN_FIRST` labels and while they are of one
            state, then weighted.
        bins: groups of equal size for each of `strata_properties`; 1 keeps no mix.
        seed: of clusters and draws.

    Raises:
        ConfigError: too few craters are left, or there are no labels where they are needed.
        LabelsError: none of the craters with a vote is in the crop set.
    """
    ids = metadata["crater_id"].to_numpy(dtype=np.str_)
    labelled = _labelled(ids, votes)
    open_rows = np.flatnonzero(~np.isin(ids, list(without)) | np.isin(ids, ids[labelled]))
    ranks, why = _ranks(ids[open_rows], votes), ""
    n_states = len(np.unique(ranks[~np.isnan(ranks)]))
    if method == "auto":
        method = "design" if len(labelled) < DESIGN_FIRST or n_states < _FEWEST else "weighted"
        if len(labelled) >= DESIGN_FIRST and n_states < _FEWEST:
            why = f"the labels so far name {n_states or 'no'} state, so there is no model yet"
    embeddings = np.asarray(embeddings, np.float64)[open_rows]
    own = np.searchsorted(open_rows, labelled)
    probabilities = None
    if method in NEED_PROBABILITIES:
        _check_states(method, n_states)
        assert votes is not None
        probabilities = _probabilities(embeddings, ranks, len(votes.states))
    properties = strata_properties(metadata)
    strata = stratify(*(values[open_rows] for values in properties.values()), bins=bins)
    chosen = open_rows[
        select(
            embeddings, count, labelled=own, probabilities=probabilities, strata=strata,
            method=method, n_states=4 if votes is None else len(votes.states), seed=seed,
        )
    ]  # fmt: skip
    reasons = ["labelled"] * len(labelled) + ["selected"] * len(chosen)
    order = pd.DataFrame({"CRATER_ID": ids[np.r_[labelled, chosen]], "reason": reasons})
    balance = _balance(properties, open_rows, labelled, chosen, max(bins, 2))
    return NextLabels(order, balance, method, why)


def _check_states(method: str, count: int) -> None:
    if count < _FEWEST:
        raise ConfigError(
            f"method={method} needs labels of two states, and these are of {count or 'none'}; "
            "begin with method=design."
        )


def _labelled(ids: npt.NDArray[np.str_], votes: VoteSet | None) -> Rows:
    """Rows of craters that have a vote, in the order of the first ones."""
    if votes is None:
        return np.empty(0, np.int64)
    named = votes.votes["crater_id"].drop_duplicates()
    found = pd.Index(ids).get_indexer(pd.Index(named))
    if (found < 0).all():
        raise LabelsError(
            f"None of the {len(named)} craters of {votes.name} is in the crop set, such as "
            f"{named.iloc[0]}; give the crop set that was labelled."
        )
    return np.asarray(found[found >= 0], np.int64)


def _ranks(ids: npt.NDArray[np.str_], votes: VoteSet | None) -> FloatArray:
    """(N,) states 0..K-1 by the consensus of the votes; NaN where there is none."""
    if votes is None or not has_consensus(votes.votes, votes.states):
        return np.full(len(ids), np.nan)
    state = find_consensus(votes.votes, votes.states).table.set_index("crater_id")["state"]
    rank = state.map({name: k for k, name in enumerate(votes.states)}).reindex(ids)
    return np.asarray(rank, np.float64)


def _probabilities(embeddings: FloatArray, ranks: FloatArray, n_states: int) -> FloatArray:
    """(N, K) of a head fitted on the ranks that are known."""
    known = ~np.isnan(ranks)
    probe = ordinal_probe().fit(embeddings[known], ranks[known].astype(np.int64))
    probabilities = np.zeros((len(ranks), n_states))
    probabilities[:, probe.classes_] = probe.predict_proba(embeddings)
    return probabilities


def _balance(
    properties: dict[str, FloatArray], everything: Rows, labelled: Rows, chosen: Rows, bins: int
) -> pd.DataFrame:
    rows = []
    for name, values in properties.items():
        group = stratify(values[everything], bins=bins)
        of_all = np.full(len(values), -1)
        of_all[everything] = group
        for one in range(group.max() + 1):
            inside = of_all == one
            rows.append(
                {
                    "property": name,
                    "group": one,
                    "above": np.nan if np.isnan(values[inside]).all() else values[inside].min(),
                    "all": inside[everything].mean(),
                    "labelled": inside[labelled].mean() if len(labelled) else np.nan,
                    "together": inside[np.r_[labelled, chosen]].mean(),
                }
            )
    return pd.DataFrame(rows)
