"""Record who was shown what about a crater: the server, not the labeller, says what is blind."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple

import pandas as pd
import sqlalchemy as sa

from lunar_models.labelling.tables import LOOKS

LOOK_COLUMNS = ("sequence", "crater_id", "labeller", "shown", "whose", "value", "time_utc")
"""Columns of `read_looks`: order, crater, who was shown it, what, whose it was, and when."""


class Look(NamedTuple):
    """Something about a crater that a person was shown."""

    crater_id: str
    labeller: str
    """Who was shown it."""
    shown: Literal["label", "guess", "known answer", "tag"]
    whose: str
    """The person whose label it is, the model or the tag; empty for known answers."""
    value: str | None


def record(connection: sa.Connection, looks: Sequence[Look]) -> None:
    """Append looks, to be committed before anything is shown.

    Args:
        connection: from `LabelStore.exclusive`.
        looks: any number.
    """
    now = datetime.now(UTC)
    if rows := [look._asdict() | {"time_utc": now} for look in looks]:
        connection.execute(LOOKS.insert(), rows)


def has_looked(connection: sa.Connection, labeller: str, crater_id: str) -> bool:
    """Whether a person was shown anything about a crater so far."""
    query = sa.select(LOOKS.c.sequence).filter_by(labeller=labeller, crater_id=crater_id)
    return connection.execute(query.limit(1)).first() is not None


def read_looks(connection: sa.Connection) -> pd.DataFrame:
    """Read all looks, `LOOK_COLUMNS`, in their order; times are UTC."""
    rows = connection.execute(sa.select(LOOKS).order_by(LOOKS.c.sequence)).mappings()
    table = pd.DataFrame([dict(row) for row in rows], columns=list(LOOK_COLUMNS))
    table["time_utc"] = pd.to_datetime(table["time_utc"], utc=True)
    return table
