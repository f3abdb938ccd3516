"""Measure the processor time and the memory of this process and its children together.

Memory is the proportional set size: a page that n processes share counts 1/n in each, so that the
sum is what all of them take of the machine, pages of mapped files included. What is *private*
would be free again if that process alone ended.
"""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def processor_seconds() -> float:
    """Of this process, of its children, and of those of theirs that have ended."""
    return sum(_of_all(lambda process: sum(process.cpu_times()[:4])))


class MemoryWatch:
    """Looks every second for the largest memory of all processes together."""

    def __init__(self) -> None:
        self.peak: list[tuple[float, float]] = []
        """GB of each process when all together had most, and how many of them are private."""
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        most = 0.0
        while True:
            found = _of_all(lambda process: process.memory_full_info())
            if (total := sum(memory.pss for memory in found)) > most:
                most = total
                self.peak = [(memory.pss / 1e9, memory.uss / 1e9) for memory in found]
            time.sleep(1.0)


def _of_all(ask: Callable[[psutil.Process], T]) -> list[T]:
    """Ask this process and its children; those that end in between are left out."""
    me = psutil.Process()
    answers = []
    for process in (me, *me.children(recursive=True)):
        try:
            answers.append(ask(process))
        except psutil.Error:
            continue
    return answers
