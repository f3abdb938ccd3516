"""Join the votes on each crater to one label: decided, agreed, or given once."""

import pandas as pd

from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.votes import BLIND_KINDS, blind_votes, current_votes

_PERSON = ["crater_id", "labeller"]


def final_labels(votes: pd.DataFrame, scheme: Scheme) -> pd.DataFrame:
    """Join the votes on each crater without weighing people.

    A decision counts before labels; of several decisions the last. Labels agree where at least two
    people gave the same one blind. Where blind labels differ the crater is disputed until somebody
    decides: whoever sees another's label and then takes it over closes nothing. Where somebody
    changes a label after a look to one that differs, the crater is disputed, too. Repeats and gold
    do not count.

    Args:
        votes: `VOTE_COLUMNS`; those of other schemes are left out.
        scheme: the names of the states.

    Returns:
        One row per labelled crater, in order of the first vote: crater_id; value (str, NaN while
        disputed); state (int64, 1 the freshest, 0 for every value that is no state); votes (int64:
        how many people labelled it blind); basis (decided, agreed, single, not blind or disputed).
    """
    own = votes[votes["scheme"] == scheme.name]
    standing = current_votes(own)
    labels, blind = _labels(standing), _labels(blind_votes(own))
    decided = standing[standing["kind"] == "adjudication"].groupby("crater_id")["value"].last()
    said = pd.concat([labels, blind]).groupby("crater_id")["value"].nunique()
    people = labels.merge(blind[_PERSON], on=_PERSON).groupby("crater_id").size()
    table = labels.groupby("crater_id", sort=False)["value"].first().reset_index()
    table["votes"] = table["crater_id"].map(people).fillna(0).astype("int64")
    table["basis"] = "agreed"
    table.loc[table["votes"] == 1, "basis"] = "single"
    table.loc[table["votes"] == 0, "basis"] = "not blind"
    disputed = table["crater_id"].map(said) > 1
    table.loc[disputed, "basis"] = "disputed"
    table.loc[disputed, "value"] = None
    by_decision = table["crater_id"].map(decided)
    table.loc[by_decision.notna(), "basis"] = "decided"
    table["value"] = by_decision.where(by_decision.notna(), table["value"])
    ranks = {name: scheme.rank(name) for name in scheme.values}
    table["state"] = table["value"].map(ranks).fillna(0).astype("int64")
    return table[["crater_id", "value", "state", "votes", "basis"]]


def _labels(votes: pd.DataFrame) -> pd.DataFrame:
    return votes[votes["kind"].isin(BLIND_KINDS)]
