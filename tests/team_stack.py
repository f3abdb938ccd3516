"""A team's stack on this machine: PostgreSQL, an S3 server, and `mlflow server` with users.

The scripts in `deploy/` start it. PostgreSQL is Debian's (`apt-get install postgresql`); it refuses
to run as root, so root starts it as the user `postgres`. The S3 server is moto's, the tracking
server the real one.
"""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import requests
from live_server import reserve_port, wait_for

ADMIN, PASSWORD = "admin", "a-long-admin-password"
USERS = {"ana": "the-password-of-ana", "ben": "the-password-of-ben"}
BUCKET = "lunar-models"
S3_KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"


def postgres_programs() -> Path | None:
    """The folder with `initdb` and `pg_ctl`: on the PATH, or where Debian hides it."""
    found = shutil.which("pg_ctl")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "pg_ctl").exists()), None)


class Postgres:
    """A database cluster of its own in a folder of its own."""

    def __init__(self) -> None:
        programs = postgres_programs()
        assert programs is not None
        self.programs, self.port = programs, reserve_port()
        self.folder = Path(tempfile.mkdtemp(prefix="lunar-postgres-"))
        self.user = getpass.getuser()
        if os.getuid() == 0:
            self.user = "postgres"
            shutil.chown(self.folder, self.user, self.user)
        self._do("initdb", "-D", self.data, "-U", "mlflow", "-A", "trust", "-E", "UTF8", "-N")
        self.start()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str) -> str:
        return f"postgresql://mlflow@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -F"
        log = self.folder / "log"
        self._do("pg_ctl", "-D", self.data, "-o", settings, "-l", log, "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        """``immediate`` is as good as a crash: every connection is lost."""
        self._do("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement)
            return done.fetchall() if done.description else []

    def remove(self) -> None:
        with suppress(subprocess.CalledProcessError):
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _do(self, program: str, *arguments: object) -> None:
        subprocess.run(
            [self.programs / program, *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            user=self.user if os.getuid() == 0 else None,
        )


class TeamStack:
    """What a team runs; `folder` keeps the logs of the servers."""

    def __init__(self, folder: Path, log: Callable[[str], None]) -> None:
        self.folder, self.log = folder, log
        self.postgres = Postgres()
        for database in ("mlflow", "mlflow_auth"):
            self.postgres.execute(f"CREATE DATABASE {database}")
        self.port, self.s3_port = reserve_port(), reserve_port()
        self.uri, self.s3_uri = (f"http://127.0.0.1:{p}" for p in (self.port, self.s3_port))
        self._s3 = self._start(
            "s3", sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", self.s3_port
        )
        wait_for(lambda: _answers(self.s3_uri))
        self._write_secrets()
        script = [sys.executable, DEPLOY / "tracking" / "make_bucket.py"]
        subprocess.run(script, env={**os.environ, **self._settings()}, check=True)
        self._tracking: subprocess.Popen[bytes] | None = None
        self.start_tracking()

    def start_tracking(self) -> None:
        began = time.monotonic()
        self._tracking = self._start("tracking", DEPLOY / "tracking" / "start.sh")
        wait_for(lambda: _answers(f"{self.uri}/health"), 300)
        self.log(f"tracking server answers after {time.monotonic() - began:.1f} s")

    def _write_secrets(self) -> None:
        passwords = {"database": "unused", "admin": PASSWORD, "key": "of-sessions", "s3": "testing"}
        for name, text in passwords.items():
            (self.folder / name).write_text(text)

    def _settings(self) -> dict[str, str]:
        """What `deploy/compose.yaml` gives to the tracking server, here for this machine."""
        return {
            "DATABASE_HOST": "127.0.0.1", "DATABASE_PORT": str(self.postgres.port),
            "DATABASE_PASSWORD_FILE": str(self.folder / "database"),
            "ADMIN_PASSWORD_FILE": str(self.folder / "admin"),
            "SECRET_KEY_FILE": str(self.folder / "key"),
            "S3_SECRET_KEY_FILE": str(self.folder / "s3"),
            "AWS_ACCESS_KEY_ID": "testing", "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": self.s3_uri, "BUCKET": BUCKET,
            "ALLOWED_HOSTS": f"127.0.0.1:{self.port}",
            "LISTEN": "127.0.0.1", "PORT": str(self.port),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "TMPDIR": str(self.folder),
        }  # fmt: skip

    def create_user(self, name: str, password: str) -> str:
        """As an administrator does; what the script prints."""
        done = subprocess.run(
            [DEPLOY / "scripts" / "create-user.sh", name],
            input=password, text=True, check=True, capture_output=True,
            env={**os.environ, "TRACKING": self.uri,
                 "ADMIN_PASSWORD_FILE": str(self.folder / "admin")},
        )  # fmt: skip
        return done.stdout

    def status_for(self, name: str, password: str) -> int:
        """What the server answers to these credentials."""
        address = f"{self.uri}/api/2.0/mlflow/experiments/get?experiment_id=0"
        return requests.get(address, auth=(name, password), timeout=30).status_code

    def stop_tracking(self, number: int = signal.SIGKILL) -> None:
        """End the tracking server with its workers, in the middle of whatever it does."""
        assert self._tracking is not None
        os.killpg(self._tracking.pid, number)
        self._tracking.wait(30)
        self.log(f"tracking server ended by signal {int(number)}")

    def bucket(self) -> Any:
        """A client of the S3 server."""
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.s3_uri, aws_access_key_id="testing",
            aws_secret_access_key="testing", region_name="us-east-1",
        )  # fmt: skip

    def stored(self) -> list[str]:
        pages = self.bucket().get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
        return [item["Key"] for page in pages for item in page.get("Contents", ())]

    def environment(self, user: str, **more: str) -> dict[str, str]:
        """What a member of the team sets; no key of the S3 server is in it."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_"))}
        return {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": self.uri,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": {ADMIN: PASSWORD, **USERS}[user],
            "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
            **more,
        }

    def close(self) -> None:
        for process in (self._tracking, self._s3):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        self.postgres.remove()

    def _start(self, name: str, *command: object) -> "subprocess.Popen[bytes]":
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "MLFLOW_"))}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(part) for part in command],
                env={**kept, **self._settings(), "PATH": path},
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).status_code < 500
    except requests.RequestException:
        return False


@contextmanager
def team_stack(folder: Path, log: Callable[[str], None]) -> Iterator[TeamStack]:
    """Start a team's stack with two users who are no admins, and take it down at the end."""
    stack = TeamStack(folder, log)
    try:
        for name, password in USERS.items():
            stack.create_user(name, password)
        yield stack
    finally:
        stack.close()
