"""The labelling server as a command, which tests may kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import requests
from live_server import reserve_port, wait_for

from lunar_models.labelling import LabelStore
from serving.app.tokens import create_token


class LabelServer:
    """`lunar-label` on a port of its own; `restart` keeps port and store."""

    def __init__(self, folder: Path, crops: Path, **options: object) -> None:
        self.port = reserve_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.store = LabelStore(folder / "labels.db")
        self.log = folder / "server.log"
        settings = {"store": folder / "labels.db", "port": self.port} | options
        given = [word for name, value in settings.items() for word in (f"--{name}", str(value))]
        self._command = [sys.executable, "-m", "serving.cli.label", str(crops), *given]
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_for(self._answers)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def votes(self) -> pd.DataFrame:
        return self.store.votes()

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/health", timeout=5).ok
        except requests.ConnectionError:
            return False


@contextmanager
def label_server(folder: Path, crops: Path, **options: object) -> Iterator[LabelServer]:
    folder.mkdir(parents=True, exist_ok=True)
    server = LabelServer(folder, crops, **options)
    try:
        yield server
    finally:
        server.process.terminate()
        server.process.wait()


def person(file: Path, name: str, *scopes: str) -> str:
    """The token of a person who labels."""
    return create_token(file, name=name, scopes=["label", *scopes])
