"""Read and write tables of labels: plain states, all votes, the original project's degrees."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from pyarrow import ArrowException

from lunar_models.errors import LabelsError
from lunar_models.labelling.answers import read_answers
from lunar_models.labelling.final_labels import final_labels
from lunar_models.labelling.scheme import CANNOT_TELL, Scheme
from lunar_models.labelling.votes import BLIND_KINDS, VOTE_COLUMNS, Vote, blind_votes, current_votes

DEGREES = ("v-fr", "r-fr", "r-dr", "v-dr")
"""The original project's degrees, very fresh to very degraded: the four states."""

_SECOND_READER = "second reader"
_DIFFERED = "the second reader differed"
_TIMES = ("time_utc", "received_utc")


def write_labels(path: Path, votes: pd.DataFrame, scheme: Scheme) -> str:
    """Write CRATER_ID,state as the evaluate step takes it, with the name of the state."""
    table = final_labels(votes, scheme)
    usable = table[table["state"] > 0]
    columns = {"crater_id": "CRATER_ID", "value": "state_name"}
    written = usable.rename(columns=columns)[["CRATER_ID", "state", "state_name", "votes", "basis"]]
    written.to_csv(path, index=False)
    disputed = int((table["basis"] == "disputed").sum())
    without = len(table) - len(usable) - disputed
    return (
        f"{len(usable)} labelled craters (left out: {disputed} disputed, {without} without a state)"
    )


def write_votes(path: Path, votes: pd.DataFrame) -> str:
    """Write every vote, undone ones included, as Parquet."""
    votes.to_parquet(path, index=False)
    return f"{len(votes)} votes"


def write_looks(path: Path, looks: pd.DataFrame) -> str:
    """Write who was shown what about a crater, and when, as Parquet."""
    looks.to_parquet(path, index=False)
    return f"{len(looks)} looks"


def write_degree(path: Path, votes: pd.DataFrame, scheme: Scheme) -> str:
    """Write CRATER_ID,degree,state,second_reader_agrees,basis of craters whose label is a state.

    The degree is that of `final_labels`; of a disputed crater it is the first label that stands.
    Whether a second reader agrees is told only of two blind labels, and as they were before either
    was changed after a look.
    """
    _check_degrees(scheme)
    final = final_labels(votes, scheme)
    labels = _states_of(current_votes(votes), scheme)
    first = labels.groupby("crater_id")["value"].first()
    notes = labels.groupby("crater_id")["note"].agg(set)
    blind = _states_of(blind_votes(votes), scheme).groupby("crater_id", sort=False)["value"]
    first_two = blind.agg(
        lambda values: values.iloc[0] == values.iloc[1] if len(values) > 1 else ""
    )
    rows = []
    for crater, value, basis in zip(
        final["crater_id"], final["value"], final["basis"], strict=True
    ):
        state = scheme.rank(first.get(crater, CANNOT_TELL) if basis == "disputed" else value)
        if state:
            differed = _DIFFERED in notes.get(crater, set())
            agrees = "False" if differed else str(first_two.get(crater, ""))
            rows.append((crater, DEGREES[state - 1], state, agrees, basis))
    columns = ["CRATER_ID", "degree", "state", "second_reader_agrees", "basis"]
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(path, index=False)
    disputed = int((table["basis"] == "disputed").sum())
    return (
        f"{len(table)} craters, {disputed} of them disputed, with the first label (left out: "
        f"{len(final) - len(table)} without a state)"
    )


def _states_of(votes: pd.DataFrame, scheme: Scheme) -> pd.DataFrame:
    return votes[votes["kind"].isin(BLIND_KINDS) & votes["value"].isin(scheme.state_names)]


def read_plain(path: Path, scheme: Scheme, labeller: str) -> Iterator[dict[str, Any]]:
    """Read a label table as first labels by one person."""
    if path.is_file():
        _refuse_own(path, _text_table(path))
    for crater, value in read_answers(path, scheme).items():
        yield {"crater_id": crater, "labeller": labeller, "value": value}


