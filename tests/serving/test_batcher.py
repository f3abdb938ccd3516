"""The queue is bounded and fair, keeps models apart, and drops work nobody waits for."""

import asyncio
import threading
import time
from types import SimpleNamespace

import pytest

from serving.app import batcher as module
from serving.app.batcher import Batcher, Job
from serving.app.problems import Problem
from serving.model.schema import CropAnswer, ModelAnswer, Options


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Records what is computed together; `gate` holds the computing thread back."""
    record = SimpleNamespace(seen=[], gate=threading.Event())
    record.gate.set()

    def compute(bundle, crops, *, model, options):
        record.gate.wait(10)
        record.seen.append((bundle, list(crops)))
        return [CropAnswer(model=model) for _ in crops]

    monkeypatch.setattr(module, "classify_batch", compute)
    return record


def job(bundle: str, count: int, seconds: float = 10.0) -> Job:
    loop = asyncio.get_running_loop()
    return Job(
        bundle=bundle,
        model=ModelAnswer(),
        crops=[(bundle, i) for i in range(count)],
        options=Options(),
        encode=lambda answers: str(len(answers)).encode(),
        deadline=time.monotonic() + seconds,
        future=loop.create_future(),
        loop=loop,
    )


def run(scenario) -> None:
    asyncio.run(scenario())


async def blocked(queue: Batcher, batches: SimpleNamespace) -> Job:
    """A first job that keeps the thread busy."""
    batches.gate.clear()
    first = job("first", 1)
    queue.submit(first)
    while queue._jobs:
        await asyncio.sleep(0.001)
    return first


def test_what_waits_together_is_computed_together(batches: SimpleNamespace) -> None:
    async def scenario() -> None:
        queue = Batcher(100)
        queue.start()
        first = await blocked(queue, batches)
        jobs = [job("a", 1) for _ in range(20)]
        for each in jobs:
            queue.submit(each)
        batches.gate.set()
        assert await asyncio.gather(*(j.future for j in (first, *jobs))) == [b"1"] * 21
        queue.close()
        assert [len(crops) for _, crops in batches.seen] == [1, 20]

    run(scenario)


def test_a_full_queue_refuses_with_503(batches: SimpleNamespace) -> None:
    async def scenario() -> None:
        queue = Batcher(10)
        queue.start()
        await blocked(queue, batches)
        queue.submit(job("a", 8))
        with pytest.raises(Problem) as raised:
            queue.submit(job("a", 3))
        assert (raised.value.status, raised.value.headers["retry-after"]) == (503, "1")
        queue.submit(job("a", 2))
        batches.gate.set()
        queue.close()

    run(scenario)


def test_a_long_request_lets_others_pass(batches: SimpleNamespace) -> None:
    async def scenario() -> None:
        queue = Batcher(1000)
        queue.start()
        await blocked(queue, batches)
        long, short = job("a", 500), job("a", 1)
        finished: list[str] = []
        long.future.add_done_callback(lambda _: finished.append("long"))
        short.future.add_done_callback(lambda _: finished.append("short"))
        queue.submit(long)
        queue.submit(short)
        batches.gate.set()
        assert await asyncio.gather(long.future, short.future) == [b"500", b"1"]
        queue.close()
        assert finished == ["short", "long"]
        assert [i for _, crops in batches.seen[1:] for name, i in crops].count(0) == 2

    run(scenario)


def test_models_are_never_mixed(batches: SimpleNamespace) -> None:
    async def scenario() -> None:
        queue = Batcher(1000)
        queue.start()
        await blocked(queue, batches)
        jobs = [job(bundle, 5) for bundle in ("old", "new", "old", "new")]
        for each in jobs:
            queue.submit(each)
        batches.gate.set()
        await asyncio.gather(*(j.future for j in jobs))
        queue.close()
        for bundle, crops in batches.seen:
            assert {name for name, _ in crops} == {bundle}

    run(scenario)


@pytest.mark.parametrize("why", ["cancelled", "late"])
def test_work_nobody_waits_for_is_not_done(batches: SimpleNamespace, why: str) -> None:
    async def scenario() -> None:
        queue = Batcher(100)
        queue.start()
        await blocked(queue, batches)
        dropped = job("dropped", 50, seconds=-1.0 if why == "late" else 10.0)
        queue.submit(dropped)
        dropped.cancelled = why == "cancelled"
        last = job("last", 1)
        queue.submit(last)
        batches.gate.set()
        await last.future
        queue.close()
        assert "dropped" not in [bundle for bundle, _ in batches.seen]
        assert queue._waiting == 0

    run(scenario)


def test_an_unexpected_error_ends_every_request_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_, **__):
        raise RuntimeError("boom")

    monkeypatch.setattr(module, "classify_batch", fail)

    async def scenario() -> None:
        queue = Batcher(100)
        queue.start()
        broken = job("a", 100)
        queue.submit(broken)
        with pytest.raises(RuntimeError):
            await broken.future
        queue.close()
        assert queue._waiting == 0

    run(scenario)


def test_closing_finishes_what_was_accepted(batches: SimpleNamespace) -> None:
    async def scenario() -> None:
        queue = Batcher(1000)
        queue.start()
        jobs = [job("a", 30) for _ in range(10)]
        for each in jobs:
            queue.submit(each)
        await asyncio.to_thread(queue.close)
        assert await asyncio.gather(*(j.future for j in jobs)) == [b"30"] * 10

    run(scenario)
