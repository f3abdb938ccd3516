"""The store keeps every vote, once, whoever writes, crashes or tries to change it."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from live_server import wait_for

from lunar_models.errors import LabelsError, LabelStoreError
from lunar_models.labelling import LabelStore, Vote, current_votes, default_scheme
from lunar_models.labelling.handouts import Task, record_handouts, was_handed_out
from lunar_models.labelling.looks import Look, record
from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.tags import TagStore
from lunar_models.labelling.votes import VOTE_COLUMNS

BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


@pytest.fixture(params=BACKENDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "labels.db")
    server = sa.make_url(request.getfixturevalue("postgresql_url"))
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def store(url: str) -> Iterator[LabelStore]:
    store = LabelStore(url)
    yield store
    store.close()


def test_a_vote_comes_back_as_it_was(store: LabelStore, make_vote) -> None:
    vote = make_vote(note="double rim?", sun_azimuth_deg=91.5, mirrored=True, kind="second")
    assert store.add(vote)
    votes = store.votes()
    assert tuple(votes.columns) == VOTE_COLUMNS
    row = votes.iloc[0].to_dict()
    received = row.pop("received_utc")
    assert row.pop("sequence") == 1
    assert abs((received - datetime.now(UTC)).total_seconds()) < 60
    row["time_utc"], row["supersedes"] = row["time_utc"].to_pydatetime(), None
    assert Vote(**row) == vote


def test_an_empty_store_has_the_same_columns(store: LabelStore, make_vote) -> None:
    before = store.votes()
    store.add(make_vote())
    assert before.empty
    assert list(before.dtypes[:1]) == ["int64"]
    assert tuple(before.columns) == VOTE_COLUMNS
    assert len(store.votes(after=1)) == 0


def test_a_resent_vote_is_stored_once_and_another_under_its_id_refused(
    store: LabelStore, make_vote
) -> None:
    vote = make_vote()
    assert store.add(vote)
    assert not store.add(vote)
    with pytest.raises(LabelsError, match="another content"):
        store.add(vote.model_copy(update={"value": "Old"}))
    assert store.votes()["value"].tolist() == ["New"]


def test_an_undone_vote_is_kept_but_does_not_stand(store: LabelStore, make_vote) -> None:
    first, other = make_vote(), make_vote("01-1-000002")
    for vote in (first, other, make_vote(value=None, supersedes=first.vote_id)):
        store.add(vote)
    votes = store.votes()
    assert len(votes) == 3
    assert current_votes(votes)["crater_id"].tolist() == ["01-1-000002"]
    store.add(make_vote(value="Old"))
    assert current_votes(store.votes())["value"].tolist() == ["New", "Old"]


def test_nobody_supersedes_what_is_not_theirs(store: LabelStore, make_vote) -> None:
    vote = make_vote()
    store.add(vote)
    for changed in (
        {"labeller": "ben"}, {"crater_id": "01-1-000009"}, {"supersedes": str(uuid.uuid4())},
    ):  # fmt: skip
        with pytest.raises(LabelsError, match="supersedes"):
            store.add(make_vote(**({"supersedes": vote.vote_id} | changed)))
    assert len(store.votes()) == 1


def test_the_database_itself_refuses_to_change_or_delete(store: LabelStore, make_vote) -> None:
    store.add(make_vote())
    store.keep_scheme(default_scheme())
    with store.exclusive() as connection:
        record(connection, [Look("c1", "ada", "label", "ben", "Old")])
        for _ in range(2):  # handed out twice, recorded once
            record_handouts(connection, "degradation", "ada", [Task("task", "c1")])
        assert was_handed_out(connection, "degradation", "task")
        assert not was_handed_out(connection, "rays", "task")
    for statement in (
        "UPDATE votes SET value = 'Old'", "DELETE FROM votes", "DELETE FROM schemes",
        "DELETE FROM looks", "UPDATE looks SET labeller = 'ben'",
        "UPDATE schemes SET content = ''", "DELETE FROM handouts",
        "UPDATE handouts SET task_id = 'other'",
    ):  # fmt: skip
        with pytest.raises(LabelsError, match="append-only"), store.exclusive() as connection:
            connection.exec_driver_sql(statement)
    assert store.votes()["value"].tolist() == ["New"]


def test_another_program_cannot_replace_a_vote_in_sqlite(tmp_path: Path, make_vote) -> None:
    store = LabelStore(tmp_path / "labels.db")
    store.add(make_vote())
    with sqlite3.connect(tmp_path / "labels.db") as raw:
        columns = [row[1] for row in raw.execute("PRAGMA table_info(votes)")]
        values = ", ".join("'Old'" if name == "value" else name for name in columns)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            raw.execute(f"INSERT OR REPLACE INTO votes SELECT {values} FROM votes")
    assert store.votes()["value"].tolist() == ["New"]


def test_a_changed_scheme_needs_a_new_version(store: LabelStore) -> None:
    scheme = default_scheme()
    store.keep_scheme(scheme)
    store.keep_scheme(scheme)
    changed = Scheme.model_validate(scheme.model_dump() | {"question": "How old?"})
    with pytest.raises(LabelsError, match="raise its version"):
        store.keep_scheme(changed)
    store.keep_scheme(changed.model_copy(update={"version": 2}))
    assert store.schemes()[("degradation", 1)] == scheme
    assert store.schemes()[("degradation", 2)].question == "How old?"


@pytest.mark.parametrize("bad", ["mysql://u:geheim@h/d", "/nowhere/at/all/labels.db"])
def test_a_store_that_cannot_be_used_is_named_without_its_password(bad: str) -> None:
    with pytest.raises(LabelStoreError, match="store=") as caught:
        LabelStore(bad)
    assert "geheim" not in str(caught.value)


def _write(url: str, labeller: str, count: int) -> None:
    store = LabelStore(url)
    for k in range(count):
        store.add(_vote(labeller, k))


def _vote(labeller: str, k: int) -> Vote:
    return Vote(
        vote_id=str(uuid.uuid4()), crater_id=f"01-1-{k:06d}", labeller=labeller, value="New",
        scheme="degradation", scheme_version=1, time_utc=datetime.now(UTC), seconds=1.0,
    )  # fmt: skip


def test_many_writers_lose_nothing_and_readers_miss_nothing(url: str) -> None:
    store = LabelStore(url)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(url, f"w{k}", 60)) for k in range(2)]
    for writer in writers:
        writer.start()
    seen: list[str] = []
    last = 0

    def read() -> bool:
        nonlocal last
        new = store.votes(after=last)
        last = max(new["sequence"], default=last)
        seen.extend(new["vote_id"])
        return not any(writer.is_alive() for writer in writers)

    wait_for(read, 120)
    read()
    assert all(writer.exitcode == 0 for writer in writers)
    assert len(seen) == len(set(seen)) == 120
    assert seen == store.votes()["vote_id"].tolist()


def test_what_was_acknowledged_survives_kill_9(url: str, tmp_path: Path) -> None:
    script = textwrap.dedent(
        """
        import sys
        sys.path[:0] = {path!r}
        from test_store import _vote
        from lunar_models.labelling import LabelStore
        store = LabelStore({url!r})
        for k in range(10**6):
            vote = _vote("w", k)
            store.add(vote)
            print(vote.vote_id, flush=True)
        """
    ).format(path=[str(Path(__file__).parent), *sys.path], url=url)
    acknowledged: list[str] = []
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(15):
                acknowledged.append(writer.stdout.readline().decode().strip())
            os.kill(writer.pid, signal.SIGKILL)
            lines = writer.stdout.read().decode().split("\n")[:-1]  # the last may be cut short
            acknowledged += lines
    stored = LabelStore(url).votes()["vote_id"]
    assert len(acknowledged) >= 30
    assert set(acknowledged) <= set(stored)
    assert stored.is_unique
    assert LabelStore(url).add(_vote("w", 0))


def test_votes_are_checked(make_vote) -> None:
    for wrong in (
        {"value": None}, {"vote_id": "7"}, {"seconds": -1.0}, {"seconds": float("nan")},
        {"note": "x" * 1001}, {"kind": "third"}, {"labeller": ""}, {"sun_azimuth_deg": 361.0},
        {"time_utc": datetime(2026, 1, 1)}, {"unknown": 1},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="validation error"):
            make_vote(**wrong)


@pytest.mark.parametrize("url", ["mysql://host/labels", "sqlite//://", "postgresql://host:port/x"])
def test_a_url_of_no_database_is_refused_by_name(url):
    for opened in (LabelStore, TagStore):
        with pytest.raises(LabelStoreError, match=r"^(store|tags)"):
            opened(url)
