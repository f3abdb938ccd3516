"""Keep votes in a database: append-only, crash-safe, for many writers at once.

SQLite by default (one file, write-ahead log, every commit on disk before it is answered);
PostgreSQL by URL. Triggers in the database refuse to change or delete rows, whoever asks.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import sqlalchemy as sa

from lunar_models.errors import LabelsError
from lunar_models.labelling.database import database_url, open_database, reachable
from lunar_models.labelling.looks import read_looks
from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.tables import CLAIMS, METADATA, SCHEMES, VOTES, triggers
from lunar_models.labelling.votes import VOTE_COLUMNS, Vote

_LOCK = 0x6C756E61
"""Key of the lock that orders the writers of a PostgreSQL database."""


class LabelStore:
    """The votes, the schemes they refer to, and who has which crater in hand.

    Args:
        url: a path or ``sqlite:///labels.db``, or ``postgresql+psycopg://user@host/name``.

    Raises:
        LabelStoreError: the database cannot be used; every method may raise it later, too.
    """

    def __init__(self, url: str | Path) -> None:
        self.url = database_url("store", url)
        with self._reachable():
            self._engine = open_database(self.url)
            self._writer = self._engine.execution_options(writes=True)
            self._create()

    def add(self, vote: Vote) -> bool:
        """Append a vote; when this returns it is on disk.

        Returns:
            Whether it is new; False if the very same vote was stored before.

        Raises:
            LabelsError: another vote has this id, or the superseded vote is not one of this
                person on this crater.
        """
        with self.exclusive() as connection:
            return self.append(connection, vote)

    def append(self, connection: sa.Connection, vote: Vote) -> bool:
        """Like `add`, within a transaction.

        Args:
            connection: from `exclusive`.
            vote: to append.
        """
        known = self.find(connection, vote.vote_id)
        if known is None:
            self._check_superseded(connection, vote)
            row = vote.model_dump() | {"received_utc": datetime.now(UTC)}
            connection.execute(VOTES.insert().values(row))
        elif known != vote:
            raise LabelsError(
                f"Vote {vote.vote_id} is stored already with another content; give each vote an "
                "id of its own."
            )
        return known is None

    def votes(self, after: int = 0) -> pd.DataFrame:
        """Read the votes with a sequence number above `after`, in order of arrival.

        Returns:
            `VOTE_COLUMNS`; times are UTC, missing values None or NaN.
        """
        with self.snapshot() as connection:
            rows = self.rows(connection, after)
        table = pd.DataFrame(rows, columns=list(VOTE_COLUMNS))
        for name in ("time_utc", "received_utc"):
            table[name] = pd.to_datetime(table[name], utc=True)
        types = {
            "sequence": "int64", "scheme_version": "int64", "seconds": "float64",
            "blind": "bool", "mirrored": "bool",
            "sun_azimuth_deg": "float64", "rotation_deg": "float64",
        }  # fmt: skip
        return table.astype(types)

    def looks(self) -> pd.DataFrame:
        """Read who was shown what about a crater, `LOOK_COLUMNS`, in order."""
        with self.snapshot() as connection:
            return read_looks(connection)

    def keep_scheme(self, scheme: Scheme) -> None:
        """Record the content of a scheme, so that votes can be read with it later.

        Raises:
            LabelsError: another scheme has this name and version.
        """
        with self.exclusive() as connection:
            self.append_scheme(connection, scheme)

    def append_scheme(self, connection: sa.Connection, scheme: Scheme) -> None:
        """Like `keep_scheme`, within a transaction.

        Args:
            connection: from `exclusive`.
            scheme: to record.
        """
        key = {"name": scheme.name, "version": scheme.version}
        known = sa.select(SCHEMES.c.content).filter_by(**key)
        content = connection.execute(known).scalar()
        if content is None:
            row = key | {"digest": scheme.digest, "content": scheme.model_dump_json()}
            connection.execute(SCHEMES.insert().values(row | {"time_utc": datetime.now(UTC)}))
        elif Scheme.model_validate_json(content).digest != scheme.digest:
            raise LabelsError(
                f"Scheme {scheme.name} version {scheme.version} has changed since labels were "
                "given with it; raise its version."
            )

    def schemes(self) -> dict[tuple[str, int], Scheme]:
        """Read all schemes that votes were given with, by name and version."""
        query = sa.select(SCHEMES.c.name, SCHEMES.c.version, SCHEMES.c.content)
        with self.snapshot() as connection:
            rows = connection.execute(query).all()
        return {(name, version): Scheme.model_validate_json(text) for name, version, text in rows}

    @contextmanager
    def exclusive(self) -> Iterator[sa.Connection]:
        """Open a transaction that no other writer overlaps; committed at the end."""
        with self._reachable(), self._one_writer() as connection:
            yield connection

    @contextmanager
    def _one_writer(self) -> Iterator[sa.Connection]:
        with self._writer.begin() as connection:
            if self.url.get_backend_name() == "postgresql":
                # Sequence numbers become visible in their order: readers miss none.
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sa.Connection]:
        """Open a transaction that reads."""
        with self._reachable(), self._engine.begin() as connection:
            yield connection

    def rows(self, connection: sa.Connection, after: int) -> list[dict[str, Any]]:
        """Read the votes with a sequence number above `after`, as plain rows."""
        query = sa.select(VOTES).where(VOTES.c.sequence > after).order_by(VOTES.c.sequence)
        return [dict(row) for row in connection.execute(query).mappings()]

    def find(self, connection: sa.Connection, vote_id: str) -> Vote | None:
        """Read one vote; None if there is none of this id."""
        columns = [VOTES.c[name] for name in Vote.model_fields]
        row = connection.execute(sa.select(*columns).filter_by(vote_id=vote_id)).one_or_none()
        return None if row is None else Vote(**row._mapping)

    def claims(
        self, connection: sa.Connection, after: int, since: timedelta
    ) -> list[tuple[int, str, str, datetime]]:
        """Read what was handed out: sequence number, crater, person and time, in order.

        Args:
            connection: from `exclusive` or `snapshot`.
            after: sequence number that was read last.
            since: older ones are left out.
        """
        columns = (CLAIMS.c.sequence, CLAIMS.c.crater_id, CLAIMS.c.labeller, CLAIMS.c.time_utc)
        query = sa.select(*columns).order_by(CLAIMS.c.sequence)
        recent = CLAIMS.c.time_utc >= datetime.now(UTC) - since
        found = connection.execute(query.where(CLAIMS.c.sequence > after, recent))
        return [tuple(row) for row in found]

    def claim(self, connection: sa.Connection, labeller: str, craters: list[str]) -> None:
        """Record that craters were handed out to a person now."""
        now = datetime.now(UTC)
        rows = [{"crater_id": c, "labeller": labeller, "time_utc": now} for c in craters]
        if rows:
            connection.execute(CLAIMS.insert(), rows)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _create(self) -> None:
        with self.exclusive() as connection:
            METADATA.create_all(connection)
            for statement in triggers(self.url.get_backend_name()):
                connection.exec_driver_sql(statement)

    def _check_superseded(self, connection: sa.Connection, vote: Vote) -> None:
        if vote.supersedes is None:
            return
        query = sa.select(VOTES.c.labeller, VOTES.c.crater_id).filter_by(vote_id=vote.supersedes)
        row = connection.execute(query).one_or_none()
        if row is None or tuple(row) != (vote.labeller, vote.crater_id):
            raise LabelsError(
                f"Vote {vote.vote_id} supersedes {vote.supersedes}, which is no vote of "
                f"{vote.labeller} on crater {vote.crater_id}; send that one first."
            )

    def _reachable(self) -> AbstractContextManager[None]:
        return reachable("store", self.url)
