"""What the handlers of one worker share, and the way of a request through the batcher."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from lunar_models.config.serve import ServeConfig
from serving.app import metrics
from serving.app.batcher import Batcher, Job
from serving.app.problems import Problem
from serving.app.served import ModelHolder, Served
from serving.model.classify import BATCH, Work
from serving.model.schema import CropAnswer, Options

if TYPE_CHECKING:  # the crop engine takes seconds to import, and only mosaics need it
    from serving.app.locate import Locator

T = TypeVar("T")
_ANSWERS = TypeAdapter(list[CropAnswer])
_DEADLINE_HEADER = "x-deadline-ms"


@dataclass
class WorkerState:
    """One worker's model, queue and limits."""

    config: ServeConfig
    holder: ModelHolder
    batcher: Batcher
    locator: "Locator | None"
    draining: bool = False
    """Shutting down: what comes is still answered, but nothing more should be sent."""

    def served(self) -> Served:
        """The model that answers now.

        Raises:
            Problem: 503, none is loaded yet.
        """
        if self.holder.current is None:
            raise Problem(503, "not_ready", "No model is loaded yet.", {"retry-after": "2"})
        return self.holder.current

    def deadline(self, request: Request) -> float:
        """`time.monotonic()` when a request must be over; the caller may ask for less time."""
        seconds = self.config.deadline_s
        wanted = request.headers.get(_DEADLINE_HEADER)
        if wanted is not None:
            if not wanted.isascii() or not wanted.isdigit():
                raise Problem(400, "bad_parameter", "X-Deadline-Ms is not a whole number.")
            seconds = min(seconds, int(wanted[:12]) / 1000.0)
        return time.monotonic() + seconds

    async def predict(
        self,
        request: Request,
        read: Callable[[], Awaitable[tuple[list[Work], Options]]],
        *,
        encode: Callable[[list[CropAnswer]], bytes] | None = None,
        embed_only: bool = False,
    ) -> Response:
        """Read the crops of a request, have them answered together with others, reply.

        Raises:
            Problem: of `read`; 503 when not ready or busy; 504 when the deadline is over.
        """
        served, deadline = self.served(), self.deadline(request)
        works, options = await until(deadline, read())
        loop = asyncio.get_running_loop()
        job = Job(
            bundle=served.embedder if embed_only else served.bundle,
            model=served.identity,
            works=works,
            options=options,
            encode=encode or encode_predictions,
            deadline=deadline,
            future=loop.create_future(),
            loop=loop,
        )
        self.batcher.submit(job)
        try:
            answer = _or_disconnect(request, job) if len(works) > BATCH else job.future
            return Response(await until(deadline, answer), media_type="application/json")
        finally:
            job.cancelled = True  # whatever is not computed by now is not wanted


async def until(deadline: float, work: Awaitable[T]) -> T:
    """Await `work` until the deadline.

    Raises:
        Problem: 504.
    """
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await work
    except TimeoutError as error:
        raise Problem(504, "deadline", "The request took longer than its deadline.") from error


async def _or_disconnect(request: Request, job: Job) -> bytes:
    """Give up a long job when its caller has gone."""
    gone = asyncio.ensure_future(_disconnected(request))
    either: set[asyncio.Future[Any]] = {job.future, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
    if not job.future.done():
        raise Problem(408, "disconnected", "The caller has gone.")
    return job.future.result()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def encode_predictions(answers: list[CropAnswer]) -> bytes:
    """``{"predictions": [...]}``, as MLflow has it."""
    for answer in answers:
        metrics.CROPS.labels(answer.error.code if answer.error else "none").inc()
    return b'{"predictions":' + _ANSWERS.dump_json(answers) + b"}"
