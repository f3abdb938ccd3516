"""Take gradient steps with AdamW, recorded as a CUDA graph where that is possible."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lunar_models.training import distributed
from lunar_models.training.compilation import CompiledBlocks
from lunar_models.training.recording import RecordedStep


class GradientStep:
    """Loss, gradient, clipping and optimiser step in one call."""

    def __init__(
        self,
        losses: Callable[..., dict[str, Tensor]],
        groups: Sequence[dict[str, Any]],
        *,
        weight_decay: float,
        clip: float,
        autocast: torch.autocast,
        recorded_draws: Sequence[torch.Generator] | None = None,
        compiled: Sequence[nn.Module] = (),
    ) -> None:
        """Args:
        losses: of a batch; ``"loss"`` among them is the one to minimise. Other tensors that it
            gives are passed on.
        groups: see `Encoder.parameter_groups`.
        weight_decay: of AdamW.
        clip: greatest norm of the gradient; 0 for no clipping.
        autocast: context in which the losses are computed.
        recorded_draws: record the step (see `RecordedStep`), which draws from these generators;
            None runs it eagerly.
        compiled: see `Encoder.blocks`.
        """
        self.losses, self.clip, self.autocast = losses, clip, autocast
        self.parameters: list[nn.Parameter] = [p for group in groups for p in group["params"]]
        self._blocks = CompiledBlocks(compiled)
        self._untried = bool(compiled)
        recorded = recorded_draws is not None
        self.optimiser = torch.optim.AdamW(
            groups, lr=1.0, weight_decay=weight_decay, fused=True, capturable=recorded
        )
        self._take = RecordedStep(self._eager, recorded_draws or ()) if recorded else self._eager

    def __call__(self, rate: float, *inputs: Tensor) -> dict[str, Tensor]:
        """Take one step.

        Args:
            rate: learning rate, before the factors of the groups.
            inputs: of the losses.

        Returns:
            The losses, detached; the next call may overwrite them.
        """
        for group in self.optimiser.param_groups:
            self._set_rate(group, rate * group.get("scale", 1.0))
        return self._take(*inputs)

    def load(self, state: dict[str, Any]) -> None:
        """Restore the optimiser's state, which may come from another kind of device."""
        groups = self.optimiser.param_groups
        kept = [{"lr": group["lr"], "capturable": group["capturable"]} for group in groups]
        self.optimiser.load_state_dict(state)
        for group, values in zip(self.optimiser.param_groups, kept, strict=True):
            group.update(values)

    def _set_rate(self, group: dict[str, Any], rate: float) -> None:
        if not group["capturable"]:
            group["lr"] = rate
            return
        # A recorded step reads it from the device, always in the same place.
        if not torch.is_tensor(group["lr"]):
            group["lr"] = torch.empty((), device=group["params"][0].device)
        group["lr"].fill_(rate)

    def _eager(self, *inputs: Tensor) -> dict[str, Tensor]:
        try:
            losses = self._gradients(*inputs)
        except RuntimeError as error:  # so are the errors of compilers
            if not self._untried:
                raise
            self._blocks.give_up(error)
            losses = self._gradients(*inputs)
        self._untried = False
        distributed.average_gradients(self.parameters)
        if self.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.clip)
        self.optimiser.step()
        return {name: value.detach() for name, value in losses.items()}

    def _gradients(self, *inputs: Tensor) -> dict[str, Tensor]:
        self.optimiser.zero_grad(set_to_none=True)
        with self._blocks.active():
            with self.autocast:
                losses = self.losses(*inputs)
            losses["loss"].backward()  # type: ignore[no-untyped-call]
        return losses
