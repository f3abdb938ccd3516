"""`upgrade.sh` with a real PostgreSQL and real migrations; `docker compose` is recorded."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from mlflow.store.db.utils import _get_alembic_config, _get_schema_version
from mlflow.store.tracking.dbmodels.initial_models import Base as InitialBase
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import create_engine
from team_stack import DEPLOY, Postgres, postgres_programs

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(postgres_programs() is None, reason="apt-get install postgresql"),
]
FORMER = "0584bdc529eb"
"""Revision of the tables of an earlier MLflow."""
COMPOSE = """#!/bin/sh
echo "$2" >> "$CALLS"
test "$2" != "$FAILING" || exit 1
test "$2" != run || {DO_UPGRADE}
"""


class Stack:
    """Databases as an earlier version left them, and a `docker` that notes what it is asked."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.postgres = folder, Postgres()
        for database in ("mlflow", "mlflow_auth", "labels"):
            self.postgres.execute(f"CREATE DATABASE {database}")
        self.postgres.execute("CREATE TABLE votes AS SELECT 7 AS crater", "labels")
        self.url = self.postgres.url("mlflow").replace("postgresql:", "postgresql+psycopg:")
        self.engine = create_engine(self.url)
        InitialBase.metadata.create_all(self.engine)
        command.upgrade(_get_alembic_config(self.url), FORMER)
        self.postgres.execute(
            "INSERT INTO experiments (name, lifecycle_stage) VALUES ('craters', 'active')", "mlflow"
        )
        self.backup = folder
        self.calls = folder / "calls"
        upgrade = f'"{sys.executable}" -m mlflow db upgrade "{self.url}"'
        docker = folder / "docker"
        docker.write_text(COMPOSE.replace("{DO_UPGRADE}", upgrade))
        docker.chmod(0o755)

    def run(
        self, script: str, failing: str = "", tool: str = "true"
    ) -> "subprocess.CompletedProcess[str]":
        """Run a script of the stack; this subcommand of compose fails."""
        self.calls.write_text("")
        environment = {
            **os.environ, "CALLS": str(self.calls), "FAILING": failing, "POSTGRES": "",
            "PATH": f"{self.folder}:{self.postgres.programs}:{os.environ['PATH']}",
            "PGHOST": "127.0.0.1", "PGUSER": "mlflow", "PGPORT": str(self.postgres.port),
            "BUCKET_TOOL": tool,
        }  # fmt: skip
        return subprocess.run(
            [DEPLOY / "scripts" / script, self.backup], env=environment, capture_output=True,
            text=True, timeout=300,
        )  # fmt: skip

    def revision(self) -> str:
        return str(_get_schema_version(self.engine))

    def asked(self) -> list[str]:
        return self.calls.read_text().split()

    def tables(self) -> list[str]:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        return [name for (name,) in self.postgres.execute(names, "mlflow")]

    def experiments(self) -> list[str]:
        return [name for (name,) in self.postgres.execute("SELECT name FROM experiments", "mlflow")]


@pytest.fixture(scope="module")
def former(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    stack = Stack(tmp_path_factory.mktemp("upgrade"))
    try:
        yield stack
    finally:
        stack.engine.dispose()
        stack.postgres.remove()


@pytest.fixture
def stack(former: Stack, tmp_path: Path) -> Stack:
    """With the tables of the earlier version, which each test leaves there."""
    assert (former.revision(), former.experiments()) == (FORMER, ["craters"])
    former.backup = tmp_path / "a backup"
    return former


def test_upgraded_and_back_with_tables_and_votes(stack: Stack) -> None:
    before = stack.tables()
    done = stack.run("upgrade.sh")
    assert done.returncode == 0, done.stderr
    assert len(stack.tables()) > len(before)
    assert stack.asked() == ["build", "stop", "run", "up"]
    assert {file.name for file in stack.backup.iterdir()} == {
        "mlflow.dump", "mlflow_auth.dump", "labels.dump", "bucket.tar", "SHA256SUMS"
    }  # fmt: skip
    assert stack.revision() != FORMER
    store = SqlAlchemyStore(stack.url, str(stack.folder))  # refuses tables of another version
    assert store.get_experiment_by_name("craters") is not None
    store.create_experiment("later")
    stack.postgres.execute("DROP TABLE votes", "labels")
    # The new version has tables that refer to old ones: a backup comes back all the same.
    back = stack.run("restore.sh")
    assert back.returncode == 0, back.stderr
    assert (stack.revision(), stack.experiments()) == (FORMER, ["craters"])
    assert stack.postgres.execute("SELECT crater FROM votes", "labels") == [(7,)]
    assert stack.tables() == before


@pytest.mark.parametrize(
    ("failing", "tool", "asked"),
    [
        ("build", "true", ["build"]),
        ("", "false", ["build", "stop", "start"]),  # the backup fails
        ("run", "true", ["build", "stop", "run", "start"]),
    ],
)
def test_what_fails_early_leaves_the_former_server(
    stack: Stack, failing: str, tool: str, asked: list[str]
) -> None:
    done = stack.run("upgrade.sh", failing, tool)
    assert done.returncode != 0
    assert stack.asked() == asked
    assert ("the former tracking server runs again" in done.stderr) == ("start" in asked)
    assert (stack.revision(), stack.experiments()) == (FORMER, ["craters"])


def test_containers_that_are_not_healthy_are_told_with_the_way_back(stack: Stack) -> None:
    done = stack.run("upgrade.sh", "up")
    assert done.returncode == 1
    assert f"scripts/restore.sh {stack.backup}" in done.stderr
    assert stack.run("restore.sh").returncode == 0


def test_a_damaged_dump_changes_nothing(stack: Stack) -> None:
    assert stack.run("backup.sh").returncode == 0
    dump = stack.backup / "mlflow.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    sums = subprocess.run(
        "sha256sum -- *.dump bucket.tar > SHA256SUMS", shell=True, cwd=stack.backup
    )
    assert sums.returncode == 0  # as if it had been cut short before the sums were taken
    assert stack.run("restore.sh").returncode != 0
    assert stack.experiments() == ["craters"]