def read_votes(path: Path, scheme: Scheme, labeller: str) -> Iterator[dict[str, Any]]:
    """Read what `write_votes` wrote; votes keep their ids, so that none is added twice."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError, ArrowException) as error:
        raise LabelsError(f"{path} cannot be read as Parquet of votes ({error}).") from error
    if missing := [name for name in VOTE_COLUMNS if name not in table]:
        raise LabelsError(f"{path} has no column {missing[0]}; give what 'votes' exports.")
    if not pd.api.types.is_integer_dtype(table["sequence"]):
        raise LabelsError(
            f"{path} has a column sequence of {table['sequence'].dtype}, not of whole numbers; "
            "give what 'votes' exports."
        )
    for row in table.sort_values("sequence").to_dict("records"):
        yield {name: _plain(row[name]) for name in Vote.model_fields}


def _plain(cell: Any) -> Any:
    """A cell as Python has it; what a vote cannot hold is refused when the vote is made of it."""
    if isinstance(cell, pd.Timestamp):
        return cell.to_pydatetime()
    return None if pd.api.types.is_scalar(cell) and pd.isna(cell) else cell


def read_degree(path: Path, scheme: Scheme, labeller: str) -> Iterator[dict[str, Any]]:
    """Read the original project's table: degree is the first label.

    Where `second_reader_agrees` is True there is a second label, the same by another person;
    where it is False their label is not known, and the note of the first says that they differed.
    """
    _check_degrees(scheme)
    table = _text_table(path)
    _refuse_own(path, table)
    if missing := [name for name in ("crater_id", "degree") if name not in table]:
        raise LabelsError(f"{path} has no column {missing[0]}; name the columns CRATER_ID, degree.")
    values = dict(zip(DEGREES, scheme.state_names, strict=True))
    unknown = ~table["degree"].isin(DEGREES)
    if unknown.any():
        raise LabelsError(
            f"{path} has the degree {table['degree'][unknown].iloc[0]!r}; degrees are "
            f"{', '.join(DEGREES)}."
        )
    agrees = table.get("second_reader_agrees", pd.Series("", index=table.index)).str.lower()
    if odd := sorted(set(agrees) - {"true", "false", ""}):
        raise LabelsError(f"{path} has second_reader_agrees={odd[0]!r}; write True or False.")
    said: dict[str, tuple[str, str]] = {}
    for crater, degree, same in zip(table["crater_id"], table["degree"], agrees, strict=True):
        if said.setdefault(crater, (degree, same)) != (degree, same):
            raise LabelsError(
                f"{path} says {' '.join(said[crater]).strip()!r} of crater {crater}, and in "
                f"another row {' '.join((degree, same)).strip()!r}; keep one of them."
            )
        row = {"crater_id": crater, "value": values[degree]}
        note = _DIFFERED if same == "false" else ""
        yield row | {"labeller": labeller, "note": note}
        if same == "true":
            yield row | {"labeller": f"{labeller}, {_SECOND_READER}", "kind": "second"}


def _refuse_own(path: Path, table: pd.DataFrame) -> None:
    """What several people's votes amount to is nobody's blind label."""
    if "basis" in table:
        raise LabelsError(
            f"{path} says what votes amount to (column basis), as lunar-label exports it; taken "
            "in as labels it would agree with those same votes. Export and import with --form "
            "votes to move votes; if these are one person's own labels, drop the column basis."
        )


def _text_table(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelsError(f"{path} cannot be read as CSV ({error}).") from error
    table.columns = table.columns.str.strip().str.lower()
    if (twice := table.columns[table.columns.duplicated()]).size:
        raise LabelsError(f"{path} has two columns {twice[0]}; keep one of them.")
    return pd.DataFrame({name: table[name].str.strip() for name in table.columns})


def _check_degrees(scheme: Scheme) -> None:
    if len(scheme.states) != len(DEGREES):
        raise LabelsError(
            f"Scheme {scheme.name} has {len(scheme.states)} states; degrees are {len(DEGREES)}."
        )
