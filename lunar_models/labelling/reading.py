"""Read the votes that count, from a label store or a table, together with their states."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from lunar_models.catalogue.labels import read_labels
from lunar_models.errors import LabelsError
from lunar_models.labelling.agreement import rank_votes
from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import Kind, is_blind, votes_that_count
from lunar_models.terms import STATE_NAMES

_NEEDED = ("crater_id", "labeller", "value")
_SQLITE_MARK = b"SQLite format 3\0"


@dataclass(frozen=True)
class VoteSet:
    """Votes of one scheme that count."""

    votes: pd.DataFrame
    """crater_id, labeller, value, kind; from a store all `VOTE_COLUMNS`. Blind votes that were
    changed after a look are among them, beside what they were changed to, which is not blind."""
    states: tuple[str, ...]
    """Names, freshest first."""
    name: str
    """Such as ``degradation 1``, the scheme and its newest version; or the name of the file."""

    @property
    def digest(self) -> str:
        """Sha256 over states, craters, labellers, values, kinds and blindness, in any order."""
        columns = ["crater_id", "labeller", "kind", "value"]
        kind = self.votes["kind"].where(is_blind(self.votes), self.votes["kind"] + ", not blind")
        table = self.votes.assign(kind=kind)[columns].sort_values(columns)
        rows = table.to_csv(index=False, lineterminator="\n")
        return hashlib.sha256(("\n".join(self.states) + "\n\n" + rows).encode()).hexdigest()


def read_votes(source: str, *, scheme: str | None = None, states: Sequence[str] = ()) -> VoteSet:
    """Read the votes that count.

    Args:
        source: label store (SQLite file or URL), or a Parquet or CSV table with crater_id,
            labeller and value; kind is ordinary where it is missing. A CSV with crater_id and
            state, but no labeller, holds decided labels: they count as adjudications.
        scheme: name of the scheme, where there are votes of several.
        states: names, freshest first; empty: of the store's scheme, or the four usual ones.

    Raises:
        LabelsError: there are no votes, a column is missing, votes are of several schemes, or a
            value is not in the scheme.
    """
    stored = "://" in source or _is_sqlite(Path(source))
    votes = _stored(source) if stored else _table(Path(source), states)
    if "scheme" in votes:
        votes = _of_one_scheme(votes, scheme, source)
    if votes.empty:
        raise LabelsError(f"votes={source} holds no vote; label some craters first.")
    name = Path(source).name
    if "scheme" in votes:
        version = int(votes["scheme_version"].max()) if "scheme_version" in votes else 1
        name = f"{votes['scheme'].iloc[0]} {version}"
        if stored and not states:
            store = LabelStore(source)
            known = store.schemes()
            store.close()
            states = known[str(votes["scheme"].iloc[0]), version].state_names
    states = tuple(states) or STATE_NAMES
    rank_votes(votes, states)  # refuses values of other schemes
    return VoteSet(votes.reset_index(drop=True), states, name)


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        raise LabelsError(f"votes={path} does not exist; give a label store or a table of votes.")
    with path.open("rb") as file:
        return file.read(len(_SQLITE_MARK)) == _SQLITE_MARK


def _stored(source: str) -> pd.DataFrame:
    if source.startswith("sqlite:///"):  # which would be made anew
        _is_sqlite(Path(source.removeprefix("sqlite:///")))
    store = LabelStore(source)
    try:
        return votes_that_count(store.votes())
    finally:
        store.close()


def _table(path: Path, states: Sequence[str]) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=dict.fromkeys((*_NEEDED, "kind"), "str"))
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"votes={path} cannot be read ({error}); give Parquet or CSV with the columns "
            f"{', '.join(_NEEDED)}."
        ) from error
    if "labeller" not in table and "state" in {str(name).strip().lower() for name in table}:
        return _decided(path, states)
    if missing := [name for name in _NEEDED if name not in table]:
        raise LabelsError(
            f"votes={path} has no column {', '.join(missing)}; its columns are "
            f"{', '.join(map(str, table.columns))}."
        )
    if "blind" in table:
        table = table.assign(blind=_read_blind(table["blind"], path))
    if {"supersedes", "vote_id", "scheme", "kind"} <= {*table}:
        table = votes_that_count(table)
    table = table.assign(kind=table.get("kind", "ordinary"))
    empty = table[list(_NEEDED)].isna().any(axis=1)
    unknown = ~table["kind"].isin(get_args(Kind))
    for bad, what in ((empty, "an empty cell"), (unknown, "an unknown kind of vote")):
        if bad.any():
            row = str(table[bad].iloc[0][[*_NEEDED, "kind"]].to_dict())[:300]
            raise LabelsError(
                f"votes={path} has {what} in {int(bad.sum())} of {len(table)} rows, first {row}; "
                f"kinds are {', '.join(get_args(Kind))}."
            )
    return table


def _read_blind(cells: "pd.Series[Any]", path: Path) -> "pd.Series[bool]":
    told = cells.astype("str").str.strip().str.lower()
    if (odd := ~told.isin(("true", "false"))).any():
        raise LabelsError(
            f"votes={path} has blind={cells[odd].iloc[0]!r} in row {int(odd.argmax()) + 1}; write "
            "True or False."
        )
    return told == "true"


def _decided(path: Path, states: Sequence[str]) -> pd.DataFrame:
    """A table of labels that somebody has decided on."""
    labels = read_labels(path, label_order=states)
    return pd.DataFrame({"crater_id": labels["crater_id"], "labeller": path.name,
                         "value": labels["state_name"], "kind": "adjudication"})  # fmt: skip


def _of_one_scheme(votes: pd.DataFrame, scheme: str | None, source: str) -> pd.DataFrame:
    names = sorted(votes["scheme"].unique())
    if scheme is None and len(names) > 1:
        raise LabelsError(
            f"votes={source} holds votes of the schemes {', '.join(names)}; name one with scheme."
        )
    if scheme is not None and scheme not in names:
        raise LabelsError(
            f"votes={source} holds no vote of scheme={scheme!r}; it has {', '.join(names)}."
        )
    return votes if scheme is None else votes[votes["scheme"] == scheme]
