"""Open the database of votes and tags: SQLite, or PostgreSQL by URL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from lunar_models.errors import LabelStoreError

_BUSY_S = 30


def database_url(parameter: str, url: str | Path) -> sa.URL:
    """Parse a path or a database URL.

    Args:
        parameter: what named it, for messages.
        url: a path or ``sqlite:///labels.db``, or ``postgresql+psycopg://user@host/name``.

    Raises:
        LabelStoreError: it is neither SQLite nor PostgreSQL.
    """
    text = str(url)
    try:
        parsed = sa.make_url(text if "://" in text else f"sqlite:///{text}")
    except (SQLAlchemyError, ValueError) as error:  # the latter for a port that is no number
        raise LabelStoreError(
            f"{parameter} is no address of a database ({error}); give a file or a URL such as "
            "postgresql+psycopg://user@host/name."
        ) from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise LabelStoreError(
            f"{parameter}={parsed.render_as_string()} is neither SQLite nor PostgreSQL; give a "
            "file or a URL such as postgresql+psycopg://user@host/name."
        )
    return parsed


@contextmanager
def reachable(parameter: str, url: sa.URL) -> Iterator[None]:
    """Translate the database's errors to LabelStoreError; a URL is named without its password."""
    try:
        yield
    except (SQLAlchemyError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise LabelStoreError(
            f"{parameter}={url.render_as_string()} cannot be used ({reason}); give a file that can "
            "be written, or the URL of a PostgreSQL database."
        ) from error


def open_database(url: sa.URL) -> sa.Engine:
    """Connect; what a transaction wrote is on disk when it ends.

    A transaction that reads before it writes takes the execution option ``writes=True``.
    """
    if url.get_backend_name() != "sqlite":
        return sa.create_engine(url, pool_pre_ping=True)
    engine = sa.create_engine(url, connect_args={"timeout": _BUSY_S})

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions are begun below, not by the driver
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that first reads and then writes would fail when another wrote between.
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
