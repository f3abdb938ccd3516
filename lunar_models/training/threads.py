"""Choose the number of CPU threads of a training by the cores that other processes leave free.

oneDNN's bfloat16 convolutions let threads wait for each other by spinning, whatever OpenMP's policy
is: a thread that another process keeps from its core stops all, many times in each step.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch

from lunar_models.joint_batch import world

OnThreads = Callable[[int, "float | None"], object]
"""Called with the number of threads, at the start and whenever it changes, and with the number of
cores that other processes keep busy (None: not measured, the number was given)."""

FIRST_LOOK_SECONDS = 0.2
LOOK_SECONDS = 5.0
TOLERATED = 0.3
"""Part of a core that others may keep busy while it counts as free. With two threads on two cores
`cae` breaks even at 0.4 (`python -m benchmarks.busy_training`)."""


_PLACES = ("OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


class Usage(NamedTuple):
    """What has been computed so far, in seconds."""

    clock: float
    everybody: float
    """Processor time of all processes on the cores that this one may use."""
    own: float

    @classmethod
    def now(cls) -> "Usage":
        """Read the counters of the system and of this process."""
        import psutil  # not on every machine that trains on a GPU

        cores = psutil.cpu_times(percpu=True)
        busy = sum(
            sum(core[:8]) - core.idle - getattr(core, "iowait", 0.0)  # guests count in user
            for number, core in enumerate(cores)
            if number in _own_cores(len(cores))
        )
        return cls(time.perf_counter(), busy, time.process_time())


def _own_cores(count: int) -> set[int]:
    """Of `count` cores those that this process may run on."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(count))


def _bound() -> bool:
    """Whether OpenMP binds threads to cores: this one would then see a single core as its own."""
    asked = os.environ.get("OMP_PROC_BIND", "").strip().lower()
    return asked != "false" if asked else any(name in os.environ for name in _PLACES)


def busy_cores(before: Usage, after: Usage) -> float:
    """Return how many cores other processes kept busy, on average."""
    others = (after.everybody - before.everybody) - (after.own - before.own)
    return max(0.0, others / (after.clock - before.clock))


def choose_threads(others: float, *, cores: int, most: int) -> int:
    """Return the number of threads that find a core of their own, at least one.

    Args:
        others: cores that other processes keep busy.
        cores: on which this process may run.
        most: threads that may be chosen.
    """
    return min(most, max(1, math.floor(cores - others + TOLERATED)))


class Threads:
    """Keep torch at a number of threads that suits what else runs on the machine.

    Nothing is changed on a GPU. The load is not followed in one of several processes of a training,
    which would take each other for other programs, nor where OpenMP binds its threads to cores.
    """

    def __init__(
        self, given: int | None, device: torch.device, tell: OnThreads | None = None
    ) -> None:
        """Args:
        given: the number to keep; None follows the load.
        device: where the training computes.
        tell: see `OnThreads`.
        """
        self._given, self._tell = given, tell or (lambda threads, others: None)
        self._idle = device.type != "cpu" or (given is None and (world() > 1 or _bound()))
        self._cores = len(_own_cores(os.cpu_count() or 1))
        self._most = 1
        self._last: Usage | None = None

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Choose a number, and give back the former one at the end."""
        former = torch.get_num_threads()
        try:
            self._begin()
            yield
        finally:
            torch.set_num_threads(former)

    def follow(self) -> None:
        """Look at the load again where the last look is `LOOK_SECONDS` old; call it often."""
        if self._last is None or time.perf_counter() - self._last.clock < LOOK_SECONDS:
            return
        others = self._look()
        chosen = choose_threads(others, cores=self._cores, most=self._most)
        if chosen != torch.get_num_threads():
            self._set(chosen, others)

    def _begin(self) -> None:
        if self._idle:
            return
        import joblib

        # What torch was told (OMP_NUM_THREADS) and the quota of a container are limits.
        self._most = min(torch.get_num_threads(), joblib.cpu_count())
        if self._given is not None or self._most == 1:
            self._set(self._given or 1, None)
            return
        self._last = Usage.now()
        time.sleep(FIRST_LOOK_SECONDS)
        others = self._look()
        self._set(choose_threads(others, cores=self._cores, most=self._most), others)

    def _look(self) -> float:
        """Cores that others kept busy since the last look."""
        assert self._last is not None
        before, self._last = self._last, Usage.now()
        return busy_cores(before, self._last)

    def _set(self, threads: int, others: float | None) -> None:
        torch.set_num_threads(threads)
        self._tell(threads, others)
