"""Join the votes on each crater to one label: decided, agreed, or given once."""

import pandas as pd

from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.votes import BLIND_KINDS, current_votes


def final_labels(votes: pd.DataFrame, scheme: Scheme) -> pd.DataFrame:
    """Join the votes on each crater without weighing people.

    A decision counts before labels; of several decisions the last. Labels that agree count as
    one; labels that differ leave the crater disputed. Repeats and gold do not count.

    Args:
        votes: `VOTE_COLUMNS`; those of other schemes are left out.
        scheme: the names of the states.

    Returns:
        One row per labelled crater, in order of the first vote: crater_id; value (str, NaN while
        disputed); state (int64, 1 the freshest, 0 for every value that is no state); votes (int64:
        how many people labelled it); basis (decided, agreed, single or disputed).
    """
    standing = current_votes(votes[votes["scheme"] == scheme.name])
    labels = standing[standing["kind"].isin(BLIND_KINDS)]
    decided = standing[standing["kind"] == "adjudication"].groupby("crater_id")["value"].last()
    # One label for each person, should both kinds stand.
    labels = labels.drop_duplicates(["crater_id", "labeller"], keep="last")
    grouped = labels.groupby("crater_id", sort=False)["value"]
    table = grouped.agg(value="first", votes="size", distinct="nunique").reset_index()
    table["basis"] = "agreed"
    table.loc[table["votes"] == 1, "basis"] = "single"
    disputed = table["distinct"] > 1
    table.loc[disputed, "basis"] = "disputed"
    table.loc[disputed, "value"] = None
    by_decision = table["crater_id"].map(decided)
    table.loc[by_decision.notna(), "basis"] = "decided"
    table["value"] = by_decision.where(by_decision.notna(), table["value"])
    ranks = {name: scheme.rank(name) for name in scheme.values}
    table["state"] = table["value"].map(ranks).fillna(0).astype("int64")
    table["votes"] = table["votes"].astype("int64")
    return table[["crater_id", "value", "state", "votes", "basis"]]
