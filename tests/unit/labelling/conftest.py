"""Votes, and a PostgreSQL server of the machine's own where there is one."""

import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from live_server import reserve_port

from lunar_models.labelling import Vote


@pytest.fixture
def make_vote() -> Callable[..., Vote]:
    def make(crater_id: str = "01-1-000001", **fields) -> Vote:
        plain = {
            "vote_id": str(uuid.uuid4()), "labeller": "ada", "value": "New",
            "scheme": "degradation", "scheme_version": 1,
            "time_utc": datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), "seconds": 2.5,
        }  # fmt: skip
        return Vote(crater_id=crater_id, **(plain | fields))

    return make


def _tool(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


@pytest.fixture(scope="session")
def postgresql_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a new folder; its tests are skipped where PostgreSQL is not installed."""
    initdb, postgres = _tool("initdb"), _tool("postgres")
    if initdb is None or postgres is None:
        pytest.skip("PostgreSQL is NOT installed: the label store is untested on it")
    folder = tmp_path_factory.mktemp("postgresql")
    user = _server_user(folder)
    data = folder / "data"
    subprocess.run([*user, initdb, "-D", data, "-A", "trust", "-U", "lunar"], check=True,
                   capture_output=True)  # fmt: skip
    port = reserve_port()
    server = subprocess.Popen(
        [*user, postgres, "-D", data, "-p", str(port), "-k", str(folder), "-h", "127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"postgresql+psycopg://lunar@127.0.0.1:{port}/postgres"
        _wait(url)
        yield url
    finally:
        server.terminate()
        server.wait()


def _server_user(folder: Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if subprocess.run(["id", "-u"], capture_output=True, text=True, check=True).stdout != "0\n":
        return []
    shutil.chown(folder, "postgres")
    for parent in folder.parents:
        if parent.owner() == "root" and parent.stat().st_mode & 0o005 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)
    return ["runuser", "-u", "postgres", "--"]


def _wait(url: str) -> None:
    import sqlalchemy as sa
    from live_server import wait_for

    engine = sa.create_engine(url)

    def answers() -> bool:
        try:
            engine.connect().close()
        except sa.exc.OperationalError:
            return False
        return True

    wait_for(answers, 30)
    engine.dispose()
