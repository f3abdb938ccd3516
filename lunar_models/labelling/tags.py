"""Keep named tags of craters, such as "rayed", beside the votes: append-only, by SQLite or URL."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import pandas as pd
import sqlalchemy as sa
from pydantic import StringConstraints
from sqlalchemy.exc import SQLAlchemyError

from lunar_models.errors import LabelsError

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
_BUSY_S = 30


class TagStore:
    """Which craters somebody confirmed or rejected as members of a tag.

    Args:
        url: a path or ``sqlite:///labels.db``, or ``postgresql+psycopg://user@host/name``; the
            database of the label store may be used.

    Raises:
        LabelsError: the database cannot be used.
    """

    def __init__(self, url: str | Path) -> None:
        text = str(url)
        self._shown = "tags"
        with self._reachable():
            address = sa.make_url(text if "://" in text else f"sqlite:///{text}")
            self._shown = address.render_as_string()
            lite = address.get_backend_name() == "sqlite"
            arguments = {"timeout": _BUSY_S} if lite else {}
            self._engine = sa.create_engine(address, connect_args=arguments)
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
            with self._reachable(), self._engine.begin() as connection:
                connection.execute(_TAGS.insert(), rows)

    def table(self) -> pd.DataFrame:
        """Read what stands: name, crater_id, member; the last word on each crater."""
        columns = ["name", "crater_id", "member"]
        query = sa.select(*(_TAGS.c[c] for c in columns)).order_by(_TAGS.c.sequence)
        with self._reachable(), self._engine.connect() as connection:
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

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except (SQLAlchemyError, ImportError) as error:
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise LabelsError(
                f"tags={self._shown} cannot be used ({reason}); give a file that can be written, "
                "or the URL of a PostgreSQL database."
            ) from error
