"""Distribute tasks over a Ray cluster; needs the extra ``[ray]``.

The driver is thin: tasks write to the work folder, which all nodes must see, and return a record
of a few bytes. Ray begins tasks again whose worker or node died.
"""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from lunar_models.errors import ConfigError
from serving.batch.engines import ATTEMPTS, Ended, Task, WorkerDied, call, run_alone

_PER_CPU = 2
"""Most tasks in flight per CPU of the cluster: more would only fill its tables."""

_PATIENCE = 10.0
"""Seconds until a machine must have answered."""


class RayEngine:
    """Run tasks on a Ray cluster.

    Args:
        address: ``auto`` finds the cluster of this machine, ``local`` starts one for this job
            alone, else ``host:port`` or ``ray://…``.
        workers: CPUs of a cluster that is started; None for all.
        gpus: whether each task needs a GPU of its own.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str, *, workers: int | None, gpus: bool) -> None:
        on_sigterm = signal.getsignal(signal.SIGTERM)
        self._ray = _import_ray()
        self._gpus = gpus
        own = address == "local"
        _require_listener(address)
        self._started = not self._ray.is_initialized()
        if not self._started:
            return
        try:
            self._ray.init(
                address="local" if own else address,
                num_cpus=workers if own else None,
                include_dashboard=False if own else None,
                log_to_driver=False,
                runtime_env={"env_vars": {"PYTHONPATH": _python_path()}},
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"address={address}: no Ray cluster answers there ({error}). Start one with "
                "`ray start --head`, or give address=local."
            ) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                # Ray puts its own there, which would hide from the step that it was terminated.
                signal.signal(signal.SIGTERM, on_sigterm)

    @property
    def capacity(self) -> int:
        """Tasks that the cluster works on at once."""
        total: dict[str, float] = self._ray.cluster_resources()
        return max(1, int(total.get("GPU" if self._gpus else "CPU", 1)))

    def run(self, tasks: Sequence[Task]) -> Iterator[Ended]:
        """Yield every task as it ends, in any order."""
        begin = self._starter()
        waiting = list(reversed(tasks))
        running: dict[Any, Task] = {}
        while waiting or running:
            while waiting and len(running) < _PER_CPU * self.capacity:
                task = waiting.pop()
                running[begin(task)] = task
            done, _ = self._ray.wait(list(running), num_returns=1)
            for reference in done:
                yield self._collect(reference, running.pop(reference))

    def run_alone(self, task: Task) -> Any:
        """Run one task on this machine, in a process that ends with it."""
        return run_alone(task)

    def close(self) -> None:
        """Leave the cluster; one that was started for this job ends."""
        if self._started:
            self._ray.shutdown()

    def _starter(self) -> Any:
        """What begins a task: a Ray task, or where there are GPUs one actor for each."""
        if not self._gpus:
            remote = self._ray.remote(_call_in).options(num_cpus=1, max_retries=ATTEMPTS)
            return lambda task: remote.remote(os.getcwd(), task)
        actor = self._ray.remote(_GpuWorker).options(
            num_gpus=1, max_restarts=ATTEMPTS, max_task_retries=ATTEMPTS
        )
        actors = [actor.remote() for _ in range(self.capacity)]
        turn = iter(range(1 << 62))
        return lambda task: actors[next(turn) % len(actors)].run.remote(os.getcwd(), task)

    def _collect(self, reference: Any, task: Task) -> Ended:
        try:
            ended = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            text = str(error).strip().splitlines()[0]
            return Ended(task, None, WorkerDied(f"Its worker died {ATTEMPTS} times ({text})."))
        return Ended(task, ended.result, ended.error)


class _GpuWorker:
    """Holds a GPU and the model on it from task to task."""

    def run(self, folder: str, task: Task) -> Ended:
        return _call_in(folder, task)


def _call_in(folder: str, task: Task) -> Ended:
    """Run a task where the driver runs: relative paths mean the same, wherever Ray was started."""
    with suppress(OSError):  # not there on this node; absolute paths do not need it
        os.chdir(folder)
    return call(task)


def _require_listener(address: str) -> None:
    """Look whether anything listens at HOST:PORT: Ray itself would try for minutes, and abort.

    Raises:
        ConfigError: nothing does.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:
        return  # auto, local
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(
            f"address={address}: no Ray cluster answers there ({error}). Give HOST:PORT as "
            "`ray start --head` says it, or auto on a machine of the cluster."
        ) from error


def _import_ray() -> Any:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "engine=ray needs Ray: pip install 'lunar-models[ray]', or use engine=local."
        ) from error
    return ray


def _python_path() -> str:
    """So that workers import the code that the driver runs."""
    from pathlib import Path

    root = str(Path(__file__).resolve().parent.parent.parent)
    return os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
