"""Keep named tags of craters, such as "rayed", beside the votes: append-only, by SQLite or URL."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import sqlalchemy as sa
from pydantic import StringConstraints

from lunar_models.errors import LabelsError
from lunar_models.labelling.database import database_url, open_database, reachable

TagName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
"""A name that can be a column: tag_<name>."""

_METADATA = sa.MetaData()
_TAGS = sa.Table(
    "tags",
    _METADATA,
    sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("name", sa.Text, nullable=False, index=True),
    sa.Column("crater_id", sa.Text, nullable=False),
    sa.Column("member", sa.Boolean, nullable=False),
    sa.Column("labeller", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("time_utc", sa.Text, nullable=False),
    sqlite_autoincrement=True,
)


class TagStore:
    """Which craters somebody confirmed or rejected as members of a tag.

    Args:
        url: a path or ``sqlite:///labels.db``, or ``postgresql+psycopg://user@host/name``; the
            database of the label store may be used.

    Raises:
        LabelsError: the database cannot be used.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = database_url("tags", url)
        with reachable("tags", self.url):
            self._engine = open_database(self.url)
            _METADATA.create_all(self._engine)

    def add(
        self,
        name: str,
        *,
        positives: Sequence[str],
        negatives: Sequence[str],
        labeller: str,
        model: str,
    ) -> None:
        """Append what somebody confirmed and rejected; when this returns it is on disk.

        Args:
            name: a `TagName`.
            positives: ids of members.
            negatives: ids of craters that are none.
            labeller: who says so.
            model: whose embedding was searched.

        Raises:
            LabelsError: a crater is on both sides, or the database cannot be written.
        """
        if both := set(positives) & set(negatives):
            raise LabelsError(f"Crater {min(both)!r} is confirmed and rejected; choose one.")
        now = datetime.now(UTC).isoformat()
        rows = [
            {"name": name, "crater_id": crater, "member": member, "labeller": labeller,
             "model": model, "time_utc": now}
            for member, craters in ((True, positives), (False, negatives)) for crater in craters
        ]  # fmt: skip
        if rows:
            with reachable("tags", self.url), self._engine.begin() as connection:
                connection.execute(_TAGS.insert(), rows)

    def table(self) -> pd.DataFrame:
        """Read what stands: name, crater_id, member; the last word on each crater."""
        columns = ["name", "crater_id", "member"]
        query = sa.select(*(_TAGS.c[c] for c in columns)).order_by(_TAGS.c.sequence)
        with reachable("tags", self.url), self._engine.connect() as connection:
            table = pd.DataFrame(connection.execute(query).all(), columns=columns)
        table = table.drop_duplicates(["name", "crater_id"], keep="last", ignore_index=True)
        return table.astype({"member": "bool"})

    def columns(self, crater_id: "pd.Series[str]") -> pd.DataFrame:
        """Make columns of a table of craters: tag_<name>, true, false, or missing if not said."""
        table = self.table()
        tags = {}
        for name, part in table.groupby("name"):
            said = part.set_index("crater_id")["member"].astype("boolean")
            tags[f"tag_{name}"] = crater_id.map(said).astype("boolean")
        return pd.DataFrame(tags, index=crater_id.index)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()
