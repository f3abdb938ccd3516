"""How runs end that are killed: by the signal itself, or by the next start of the same step."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import mlflow
from mlflow.entities import Run

from steps.shared.cache import KEY_TAG

PROCESS_TAG = "process"
_KILLED = "KILLED"


class _Terminated(SystemExit):
    """A SIGTERM, such as a cluster's scheduler sends, as an exception that unwinds the step."""


@contextmanager
def closed_when_killed(run: Run, key: str) -> Iterator[None]:
    """End the active run as KILLED on SIGTERM or Ctrl-C, and those that a SIGKILL left open.

    Args:
        run: the active run.
        key: its step key.
    """
    mlflow.set_tag(PROCESS_TAG, f"{socket.gethostname()}:{os.getpid()}")
    _close_abandoned(run, key)
    main = threading.current_thread() is threading.main_thread()  # only there signals are set
    before = signal.signal(signal.SIGTERM, _terminate) if main else None
    try:
        yield
    except (KeyboardInterrupt, _Terminated):
        mlflow.end_run(_KILLED)
        raise
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated(128 + number)


def _close_abandoned(run: Run, key: str) -> None:
    """End the runs of the same work whose process on this machine is gone."""
    client = mlflow.MlflowClient()
    for other in client.search_runs(
        [run.info.experiment_id],
        f"tags.{KEY_TAG} = '{key}' and attributes.status = 'RUNNING'",
    ):
        if other.info.run_id != run.info.run_id and _is_gone(other.data.tags.get(PROCESS_TAG, "")):
            client.set_terminated(other.info.run_id, _KILLED)


def _is_gone(process: str) -> bool:
    """Whether no process has that number here; those of other machines are not known."""
    host, _, number = process.rpartition(":")
    if host != socket.gethostname():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return False
