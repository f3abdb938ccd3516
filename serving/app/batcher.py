"""Batch the crops of concurrent requests into shared forward passes.

One thread computes. Meanwhile new crops queue up, and the next batch takes all of them, up to
`BATCH`. So a single request never waits for others, and concurrent ones share forward passes.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.app import metrics
from serving.app.problems import Problem
from serving.model.bundle import Bundle
from serving.model.classify import BATCH, classify_batch
from serving.model.preparation import Crop
from serving.model.schema import CropAnswer, ModelAnswer, Options

_SHARE = 16
"""Crops one request may put into a batch before the others have their turn."""


@dataclass(eq=False)
class Job:
    """The crops of one request."""

    bundle: Bundle
    model: ModelAnswer
    crops: Sequence[Crop]
    options: Options
    encode: Callable[[list[CropAnswer]], bytes]
    """Makes the reply's body, in the computing thread."""
    deadline: float
    """`time.monotonic()` after which nobody waits for it."""
    future: "asyncio.Future[bytes]"
    loop: asyncio.AbstractEventLoop
    answers: list[CropAnswer] = field(default_factory=list)
    taken: int = 0
    cancelled: bool = False

    def stale(self, now: float) -> bool:
        """Return whether nobody waits for the answer any longer."""
        return self.cancelled or now > self.deadline


class Batcher:
    """A bounded queue of crops and the thread that processes it."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting = 0
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._computing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)

    def start(self) -> None:
        """Start computing."""
        self._thread.start()

    def close(self) -> None:
        """Finish what was accepted, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def submit(self, job: Job) -> None:
        """Queue a job; its future gets the reply's body.

        Raises:
            Problem: 503, too many crops are waiting.
        """
        with self._changed:
            if self._waiting + len(job.crops) > self._capacity:
                raise Problem(
                    503, "busy", "Too many crops are waiting; try again.", {"retry-after": "1"}
                )
            self._waiting += len(job.crops)
            self._jobs.append(job)
            self._changed.notify()
        metrics.WAITING.set(self._waiting)

    def stuck(self, seconds: float) -> bool:
        """Return whether one batch has taken longer than that."""
        since = self._computing_since
        return since is not None and time.monotonic() - since > seconds

    def _run(self) -> None:
        while batch := self._take():
            self._computing_since = time.monotonic()
            self._compute(batch)
            self._computing_since = None

    def _take(self) -> list[tuple[Job, Crop]]:
        """The next crops, all for one model; empty when closed and done."""
        picked: list[tuple[Job, Crop]] = []
        with self._changed:
            while not picked:
                while not self._jobs:
                    if self._closed:
                        return []
                    self._changed.wait()
                now = time.monotonic()
                while self._jobs and len(picked) < BATCH:
                    if picked and self._jobs[0].bundle is not picked[0][0].bundle:
                        break
                    self._take_share(self._jobs.popleft(), picked, now)
        return picked

    def _take_share(self, job: Job, picked: list[tuple[Job, Crop]], now: float) -> None:
        if job.stale(now):
            self._waiting -= len(job.crops) - job.taken
            return
        share = job.crops[job.taken : job.taken + min(_SHARE, BATCH - len(picked))]
        picked += [(job, crop) for crop in share]
        job.taken += len(share)
        self._waiting -= len(share)
        if job.taken < len(job.crops):
            self._jobs.append(job)

    def _compute(self, batch: list[tuple[Job, Crop]]) -> None:
        jobs = [job for job, _ in batch]
        started = time.perf_counter()
        try:
            answers = classify_batch(
                jobs[0].bundle,
                [crop for _, crop in batch],
                model=jobs[0].model,
                options=[job.options for job in jobs],
            )
            for job, answer in zip(jobs, answers, strict=True):
                job.answers.append(answer)
            done = [job for job in dict.fromkeys(jobs) if len(job.answers) == len(job.crops)]
            results: list[tuple[Job, Any]] = [(job, _encoded(job)) for job in done]
        except Exception as error:
            # No future may stay open, or its request would hang.
            results = [(job, error) for job in dict.fromkeys(jobs)]
            for job in jobs:
                job.cancelled = True
        metrics.note_batch(len(batch), time.perf_counter() - started)
        metrics.WAITING.set(self._waiting)
        jobs[0].loop.call_soon_threadsafe(_resolve, results)


def _encoded(job: Job) -> bytes | Problem:
    """The reply's body; a job whose options do not fit its answers does not fail the others."""
    try:
        return job.encode(job.answers)
    except Problem as problem:
        return problem


def _resolve(results: list[tuple[Job, Any]]) -> None:
    for job, result in results:
        if job.future.done():
            continue
        if isinstance(result, Exception):
            job.future.set_exception(result)
        else:
            job.future.set_result(result)
