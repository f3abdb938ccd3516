"""Exchange random numbers and tensors between the processes that train one encoder.

A launcher sets RANK and WORLD_SIZE for each process; without these there is one process. Inside
`together` each has its rows of one joint batch: what is drawn with `draw`, and computed of what
`gather` returns, is what one process with the whole batch would draw and compute. Outside, as in
validation, each process works for itself.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

_joint = ContextVar("joint", default=False)


def rank() -> int:
    """Return the rank of this process; only rank 0 reports and writes."""
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """Return the number of processes that train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def together() -> Iterator[None]:
    """Batches inside the block are parts of a joint one: all processes must do the same there."""
    former = _joint.set(world() > 1)
    try:
        yield
    finally:
        _joint.reset(former)


def draw(
    distribution: Callable[..., Tensor],
    count: int,
    *shape: int,
    generator: torch.Generator | None,
) -> Tensor:
    """Draw random numbers for each crop of a batch.

    Args:
        distribution: ``torch.rand`` or ``torch.randn``.
        count: crops of this process.
        shape: of the numbers for one crop.
        generator: equally seeded in all processes; None for the default one of the CPU.

    Returns:
        (count, *shape), this process's rows of the numbers for the joint batch, on the device of
        the generator.
    """
    # Each draws for all and drops the others': so its generator stays in step with theirs.
    joint = count * world() if _joint.get() else count
    device = None if generator is None else generator.device
    return own(distribution(joint, *shape, generator=generator, device=device))


def gather(rows: Tensor) -> Tensor:
    """Gather (B, ...) of each process to (W · B, ...) of all W, in order of rank.

    Gradients flow back to every process, as those of the sum of all their losses.
    """
    if not _joint.get():
        return rows
    gathered: Tensor = _Gather.apply(rows)  # type: ignore[no-untyped-call]
    return gathered


def own(rows: Tensor) -> Tensor:
    """Return this process's rows of those of all: the inverse of `gather`."""
    return rows.chunk(world())[rank()] if _joint.get() else rows


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        rows = rows.contiguous()
        parts = [torch.empty_like(rows) for _ in range(world())]
        dist.all_gather(parts, rows)
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(gradient)
        return gradient.chunk(world())[rank()]
