"""Start `-e relabel` for who decides on labels, one at a time, or tell the command.

A file lock that the step inherits says whether it still runs, whichever worker started it.
"""

import fcntl
import hashlib
import importlib.util
import os
import shlex
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

_STEP = "steps.relabel"
_TAIL_BYTES = 2000


class RelabelAnswer(BaseModel):
    """What became of a request to fit the head on the labels."""

    state: Literal["unavailable", "idle", "started", "running"]
    """unavailable: this server cannot start it; idle: it does not run, or has ended."""
    command: str
    """What to run by hand, on a machine with the project and its tracking server."""
    said: str = ""
    """The last line that the step printed."""


class Relabelling:
    """The step `relabel` on the labels of one store.

    Args:
        store: of the labels, a file or URL.
        crops: the crop set folder.
        scheme: name of the scheme.
        encoder: its `encoder_uri`; None: this server starts nothing.
    """

    def __init__(self, store: str, crops: str, scheme: str, encoder: str | None) -> None:
        self._encoder = encoder
        self._parameters = {
            "votes": store, "crops": crops, "scheme": scheme,
            "encoder_uri": encoder or "pretrained:craters-48",
        }  # fmt: skip
        key = hashlib.sha256(os.path.abspath(store).encode()).hexdigest()[:16]
        self._folder = Path(tempfile.gettempdir()) / f"lunar-models-{os.getuid()}"
        self._lock = self._folder / f"relabel-{key}.lock"
        self._log = self._lock.with_suffix(".log")

    @property
    def command(self) -> str:
        """The command that does the same by hand."""
        given = [f"-P {shlex.quote(f'{name}={value}')}" for name, value in self._parameters.items()]
        return " ".join(("mlflow run . -e relabel --env-manager local", *given))

    def status(self) -> RelabelAnswer:
        """Whether it runs, and what it said last."""
        if not self._can_start():
            return RelabelAnswer(state="unavailable", command=self.command)
        with self._alone(), self._lock.open("a") as lock:
            state: Literal["idle", "running"] = "idle" if _acquire(lock.fileno()) else "running"
        return RelabelAnswer(state=state, command=self.command, said=self._last_line())

    def start(self) -> RelabelAnswer:
        """Start it unless it runs already."""
        if not self._can_start():
            return self.status()
        words = [w for name, value in self._parameters.items() for w in (f"--{name}", value)]
        with self._alone(), self._lock.open("a") as lock:
            if not _acquire(lock.fileno()):
                return RelabelAnswer(state="running", command=self.command, said=self._last_line())
            with self._log.open("w") as log:
                subprocess.Popen(
                    [sys.executable, "-m", _STEP, *words], stdout=log, stderr=log,
                    stdin=subprocess.DEVNULL, pass_fds=(lock.fileno(),), start_new_session=True,
                )  # fmt: skip
        return RelabelAnswer(state="started", command=self.command)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one worker after the other try the lock: a look keeps nobody from starting."""
        with self._lock.with_suffix(".turn").open("a") as turn:
            fcntl.flock(turn.fileno(), fcntl.LOCK_EX)
            yield

    def _can_start(self) -> bool:
        if self._encoder is None or not _has_step():
            return False
        self._folder.mkdir(mode=0o700, exist_ok=True)
        found = self._folder.lstat()  # nobody else may have laid it there
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()

    def _last_line(self) -> str:
        if not self._log.is_file():
            return ""
        lines = self._log.read_bytes()[-_TAIL_BYTES:].decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""


def _has_step() -> bool:
    try:
        return importlib.util.find_spec(_STEP) is not None
    except ModuleNotFoundError:  # installed without the project's folder
        return False


def _acquire(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
