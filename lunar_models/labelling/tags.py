"""Keep named tags of craters, such as "rayed", beside the votes: append-only, by SQLite or URL."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import sqlalchemy as sa
from pydantic import StringConstraints

from lunar_models.errors import LabelsError
from lunar_models.labelling.database import database_url, open_database, reachable

TagName = Annotated[str, StringConstraints(pattern=r"^[a-z][_a-z0-9]{0,39}$")]
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


@dataclass(frozen=True)
class TagSet:
    """All tags as they stood when they were read."""

    table: pd.DataFrame
    """name, crater_id, member; one row for each crater of a tag."""

    @property
    def digest(self) -> str:
        """Sha256 over all rows, whatever their order."""
        columns = ["name", "crater_id", "member"]
        rows = self.table[columns].sort_values(columns).to_csv(index=False, lineterminator="\n")
        return hashlib.sha256(rows.encode()).hexdigest()

    @property
    def names(self) -> list[str]:
        """Names of the columns, in alphabetical order."""
        return [f"tag_{name}" for name in sorted(self.table["name"].unique())]

    def columns(self, crater_id: "pd.Series[str]") -> pd.DataFrame:
        """Make columns of a table of craters: tag_<name>, true, false, or missing if not said.

        Args:
            crater_id: of N craters.

        Returns:
            N rows with the index of `crater_id`, a nullable boolean column for each tag.
        """
        said = self.table.pivot(index="crater_id", columns="name", values="member")
        found = said.reindex(crater_id.to_numpy()).astype("boolean")
        return found.add_prefix("tag_").rename_axis(columns=None).set_index(crater_id.index)


def read_tags(url: str) -> TagSet:
    """Read the tags of a database that is there.

    Args:
        url: a file, or the URL of a database.

    Raises:
        LabelsError: there is no such database, or it holds no tag.
    """
    address = database_url("tags", url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise LabelsError(f"tags={url} does not exist; give the database of lunar-serve --tags.")
    store = TagStore(url)
    try:
        table = store.table()
    finally:
        store.close()
    if table.empty:
        raise LabelsError(f"tags={url} holds no tag; save one on /search, or leave it out.")
    return TagSet(table)


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
        """Read what stands: name, crater_id, member, labeller; the last word on each crater."""
        columns = ["name", "crater_id", "member", "labeller"]
        query = sa.select(*(_TAGS.c[c] for c in columns)).order_by(_TAGS.c.sequence)
        with reachable("tags", self.url), self._engine.connect() as connection:
            table = pd.DataFrame(connection.execute(query).all(), columns=columns)
        table = table.drop_duplicates(["name", "crater_id"], keep="last", ignore_index=True)
        return table.astype({"member": "bool"})

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()
