"""Distribute tasks: in this process, over processes of this machine, or over a Ray cluster.

An engine yields each task as it ends, with its record or the error it ended with; an error of one
task stops no other.
"""

import gc
import multiprocessing
import multiprocessing.connection
import multiprocessing.context
import os
import pkgutil
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from lunar_models.errors import LunarModelsError

ATTEMPTS = 3
"""How often a task is begun whose process dies."""

PRELOADED = ("serving.batch.tasks", "serving.batch.stages")
"""Modules that are imported once, before processes are forked, so that they share the memory."""

_PATIENCE = 1.0
"""Seconds until a process is told again to end."""


class Task(NamedTuple):
    """A call of a function that every process can import."""

    function: Callable[..., Any] | str
    """A name is that of a module and its function, ``a.b:c``: who asks need not import it."""
    arguments: tuple[Any, ...]


class Ended(NamedTuple):
    """A task that ended."""

    task: Task
    result: Any
    """None after an error."""
    error: Exception | None


class Engine(Protocol):
    """Runs tasks."""

    @property
    def capacity(self) -> int:
        """Tasks that it works on at once."""

    def run(self, tasks: Sequence[Task]) -> Iterator[Ended]:
        """Yield every task as it ends, in any order."""

    def run_alone(self, task: Task) -> Any:
        """Run one task whose memory is not needed afterwards; an error of it is raised."""

    def close(self) -> None:
        """Give back what the engine holds; tasks that still run are given up."""


def perform(task: Task) -> Any:
    """Call the function of a task here."""
    function = task.function
    if isinstance(function, str):
        function = pkgutil.resolve_name(function)
    return function(*task.arguments)


class WorkerDied(LunarModelsError):
    """A process ended without an answer: killed, or out of memory."""


class InlineEngine:
    """Run tasks one after the other in this process."""

    capacity = 1

    def run(self, tasks: Sequence[Task]) -> Iterator[Ended]:
        """Yield every task as it ends."""
        for task in tasks:
            yield call(task)

    def run_alone(self, task: Task) -> Any:
        """Run one task here."""
        return perform(task)

    def close(self) -> None:
        """Nothing is held."""


def call(task: Task) -> Ended:
    """Run a task here."""
    try:
        return Ended(task, perform(task), None)
    except Exception as error:
        return Ended(task, None, error)


class ProcessEngine:
    """Run tasks in processes of this machine; the task of one that is killed is begun again.

    Args:
        workers: processes.
        preload: modules that are imported before the processes are forked.
    """

    def __init__(self, workers: int, *, preload: Sequence[str] = PRELOADED) -> None:
        self.capacity = workers
        self._context = _forkserver(preload)
        self._pool = self._new_pool()
        self._running: dict[Future[Any], int] = {}

    def run(self, tasks: Sequence[Task]) -> Iterator[Ended]:
        """Yield every task as it ends, in any order."""
        begun = dict.fromkeys(range(len(tasks)), 0)
        waiting = list(reversed(range(len(tasks))))
        running = self._running = {}
        while waiting or running:
            while waiting and len(running) < 2 * self.capacity:
                number = waiting.pop()
                begun[number] += 1
                try:
                    future = self._pool.submit(perform, tasks[number])
                except BrokenProcessPool:
                    self._pool = self._new_pool()
                    future = self._pool.submit(perform, tasks[number])
                running[future] = number
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                number = running.pop(future)
                error = future.exception()
                if isinstance(error, BrokenProcessPool) and begun[number] < ATTEMPTS:
                    waiting.append(number)
                    continue
                if isinstance(error, BrokenProcessPool):
                    error = WorkerDied(
                        f"Its process died {ATTEMPTS} times: killed, or out of memory. Give fewer "
                        "workers."
                    )
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield Ended(tasks[number], None if error else future.result(), error)

    def run_alone(self, task: Task) -> Any:
        """Run one task in a process that ends with it."""
        return run_alone(task)

    def close(self) -> None:
        """End the processes, those too that still work."""
        # One that has ended a task may begin the next, which waits for it already.
        while self._running and (alive := multiprocessing.active_children()):
            for process in alive:
                process.terminate()
            multiprocessing.connection.wait([process.sentinel for process in alive], _PATIENCE)
        self._pool.shutdown(cancel_futures=True)

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.capacity, mp_context=self._context, initializer=_start_worker
        )


def run_alone(task: Task) -> Any:
    """Run one task in a process that ends with it, so that its memory is free again.

    Raises:
        Exception: as the task.
        WorkerDied: the process was killed.
    """
    ours, theirs = (context := _forkserver(PRELOADED)).Pipe(duplex=False)
    process = context.Process(target=_answer, args=(task, dict(os.environ), theirs))
    process.start()
    theirs.close()
    try:
        ended: Ended = ours.recv()
    except EOFError as error:
        raise WorkerDied(
            "The process that plans and merges died: killed, or out of memory. Give the job more "
            "memory and run the same command again."
        ) from error
    finally:
        process.terminate()  # for nothing, if it has ended
        process.join()
    if ended.error is not None:
        raise ended.error
    return ended.result


def _answer(
    task: Task, environment: dict[str, str], connection: multiprocessing.connection.Connection
) -> None:
    os.environ |= environment  # that of the fork server may be older: another tracking server
    _start_worker()
    ended = call(task)
    if ended.error is not None and not isinstance(ended.error, LunarModelsError):
        ended.error.add_note("".join(traceback.format_exception(ended.error)))  # of this process
    connection.send(ended)


def _forkserver(preload: Sequence[str]) -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def _start_worker() -> None:
    gc.freeze()  # a collection writes to all that was imported, and so would copy it
    _end_with_parent()


def _end_with_parent() -> None:
    """End this process when the driver ends: else it would wait for work for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        with suppress(OSError):
            assert parent is not None
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
