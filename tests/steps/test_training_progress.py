"""Without a terminal a training tells its epochs, losses and the time left as plain lines."""

import pytest

from steps.shared import training_progress
from steps.shared.training_progress import TrainingProgress, _duration


def metrics(loss):
    return {"train/loss": loss, "validation/loss": 2 * loss, "train/crops_per_second": 1600.0}


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(training_progress.time, "monotonic", lambda: now[0])
    return now


def test_lines_with_the_time_left(capsys, clock):
    with TrainingProgress(4, 100) as progress:
        for epoch in range(4):
            clock[0] += 60
            progress.on_epoch(epoch, metrics(0.5), resumed=False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0] == (
        "epoch 1/4: training loss 0.50000, validation loss 1.00000, 1,600 crops/s, "
        "at most 3 min 0 s left"
    )
    assert lines[-1].endswith("at most 0 s left")


def test_fast_epochs_do_not_flood_and_resumed_ones_do_not_count(capsys, clock):
    with TrainingProgress(100, 10) as progress:
        for epoch in range(100):
            clock[0] += 0.1 if epoch >= 50 else 0
            progress.on_epoch(epoch, metrics(0.5), resumed=epoch < 50)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 51/100", "epoch 100/100"]
    assert lines[0].endswith("at most 5 s left")


def test_durations():
    assert [_duration(s) for s in (0.4, 61, 7300)] == ["0 s", "1 min 1 s", "2 h 1 min"]
