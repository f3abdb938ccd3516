"""A recorded step must not wait for the device: looked for on the CPU, operation by operation."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from lunar_models.config.pretrain import PretrainConfig
from lunar_models.config.train import TrainConfig
from lunar_models.encoders.base import Encoder
from lunar_models.encoders.build import build_encoder
from lunar_models.rendering.simulation import simulate_crops
from lunar_models.training.gradient_step import GradientStep
from lunar_models.training.pretraining import Pretraining

WAITING = {
    "aten::_local_scalar_dense",  # .item(), float(), bool()
    "aten::nonzero",
    "aten::masked_select",
    "aten::repeat_interleave.Tensor",
    "aten::unique_dim",
    "aten::_unique2",
    "aten::bincount",
    "aten::lift_fresh",  # torch.tensor(…): a copy from the CPU
}


class Waits(TorchDispatchMode):
    """Notes the operations that would wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name()
        masks = name.startswith("aten::index") and any(
            isinstance(n, Tensor) and n.dtype == torch.bool
            for group in args
            if isinstance(group, list | tuple)
            for n in group
        )
        if name in WAITING or masks:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def _step(encoder: Encoder, losses: Callable[..., dict[str, Tensor]]) -> GradientStep:
    return GradientStep(
        losses,
        encoder.train().parameter_groups(),
        weight_decay=0.1,
        clip=1.0,
        autocast=torch.autocast("cpu", torch.bfloat16),
    )


@pytest.mark.parametrize(
    ("waits", "values"),
    [
        ("aten::_local_scalar_dense", lambda v: float(v.sum())),
        ("aten::nonzero", lambda v: v[v > 0]),
        ("aten::lift_fresh", lambda v: v + torch.tensor([1.0])),
    ],
)
def test_what_waits_is_noticed(waits: str, values: Callable[[Tensor], object]) -> None:
    with Waits() as noted:
        values(torch.ones(3))
    assert set(noted.seen) & {waits, "aten::index.Tensor"}


@pytest.mark.parametrize("family", ["cae", "vicreg", "swav", "physics", "vit_mae"])
def test_gradient_step(family: str) -> None:
    config = TrainConfig(crops="", encoder=family, latent_dim=8, patch_size_px=4)
    encoder = build_encoder(config, crop_size_px=16)
    assert encoder.stays_on_device
    generator = torch.Generator().manual_seed(0)
    step = _step(encoder, lambda crops: encoder.loss(crops, generator))
    crops = torch.rand(8, 1, 16, 16) * 2 - 1
    step(1e-3, crops)  # constants are made once
    with Waits() as noted:
        step(1e-3, crops)
    assert noted.seen == []


def test_gradient_step_of_a_pretraining(tmp_path) -> None:
    config = PretrainConfig(
        networks=("small", "large", "student"), crop_size_px=16, latent_dim=8, batch_size=16,
        replay=512, device="cpu", output=str(tmp_path),
    )  # fmt: skip
    training = Pretraining(config)
    training.take_step()
    with Waits() as noted:
        training.take_step()
    assert noted.seen == []


def test_simulation_of_several_mosaics_waits_as_seldom_as_that_of_one() -> None:
    def simulate() -> None:
        generator = torch.Generator().manual_seed(0)
        simulate_crops(256, crop_size_px=16, context_diameters=1.5, generator=generator, mosaics=2)

    simulate()
    with Waits() as noted:
        simulate()
    # For the number of small craters, older and younger ones, and of unsharp crops.
    assert noted.seen == ["aten::repeat_interleave.Tensor"] * 2 + ["aten::nonzero"] * 4
