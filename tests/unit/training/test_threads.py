"""Threads follow the load that other processes put on the cores."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import joblib
import pytest
import torch

from lunar_models.config.train import TrainConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.training import threads, train
from lunar_models.training.threads import Threads, Usage, busy_cores, choose_threads

CPU = torch.device("cpu")
CONFIG = TrainConfig(crops="", latent_dim=4, epochs=2, batch_size=16, device="cpu")


@pytest.fixture(autouse=True)
def _four_cores(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    monkeypatch.setattr(threads, "_own_cores", lambda count: set(range(4)))
    monkeypatch.setattr(joblib, "cpu_count", lambda: 4)
    monkeypatch.setattr(threads, "FIRST_LOOK_SECONDS", 0.0)
    yield
    torch.set_num_threads(before)


def _plant(monkeypatch: pytest.MonkeyPatch, *others: float, own: float = 1.0) -> None:
    """Looks ten seconds apart, between which others keep so many cores busy, and we `own`."""
    at = [Usage(0.0, 0.0, 0.0)]
    for busy in others:
        clock, everybody, mine = at[-1]
        at.append(Usage(clock + 10, everybody + 10 * (busy + own), mine + 10 * own))
    looks = iter(at)
    monkeypatch.setattr(Usage, "now", classmethod(lambda cls: next(looks)))


@pytest.mark.parametrize(
    ("others", "expected"),
    [(0.0, 4), (0.3, 4), (0.31, 3), (1.0, 3), (1.9, 2), (3.0, 1), (4.0, 1), (9.0, 1)],
)
def test_free_cores_get_a_thread_each(others: float, expected: int) -> None:
    assert choose_threads(others, cores=4, most=4) == expected


def test_no_more_threads_than_a_quota_allows() -> None:
    assert choose_threads(0.0, cores=64, most=2) == 2
    assert choose_threads(63.0, cores=64, most=2) == 1


def test_own_work_is_not_the_load_of_others() -> None:
    assert busy_cores(Usage(0.0, 100.0, 50.0), Usage(10.0, 140.0, 60.0)) == pytest.approx(3.0)
    assert busy_cores(Usage(0.0, 100.0, 50.0), Usage(10.0, 109.9, 60.0)) == 0.0  # other clocks


def test_a_busy_process_is_counted() -> None:
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        before = Usage.now()
        with pytest.raises(subprocess.TimeoutExpired):
            loop.wait(1.0)
        after = Usage.now()
    finally:
        loop.kill()
        loop.wait()
    # Another's one, not ours; how much of a core it got depends on what else runs.
    assert after.everybody > before.everybody
    assert after.own - before.own < 0.5
    assert busy_cores(before, after) > 0.2


def test_follows_the_load_and_tells_each_change(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, 0.1, 0.0, 2.0, 2.1, 3.5, 0.2)
    monkeypatch.setattr(threads, "LOOK_SECONDS", float("-inf"))
    told: list[tuple[int, float]] = []
    kept, seen = Threads(None, CPU, lambda n, others: told.append((n, round(others or 0, 3)))), []
    with kept.kept():
        for _ in range(5):
            kept.follow()
            seen.append(torch.get_num_threads())
    assert seen == [4, 2, 2, 1, 4]
    assert told == [(4, 0.1), (2, 2.0), (1, 3.5), (4, 0.2)]
    assert torch.get_num_threads() == 4


def test_looks_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch, 0.0)  # a third look would end in StopIteration
    kept = Threads(None, CPU)
    monkeypatch.setattr(threads.time, "perf_counter", lambda: 10.0 + 4.9)
    with kept.kept():
        kept.follow()


def test_a_given_number_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch)
    told: list[Any] = []
    kept = Threads(3, CPU, lambda *given: told.append(given))
    with kept.kept():
        kept.follow()
        assert torch.get_num_threads() == 3
    assert told == [(3, None)]
    assert torch.get_num_threads() == 4


def test_no_more_than_torch_was_told(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(2)  # as by OMP_NUM_THREADS, or a sweep's share
    _plant(monkeypatch, 0.0)
    with Threads(None, CPU).kept():
        assert torch.get_num_threads() == 2


def test_a_gpu_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    _plant(monkeypatch)
    kept = Threads(1, torch.device("cuda"))
    with kept.kept():
        kept.follow()
        assert torch.get_num_threads() == 4


def _told(given: int | None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers told on two of four cores that another program keeps busy."""
    _plant(monkeypatch, 2.0)
    told: list[int] = []
    with Threads(given, CPU, lambda n, others: told.append(n)).kept():
        return [*told, torch.get_num_threads()]


@pytest.mark.parametrize(
    ("name", "value"),
    [("OMP_PROC_BIND", "close"), ("OMP_PLACES", "cores"), ("GOMP_CPU_AFFINITY", "0-3")],
)
def test_threads_that_openmp_binds_to_cores_are_left_alone(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main thread has one core of its own then, which says nothing of the others'."""
    monkeypatch.setenv(name, value)
    assert _told(None, monkeypatch) == [4]
    assert _told(3, monkeypatch) == [3, 3]
    monkeypatch.setenv("OMP_PROC_BIND", "false")
    assert _told(None, monkeypatch) == [2, 2]


def test_bound_threads_leave_the_main_thread_one_core() -> None:
    """What the exception is for: without it a training would see one core of all."""
    script = "import os, torch; print(len(os.sched_getaffinity(0)), torch.get_num_threads())"
    environment = {**os.environ, "OMP_PROC_BIND": "true", "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, check=True, text=True
    )
    assert done.stdout.split() == ["1", "2"]


def test_processes_of_one_training_keep_their_number_or_the_given_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "world", lambda: 2)
    assert _told(None, monkeypatch) == [4]
    assert _told(3, monkeypatch) == [3, 3]


def test_a_training_follows_the_load_between_its_steps(
    crop_set: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    _plant(monkeypatch, 3.0, *[0.0] * 1000)
    monkeypatch.setattr(threads, "LOOK_SECONDS", float("-inf"))
    told: list[int] = []
    result = train(crop_set, CONFIG, on_threads=lambda n, others: told.append(n))
    assert told == [1, 4]
    assert [metrics["train/threads"] for metrics in result.history] == [4, 4]


def test_equally_many_threads_give_equal_weights_under_any_load(
    crop_set: CropSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = []
    for load in (0.0, 4.0):
        _plant(monkeypatch, *[load] * 1000)
        result = train(crop_set, CONFIG.replace(threads=2))
        assert {metrics["train/threads"] for metrics in result.history} == {2}
        weights.append([value.clone() for value in result.checkpoint.encoder.state_dict().values()])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
