"""Train one encoder in several processes started by ``torchrun`` or ``accelerate launch``.

Both set RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT for each process; without these
there is one process, and everything here does nothing. On CPUs too accelerate needs
``--multi_gpu``: with ``--cpu`` and without MPI it starts a single process, whatever
``--num_processes`` says.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from lunar_models.errors import ConfigError
from lunar_models.joint_batch import gather, rank, world


def join(device: torch.device) -> None:
    """Join the process group: NCCL between GPUs, one for each process, gloo between CPUs.

    Raises:
        ConfigError: there are fewer GPUs on this machine than processes, or the launcher was asked
            for several processes and started one.
    """
    if world() == 1:
        _check_launcher()
    if world() == 1 or dist.is_initialized():
        return
    if device.type == "cuda":
        number, present = int(os.environ.get("LOCAL_RANK", rank())), torch.cuda.device_count()
        if number >= present:
            raise ConfigError(
                f"Process {number} of this machine has no GPU of its own: it has {present}. Start "
                f"at most {present} processes on it, or choose device=cpu."
            )
        torch.cuda.set_device(number)
    # gloo beside NCCL: sums that are reported lie in the CPU's memory
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")


def _check_launcher() -> None:
    # accelerate gives an address to meet at where it is asked for several processes.
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ and "WORLD_SIZE" not in os.environ
    if launched and "MASTER_ADDR" in os.environ:
        raise ConfigError(
            "accelerate was asked for several processes, but has started this one alone: give it "
            "--multi_gpu --num_processes N, on CPUs too. If one is enough, unset MASTER_ADDR."
        )


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Average each gradient over the processes."""
    if world() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    together = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(together)
    parts = torch.split(together.div_(world()), [gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def total(values: Tensor) -> Tensor:
    """Sum a tensor over the processes."""
    if world() > 1:
        dist.all_reduce(values)
    return values


def agree(epochs: int, device: torch.device, folder: Path | None) -> None:
    """Check that all processes resume from the same state.

    Raises:
        ConfigError: they found different numbers of finished epochs.
    """
    together = total(torch.tensor(float(epochs), device=device))
    if together.item() != epochs * world():
        raise ConfigError(
            f"Process {rank()} finds {epochs} finished epochs in {folder}, others another number; "
            "choose an output on a disk that all of them see."
        )


def share_batch_norm(encoder: nn.Module) -> None:
    """Synchronise batch normalisation over the processes.

    PyTorch's own SyncBatchNorm refuses CPUs.
    """
    if world() == 1:
        return
    for module in encoder.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.__class__ = _SharedBatchNorm  # type: ignore[assignment]


class _SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    def _check_input_dim(self, input: Any) -> None:
        pass

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        over = [dim for dim in range(input.ndim) if dim != 1]
        values = input.float()
        # (W, 2, C): mean and variance in each process, which all have as many values.
        moments = gather(torch.stack(torch.var_mean(values, over, correction=0))[None])
        variances, means = moments.unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        self._remember(mean.detach(), variance.detach(), input.numel() // input.shape[1])
        scale = torch.rsqrt(variance + self.eps)
        scale, shift = (scale, 0.0) if self.weight is None else (self.weight * scale, self.bias)
        shape = (1, -1, *(1 for _ in over[1:]))
        normalised: Tensor = values * scale.view(shape) + (shift - mean * scale).view(shape)
        return normalised.to(input)

    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        together = count * world()
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance * (together / (together - 1)), self.momentum or 0.0)
        self.num_batches_tracked.add_(1)
