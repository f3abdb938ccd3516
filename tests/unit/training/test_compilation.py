import functools
import logging

import pytest
import torch

from lunar_models.config.train import TrainConfig
from lunar_models.encoders.build import build_encoder
from lunar_models.training.gradient_step import GradientStep


def _learn(*, compiled: bool) -> list[float]:
    """Losses of three steps of a small masked autoencoder."""
    torch.manual_seed(0)
    config = TrainConfig(crops="", encoder="vit_mae", patch_size_px=8)
    encoder = build_encoder(config, crop_size_px=16).train()
    generator = torch.Generator().manual_seed(0)
    step = GradientStep(
        lambda crops: encoder.loss(crops, generator),
        encoder.parameter_groups(),
        weight_decay=0.05,
        clip=5.0,
        autocast=torch.autocast("cpu", enabled=False),
        compiled=encoder.blocks() if compiled else (),
    )
    crops = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    losses = [float(step(1e-3, crops)["loss"]) for _ in range(3)]
    assert not any("forward" in vars(block) for block in encoder.blocks())  # eager elsewhere
    return losses


def test_compiled_blocks_learn_what_eager_ones_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    # Traced and differentiated as for a GPU, without the minute that code for a CPU takes.
    traced = functools.partial(torch.compile, backend="aot_eager")
    monkeypatch.setattr(torch, "compile", traced)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    compiled = _learn(compiled=True)
    stats = torch._dynamo.utils.counters["stats"]
    assert stats["unique_graphs"] == 2  # blocks of the encoder and of the decoder
    assert not torch._dynamo.utils.counters["graph_break"]
    assert compiled == pytest.approx(_learn(compiled=False), rel=1e-5)


def test_blocks_that_cannot_be_compiled_run_eagerly_and_tell_it_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(forward: object, **_: object) -> object:
        def fails(*_: object) -> None:
            raise RuntimeError("Cannot find a working triton installation\nmore")

        return fails

    monkeypatch.setattr(torch, "compile", broken)
    with caplog.at_level(logging.WARNING):
        losses = _learn(compiled=True)
    assert [record.message for record in caplog.records] == [
        "The blocks of the network could not be compiled and run eagerly, which is slower: "
        "Cannot find a working triton installation"
    ]
    assert losses[2] < losses[0]


def test_an_error_of_the_loss_is_none_of_a_compiler(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch, "compile", lambda forward, **_: forward)
    network = torch.nn.Linear(2, 1)
    step = GradientStep(
        lambda values: {"loss": network(values).square().mean()},
        [{"params": list(network.parameters())}],
        weight_decay=0.0,
        clip=0.0,
        autocast=torch.autocast("cpu", enabled=False),
        compiled=[network],
    )
    step(1e-3, torch.ones(3, 2))
    with pytest.raises(RuntimeError, match="shapes"):
        step(1e-3, torch.ones(3, 5))
    assert not caplog.records


def test_the_state_of_a_gpu_is_resumed_on_a_cpu() -> None:
    network = torch.nn.Linear(2, 1)

    def make() -> GradientStep:
        return GradientStep(
            lambda values: {"loss": network(values).square().mean()},
            [{"params": list(network.parameters()), "scale": 1.0}],
            weight_decay=0.0,
            clip=0.0,
            autocast=torch.autocast("cpu", enabled=False),
        )

    step = make()
    step(1e-3, torch.ones(3, 2))
    state = step.optimiser.state_dict()
    state["param_groups"][0] |= {"lr": torch.tensor(1e-3), "capturable": True}
    resumed = make()
    resumed.load(state)
    resumed(2e-3, torch.ones(3, 2))
    group = resumed.optimiser.param_groups[0]
    assert group["lr"] == 2e-3
    assert group["capturable"] is False
