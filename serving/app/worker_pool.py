"""Start, watch, replace and stop the worker processes.

The supervisors of uvicorn and gunicorn do not do what is needed here. On SIGTERM uvicorn closes the
listening sockets at once, which cuts off callers whose connections the kernel has accepted already.
Both start workers that die at once again and again. Their workers share one socket, whereas
SO_REUSEPORT has the kernel spread the connections. gunicorn forks a process that has threads.
"""

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Event

from prometheus_client import multiprocess as metrics_files

from lunar_models.config.serve import ServeConfig
from serving.app.worker import ALIVE, READY, run

_log = logging.getLogger(__name__)
_MOST_FAILED_STARTS = 3
_LONGEST_WAIT_S = 30.0
_GRACE_S = 10.0
_HANG_S = 15.0
"""A worker that is silent for longer has stopped; it speaks every second."""
_START_S = 300.0
"""How long a worker may be silent while it starts: it waits for the first model."""
_LOOK_S = 0.5


@dataclass(eq=False)
class _Worker:
    process: BaseProcess
    line: Connection
    heard: float = field(default_factory=time.monotonic)
    ready: bool = False
    reason: str = ""
    """Why it could not start, if it said so."""

    def listen(self) -> None:
        """Read its messages."""
        try:
            while self.line.poll():
                message = self.line.recv_bytes()
                self.heard = time.monotonic()
                if message == READY:
                    self.ready = True
                elif message != ALIVE:
                    self.reason = message.decode()
        except (EOFError, OSError):
            return  # it is dead; its sentinel says so, too

    def hangs(self, now: float) -> bool:
        """Whether it has been silent for too long."""
        return now - self.heard > (_HANG_S if self.ready else _START_S)


class WorkerPool:
    """The worker processes of a server.

    Args:
        config: how many, and what they are to do.
        pointer_file: says which model to serve.
        port: they share.
        when_ready: called once, when the first can answer.
    """

    def __init__(
        self, config: ServeConfig, pointer_file: Path, port: int, when_ready: Callable[[], None]
    ) -> None:
        self._config = config
        self._arguments = (config, pointer_file, port)
        self._when_ready = when_ready
        # Threads and locks of this process do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        self._workers: list[_Worker] = []
        self._failed_starts = 0
        self._ever_ready = False
        self._start_again_at = 0.0

    def keep(self, stop: Event) -> int:
        """Keep the number of workers constant until `stop` is set; returns the exit code."""
        looked = time.monotonic()
        while not stop.is_set():
            if time.monotonic() >= self._start_again_at:
                while len(self._workers) < self._config.workers:
                    self._start()
            wait([worker.process.sentinel for worker in self._workers], timeout=_LOOK_S)
            now = time.monotonic()
            if now - looked > _HANG_S / 2:  # it was this process, or all of them, that stopped
                for worker in self._workers:
                    worker.heard = now
            looked = now
            self._watch(now)
            for worker in [w for w in self._workers if not w.process.is_alive()]:
                if not stop.is_set() and not self._note_death(worker):
                    return 1
        return 0

    def _watch(self, now: float) -> None:
        for worker in self._workers:
            worker.listen()
            if worker.ready:
                self._failed_starts = 0
                if not self._ever_ready:
                    self._ever_ready = True
                    self._when_ready()
            if worker.process.is_alive() and worker.hangs(now):
                _log.error("worker hangs", extra={"worker": worker.process.pid})
                worker.process.kill()
                worker.process.join()

    def dismiss(self) -> None:
        """Stop all workers; kill those that do not finish in time."""
        for worker in self._workers:
            if worker.process.is_alive() and worker.process.pid:
                os.kill(worker.process.pid, signal.SIGTERM)
                os.kill(worker.process.pid, signal.SIGCONT)
        until = time.monotonic() + self._config.drain_s + self._config.deadline_s + _GRACE_S
        for worker in self._workers:
            worker.process.join(max(0.0, until - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=run, args=(*self._arguments, theirs))
        process.start()
        theirs.close()
        self._workers.append(_Worker(process, ours))

    def _note_death(self, worker: _Worker) -> bool:
        """Remove a dead worker; returns whether to start another."""
        worker.listen()
        worker.line.close()
        self._workers.remove(worker)
        metrics_files.mark_process_dead(worker.process.pid)  # type: ignore[no-untyped-call]
        code = worker.process.exitcode
        extra = {"worker": worker.process.pid, "exit_code": code, "reason": worker.reason}
        _log.error("worker died", extra=extra)
        if worker.ready:
            return True
        self._failed_starts += 1
        hopeless = worker.reason or self._failed_starts >= _MOST_FAILED_STARTS
        if hopeless and not self._ever_ready:
            reason = worker.reason or "workers die as soon as they start; see the log"
            _log.error("giving up", extra={"reason": reason})
            return False
        seconds = min(2.0**self._failed_starts, _LONGEST_WAIT_S)
        self._start_again_at = time.monotonic() + seconds
        return True
