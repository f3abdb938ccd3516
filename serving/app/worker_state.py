"""Hold the state that the handlers of a worker share, and pass requests through the batcher."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import Response

from lunar_models.config.serve import ServeConfig
from serving.app import metrics
from serving.app.batcher import Batcher, Job
from serving.app.bodies import Question
from serving.app.body_limits import BodyBudget
from serving.app.connection import EOF
from serving.app.decoders import DecoderPool
from serving.app.decoding_cost import decoding_cost
from serving.app.problems import Problem
from serving.app.release import Release
from serving.app.served import ModelHolder, Served
from serving.model.bundle import Bundle
from serving.model.classify import BATCH
from serving.model.crop_input import CropInput
from serving.model.preparation import CropForm
from serving.model.schema import CropAnswer
from serving.model.table import NO_TABLE, no_such_column, table

if TYPE_CHECKING:  # the crop engine takes seconds to import, and only mosaics need it
    from serving.app.locate import Locator

T = TypeVar("T")
_ANSWERS = TypeAdapter(list[CropAnswer])
_DEADLINE_HEADER = "x-deadline-ms"
_LONG_BYTES = 2**20
"""A request with more than this to decode is given up when its caller has gone."""


@dataclass
class WorkerState:
    """One worker's model, queue and limits."""

    config: ServeConfig
    holder: ModelHolder
    batcher: Batcher
    decoders: DecoderPool
    bodies: BodyBudget
    locator: "Locator | None"
    release: Release | None = None
    draining: bool = False
    """Shutting down: what comes is still answered, but nothing more should be sent."""

    def served(self) -> Served:
        """Return the model that answers now.

        Raises:
            Problem: 503, none is loaded yet.
        """
        if self.holder.current is None:
            raise Problem(503, "not_ready", "No model is loaded yet.", {"retry-after": "2"})
        return self.holder.current

    def deadline(self, request: Request) -> float:
        """Return the `time.monotonic()` at which a request must end; callers may ask for less."""
        seconds = self.config.deadline_s
        wanted = request.headers.get(_DEADLINE_HEADER)
        if wanted is not None:
            if not wanted.isascii() or not wanted.isdigit():
                raise Problem(
                    400, "bad_parameter", "X-Deadline-Ms must be a whole number of milliseconds."
                )
            seconds = min(seconds, int(wanted.lstrip("0")[:12] or "0") / 1000.0)
        return time.monotonic() + seconds

    def admit(self, request: Request) -> "Admission":
        """Fix the model and the deadline of a request.

        Raises:
            Problem: 503 when not ready, 400 for a deadline that is none.
        """
        return Admission(request, self.served(), self.deadline(request))

    async def answer(
        self,
        admission: "Admission",
        question: Question,
        *,
        encode: Callable[[list[CropAnswer]], bytes] | None = None,
        embed_only: bool = False,
    ) -> Response:
        """Answer the crops of a request, batched with those of others.

        Args:
            admission: of the request.
            question: its crops.
            encode: makes the reply's body.
            embed_only: whether only the embeddings are wanted.

        The caller sees to the deadline (`Admission.until`).

        Raises:
            Problem: 503 when busy; 400 for a column of an answer that is no table.
        """
        served = admission.served
        bundle = served.embedder if embed_only else served.bundle
        column = question.options.column
        if column and (encode is not None or not question.table):
            raise Problem(400, "bad_parameter", NO_TABLE)
        if encode is None:
            as_table = partial(encode_table, column=column)
            encode = as_table if question.table else encode_predictions
        work = self._compute(admission, question, bundle, encode)
        size = sum(len(crop.data) for crop in question.crops if isinstance(crop, CropInput))
        if len(question.crops) > BATCH or size > _LONG_BYTES:
            work = _or_disconnect(admission.request, work)
        return Response(await work, media_type="application/json")

    async def _compute(
        self,
        admission: "Admission",
        question: Question,
        bundle: Bundle,
        encode: Callable[[list[CropAnswer]], bytes],
    ) -> bytes:
        form = CropForm.of(bundle.checkpoint)
        crops, deadline = question.crops, admission.deadline
        if any(costs := [decoding_cost(crop) for crop in crops]):
            crops = await self.decoders.prepare(form, crops, costs, deadline=deadline)
        loop = asyncio.get_running_loop()
        job = Job(
            bundle=bundle,
            model=admission.served.identity,
            crops=crops,
            options=question.options,
            encode=encode,
            deadline=deadline,
            future=loop.create_future(),
            loop=loop,
        )
        self.batcher.submit(job)
        try:
            return await job.future
        finally:
            job.cancelled = True  # whatever is not computed by now is not wanted


@dataclass(frozen=True)
class Admission:
    """The model and the deadline of a request, fixed when it begins."""

    request: Request
    served: Served
    deadline: float
    """`time.monotonic()` when it must be over."""

    async def until(self, work: Awaitable[T]) -> T:
        """Await `work` until the deadline.

        Raises:
            Problem: 504.
        """
        try:
            async with asyncio.timeout(self.deadline - time.monotonic()):
                return await work
        except TimeoutError as error:
            detail = "The request took longer than its deadline."
            raise Problem(504, "deadline", detail) from error


async def _or_disconnect(request: Request, work: Coroutine[Any, Any, bytes]) -> bytes:
    """Cancel long work when the caller has disconnected."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Problem(408, "disconnected", "The caller has disconnected, or sends no more.")
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> None:
    """Return when the caller has gone, or has closed its side and may have gone."""
    if end := request.scope.get(EOF):
        await end.wait()
        return
    while (await request.receive())["type"] != "http.disconnect":
        pass


def encode_predictions(answers: list[CropAnswer]) -> bytes:
    """Encode answers as ``{"predictions": [...]}``, as MLflow does."""
    for answer in answers:
        metrics.CROPS.labels(answer.error.code if answer.error else "none").inc()
    return b'{"predictions":' + _ANSWERS.dump_json(answers) + b"}"


def encode_table(answers: list[CropAnswer], *, column: str = "") -> bytes:
    """Like `encode_predictions`, one flat row for each, or the one column that is wanted.

    Raises:
        Problem: 400, there is no such column.
    """
    for answer in answers:
        metrics.CROPS.labels(answer.error.code if answer.error else "none").inc()
    rows = table([answer.model_dump() for answer in answers])
    if column:
        try:
            rows = [{column: row[column]} for row in rows]
        except KeyError:
            raise Problem(400, "bad_parameter", no_such_column(list(rows[0]))) from None
    return json.dumps({"predictions": rows}, allow_nan=False).encode()
