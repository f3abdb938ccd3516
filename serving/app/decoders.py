"""Decode expensive images in processes that can be killed.

An image that is cheap to decode for sure (`decoding_cost` is 0) is left to the batcher:
sending it about would cost more than decoding it. The others wait here. Requests take turns by the
seconds their images took so far, so that one full of large pictures holds up nobody else.
"""

import asyncio
import contextlib
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lunar_models.errors import CropImageError
from serving.app import decoder_process
from serving.app.decoder import Decoder, DecoderLost
from serving.app.problems import Problem
from serving.model.crop_input import CropInput
from serving.model.preparation import Crop, CropForm, Prepared

_SAMPLES_PER_S = 5e7
"""For the first guess of what an image takes; corrected by what it did take."""
_MOST_WAITING = 2**31
"""Samples that may wait: some 40 s of one process."""


@dataclass(eq=False)
class _DecodeRequest:
    """The costly images of one request."""

    form: CropForm
    waiting: list[tuple[int, CropInput, int]]
    """Place in the request, image, cost."""
    deadline: float
    future: "asyncio.Future[None]"
    loop: asyncio.AbstractEventLoop
    results: dict[int, Prepared | CropImageError] = field(default_factory=dict)
    spent: float = 0.0
    """Seconds of decoding, on the scale of the pool's clock."""
    open: int = 0
    cancelled: bool = False


class DecoderPool:
    """A pool of decoding processes, each supervised by a thread.

    Args:
        processes: how many.
        limit_s: longest time for one image; whatever takes longer is killed.
    """

    def __init__(self, processes: int, limit_s: float) -> None:
        self._limit_s = limit_s
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([decoder_process.__name__])
        self._requests: list[_DecodeRequest] = []
        self._changed = threading.Condition()
        self._clock = 0.0
        self._cost = 0
        self._closed = False
        self._threads = [
            threading.Thread(target=self._supervise, name=f"decoder-{i}", daemon=True)
            for i in range(processes)
        ]

    def start(self) -> None:
        """Start the processes."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Finish what is being decoded, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    async def prepare(
        self, form: CropForm, crops: Sequence[Crop], costs: Sequence[int], *, deadline: float
    ) -> list[Crop]:
        """Decode the costly ones among the crops of a request; the others come back as they are.

        Args:
            form: of the crops wanted.
            crops: of one request.
            costs: of each crop, `preparation.decoding_cost`.
            deadline: `time.monotonic()` after which nobody waits.

        Raises:
            Problem: 503, too much is waiting.
        """
        prepared = list(crops)
        costly = [
            (place, crop, cost)
            for place, (crop, cost) in enumerate(zip(crops, costs, strict=True))
            if cost and isinstance(crop, CropInput)
        ]
        if not costly:
            return prepared
        loop = asyncio.get_running_loop()
        ask = _DecodeRequest(
            form, costly[::-1], deadline, loop.create_future(), loop, open=len(costly)
        )
        cost = sum(costs)
        with self._changed:
            if self._cost and self._cost + cost > _MOST_WAITING:
                raise Problem(
                    503,
                    "busy",
                    "Too many pixels are waiting to be decoded; try again.",
                    {"retry-after": "2"},
                )
            self._cost += cost
            ask.spent = self._clock
            self._requests.append(ask)
            self._changed.notify_all()
        try:
            await ask.future
        finally:
            self._drop(ask)
        for place, result in ask.results.items():
            prepared[place] = result
        return prepared

    def _drop(self, ask: _DecodeRequest) -> None:
        with self._changed:
            ask.cancelled = True
            self._cost -= sum(cost for _, _, cost in ask.waiting)
            ask.waiting.clear()
            if ask in self._requests:
                self._requests.remove(ask)

    def _take(self) -> tuple[_DecodeRequest, int, CropInput, float] | None:
        """Take the next image, of the request with the least time spent; None when closed."""
        with self._changed:
            while not self._requests and not self._closed:
                self._changed.wait()
            if not self._requests:
                return None
            ask = min(self._requests, key=lambda ask: ask.spent)
            self._clock = max(self._clock, ask.spent)
            place, crop, cost = ask.waiting.pop()
            self._cost -= cost
            guess = cost / _SAMPLES_PER_S
            ask.spent += guess
            if not ask.waiting:
                self._requests.remove(ask)
            return ask, place, crop, guess

    def _supervise(self) -> None:
        """Pass images to one process, and start another when it has to be killed."""
        decoder: Decoder | None = None
        with contextlib.suppress(OSError):  # if it cannot be had now, the first image tries again
            decoder = Decoder(self._context, self._limit_s)
        while taken := self._take():
            ask, place, crop, guess = taken
            started = time.monotonic()
            until = min(started + self._limit_s, ask.deadline)
            try:
                if decoder is None or not decoder.alive():
                    decoder = Decoder(self._context, self._limit_s)
                result = decoder.prepare(ask.form, crop, until)
            except DecoderLost as lost:
                decoder = None
                result = CropImageError("too_costly", str(lost))
            except Exception:  # no request may wait for ever for want of a process
                decoder = None
                result = CropImageError("undecodable", "'image' could not be decoded; try again.")
            self._note(ask, place, result, time.monotonic() - started - guess)
        if decoder:
            decoder.close()

    def _note(
        self, ask: _DecodeRequest, place: int, result: Prepared | CropImageError, correction: float
    ) -> None:
        with self._changed:
            ask.spent += correction
            ask.results[place] = result
            ask.open -= 1
            done = ask.open == 0 and not ask.cancelled
        if done:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                ask.loop.call_soon_threadsafe(_resolve, ask.future)


def _resolve(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
