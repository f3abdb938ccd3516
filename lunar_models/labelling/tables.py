"""Declare the tables of the label store, and the triggers that keep their rows as they are."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

METADATA = sa.MetaData()


class _UtcTime(sa.TypeDecorator[datetime]):
    """A point in time; SQLite keeps no time zone, so it is always UTC there."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _sequence() -> sa.Column[int]:
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("sequence", kind, primary_key=True, autoincrement=True)


def _text(name: str, *, optional: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=optional)


VOTES = sa.Table(
    "votes",
    METADATA,
    _sequence(),
    sa.Column("vote_id", sa.Text, nullable=False, unique=True),
    _text("crater_id"),
    _text("labeller"),
    _text("value", optional=True),
    _text("scheme"),
    sa.Column("scheme_version", sa.Integer, nullable=False),
    sa.Column("time_utc", _UtcTime, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    _text("kind"),
    sa.Column("blind", sa.Boolean, nullable=False),
    sa.Column("sun_azimuth_deg", sa.Double),
    sa.Column("rotation_deg", sa.Double, nullable=False),
    sa.Column("mirrored", sa.Boolean, nullable=False),
    _text("note"),
    sa.Column("supersedes", sa.Text, sa.ForeignKey("votes.vote_id")),
    sa.Column("received_utc", _UtcTime, nullable=False),
    sqlite_autoincrement=True,
)

SCHEMES = sa.Table(
    "schemes",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _text("digest"),
    _text("content"),
    sa.Column("time_utc", _UtcTime, nullable=False),
)

CLAIMS = sa.Table(
    "claims",
    METADATA,
    _sequence(),
    _text("crater_id"),
    _text("labeller"),
    sa.Column("time_utc", _UtcTime, nullable=False, index=True),
    sqlite_autoincrement=True,
)
"""What was handed out to whom, so that two people do not get the same crater by chance."""

LOOKS = sa.Table(
    "looks",
    METADATA,
    _sequence(),
    _text("crater_id"),
    _text("labeller"),
    _text("shown"),
    _text("whose"),
    _text("value", optional=True),
    sa.Column("time_utc", _UtcTime, nullable=False),
    sa.Index("looks_of_whom", "labeller", "crater_id"),
    sqlite_autoincrement=True,
)
"""Who was shown what about a crater: others' labels, a model's guess, a known answer."""


HANDOUTS = sa.Table(
    "handouts",
    METADATA,
    sa.Column("scheme", sa.Text, primary_key=True),
    sa.Column("task_id", sa.Text, primary_key=True),
    _text("crater_id"),
    _text("labeller"),
    sa.Column("time_utc", _UtcTime, nullable=False),
)
"""Which tasks were handed out, when first: no other is answered."""


def triggers(backend: str) -> Iterator[str]:
    """Write the statements that make votes, schemes, looks and handouts append-only.

    Args:
        backend: sqlite or postgresql.
    """
    if backend == "postgresql":
        yield (
            "CREATE OR REPLACE FUNCTION lunar_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION USING MESSAGE = TG_TABLE_NAME || ' is append-only'; END $$"
        )
    for table in (VOTES.name, SCHEMES.name, LOOKS.name, HANDOUTS.name):
        yield from _postgresql(table) if backend == "postgresql" else _sqlite(table)


def _postgresql(table: str) -> Iterator[str]:
    yield f"DROP TRIGGER IF EXISTS {table}_append_only ON {table}"
    yield (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION lunar_append_only()"
    )


def _sqlite(table: str) -> Iterator[str]:
    for event in ("UPDATE", "DELETE"):
        yield (
            f"CREATE TRIGGER IF NOT EXISTS {table}_no_{event.lower()} BEFORE {event} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        )
    key = {
        VOTES.name: "vote_id = NEW.vote_id OR sequence = NEW.sequence",
        SCHEMES.name: "name = NEW.name AND version = NEW.version",
        LOOKS.name: "sequence = NEW.sequence",
        HANDOUTS.name: "scheme = NEW.scheme AND task_id = NEW.task_id",
    }[table]
    # INSERT OR REPLACE deletes without asking the trigger above.
    yield (
        f"CREATE TRIGGER IF NOT EXISTS {table}_no_replace BEFORE INSERT ON {table} "
        f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {key}) "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )
