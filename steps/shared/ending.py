"""Mark runs as KILLED when their process is terminated, or at the next start of the same step."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import mlflow
from mlflow.entities import Run

from steps.shared.stay_killed import let_stay_killed

PROCESS_TAG = "process"
_KILLED, _FAILED, _OPEN = "KILLED", "FAILED", ("RUNNING", "SCHEDULED")
_CANCELLED_MS = 60_000
"""A child that failed so shortly before its parent was interrupted was cancelled with it."""


class _Terminated(KeyboardInterrupt):
    """A SIGTERM, such as a cluster's scheduler sends; MLflow cancels the child of a Ctrl-C."""


@contextmanager
def closed_when_killed(run: Run, *, joined: bool) -> Iterator[None]:
    """End the active run as KILLED on SIGTERM or Ctrl-C, and those that a SIGKILL left open.

    Args:
        run: the active run.
        joined: whether `mlflow run` made it.
    """
    mlflow.set_tag(PROCESS_TAG, f"{socket.gethostname()}:{os.getpid()}")
    _close_abandoned(run)
    main = threading.current_thread() is threading.main_thread()  # only there signals are set
    before = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)} if main else {}
    if main:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    except KeyboardInterrupt as interrupt:
        for number in before:  # `mlflow run` around this sends another one meanwhile
            signal.signal(number, signal.SIG_IGN)
        mlflow.end_run(_KILLED)
        close_children(run, _KILLED)
        if joined:
            let_stay_killed(run.info.run_id)
        if isinstance(interrupt, _Terminated):
            raise SystemExit(128 + signal.SIGTERM) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def close_children(run: Run, status: str) -> None:
    """End the nested runs that are open, or that MLflow called FAILED when it cancelled them.

    Args:
        run: their parent.
        status: KILLED or FAILED.
    """
    client = mlflow.MlflowClient()
    now_ms = time.time() * 1000
    for child in client.search_runs(
        [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    ):
        ended_ms = child.info.end_time or now_ms
        cancelled = child.info.status == _FAILED and now_ms - ended_ms < _CANCELLED_MS
        if child.info.status in _OPEN or (status == _KILLED and cancelled):
            client.set_terminated(child.info.run_id, status)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise _Terminated


def _close_abandoned(run: Run) -> None:
    """End the runs of this experiment whose process on this machine no longer exists.

    A nested run that got no further than to be made goes with its parent.
    """
    client = mlflow.MlflowClient()
    found = client.search_runs([run.info.experiment_id], "attributes.status = 'RUNNING'")
    gone = {
        other.info.run_id
        for other in found
        if other.info.run_id != run.info.run_id and _is_gone(other.data.tags.get(PROCESS_TAG, ""))
    }
    for other in found:
        parent = other.data.tags.get("mlflow.parentRunId")
        if other.info.run_id in gone or (parent in gone and PROCESS_TAG not in other.data.tags):
            client.set_terminated(other.info.run_id, _KILLED)


def _is_gone(process: str) -> bool:
    """Tell whether a process of this machine no longer exists; other machines are not checked."""
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
