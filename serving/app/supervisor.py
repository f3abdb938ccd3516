"""Starts the workers, starts them again when they die, and stops them all."""

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from prometheus_client import multiprocess as metrics_files

from lunar_models.config.serve import ServeConfig
from lunar_models.errors import ConfigError
from serving.app import logs
from serving.app.follower import Follower
from serving.app.worker import bind, run

_log = logging.getLogger(__name__)
_EARLY_S = 10.0
_MOST_EARLY_DEATHS = 3
_GRACE_S = 10.0


def serve(config: ServeConfig) -> int:
    """Serve until SIGTERM or SIGINT.

    Returns:
        Exit code: 0 after a signal, 1 when workers die as soon as they start.

    Raises:
        ConfigError: the port is taken, or the address is not of this machine.
    """
    logs.configure(config.log_level)
    reservation = _reserve(config.host, config.port)
    port = reservation.getsockname()[1]
    follower = Follower(config.model, Path(config.cache), config.poll_s)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="lunar-metrics-") as metrics_folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder
        threading.Thread(target=follower.run, args=(stop,), daemon=True).start()
        scheme = "https" if config.tls_certificate else "http"
        url = f"{scheme}://{config.host}:{port}"
        _log.info("serving", extra={"url": url, "model": config.model})
        crew = _Crew(config, follower.file, port)
        try:
            return crew.keep(stop)
        finally:
            crew.dismiss()
            reservation.close()


def _reserve(host: str, port: int) -> socket.socket:
    """Hold the port; it must be free, although workers could share it with anyone."""
    try:
        if port:
            with socket.create_server((host, port), family=_family(host, port)):
                pass
        return bind(host, port)
    except OSError as error:
        raise ConfigError(
            f"{host}:{port} cannot be listened on ({error.strerror}); choose another --port."
        ) from error


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]


class _Crew:
    """The workers."""

    def __init__(self, config: ServeConfig, pointer_file: Path, port: int) -> None:
        self._config = config
        self._arguments = (config, pointer_file, port)
        # Threads and locks of this process do not survive a fork.
        self._context = multiprocessing.get_context("spawn")
        self._born: dict[BaseProcess, float] = {}
        self._early_deaths = 0

    def keep(self, stop: threading.Event) -> int:
        """Keep the crew complete until `stop` is set."""
        for _ in range(self._config.workers):
            self._start()
        while not stop.is_set():
            wait([worker.sentinel for worker in self._born], timeout=0.5)
            for worker in [w for w in self._born if not w.is_alive()]:
                if stop.is_set():
                    break
                if self._bury(worker) >= _MOST_EARLY_DEATHS:
                    _log.error("workers die as soon as they start; giving up")
                    return 1
                self._start()
        return 0

    def dismiss(self) -> None:
        """Ask all workers to finish; end those that do not."""
        for worker in self._born:
            if worker.is_alive() and worker.pid:
                os.kill(worker.pid, signal.SIGTERM)
        until = time.monotonic() + self._config.drain_s + self._config.deadline_s + _GRACE_S
        for worker in self._born:
            worker.join(max(0.0, until - time.monotonic()))
            if worker.is_alive():
                worker.kill()

    def _start(self) -> None:
        worker = self._context.Process(target=run, args=self._arguments)
        worker.start()
        self._born[worker] = time.monotonic()

    def _bury(self, worker: BaseProcess) -> int:
        """Note a death; returns how many in a row came early."""
        age = time.monotonic() - self._born.pop(worker)
        self._early_deaths = self._early_deaths + 1 if age < _EARLY_S else 0
        metrics_files.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
        _log.error("worker died", extra={"worker": worker.pid, "exit_code": worker.exitcode})
        return self._early_deaths
