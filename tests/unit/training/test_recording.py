import logging

import pytest
import torch
from torch import Tensor, nn

from lunar_models.training.gradient_step import GradientStep
from lunar_models.training.recording import RecordedStep


@pytest.fixture
def replays(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the replays so far, of a graph that runs the step instead."""
    done: list[int] = []

    def record(recorded: RecordedStep, inputs: tuple[Tensor, ...]) -> None:
        recorded._inputs = tuple(value.clone() for value in inputs)
        recorded._outputs = {"loss": torch.zeros(())}

        def replay() -> None:
            done.append(len(done))
            for name, value in recorded._step(*recorded._inputs).items():
                recorded._outputs[name].copy_(value)

        recorded._replay = replay

    monkeypatch.setattr(RecordedStep, "_aside", lambda recorded, inputs: recorded._step(*inputs))
    monkeypatch.setattr(RecordedStep, "_record", record)
    return done


def _sum(values: Tensor) -> dict[str, Tensor]:
    return {"loss": values.sum()}


def test_replays_with_the_inputs_of_each_step(replays: list[int]) -> None:
    step = RecordedStep(_sum)
    assert [float(step(torch.full((2,), float(n)))["loss"]) for n in range(6)] == [
        0,
        2,
        4,
        6,
        8,
        10,
    ]
    assert len(replays) == 3


def test_inputs_of_another_shape_are_computed_eagerly(replays: list[int]) -> None:
    step = RecordedStep(_sum)
    for _ in range(4):
        step(torch.ones(2))
    assert float(step(torch.ones(3))["loss"]) == 3
    assert float(step(torch.ones(2))["loss"]) == 2
    assert len(replays) == 2


def test_steps_that_cannot_be_recorded_run_eagerly_and_tell_it_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(RecordedStep, "_aside", lambda recorded, inputs: recorded._step(*inputs))
    monkeypatch.setattr(RecordedStep, "_record", refuse)
    step = RecordedStep(_sum)
    with caplog.at_level(logging.WARNING):
        assert [float(step(torch.full((2,), float(n)))["loss"]) for n in range(6)] == [
            0, 2, 4, 6, 8, 10,
        ]  # fmt: skip
    assert [record.message for record in caplog.records] == [
        "The training step could not be recorded as a CUDA graph and runs eagerly, which is "
        "slower: operation not permitted when stream is capturing"
    ]


def test_recorded_gradient_steps_learn_what_eager_ones_learn(replays: list[int]) -> None:
    def weights(recorded: bool) -> Tensor:
        torch.manual_seed(0)
        network = nn.Linear(4, 3)
        step = GradientStep(
            lambda values: {"loss": network(values).square().mean()},
            [{"params": list(network.parameters()), "scale": 0.5}],
            weight_decay=0.1,
            clip=1.0,
            autocast=torch.autocast("cpu", enabled=False),
            recorded_draws=[] if recorded else None,
        )
        for n in range(8):
            step(0.1 / (n + 1), torch.randn(5, 4, generator=torch.Generator().manual_seed(n)))
        return network.weight.detach()

    torch.testing.assert_close(weights(True), weights(False))
    assert len(replays) == 5
