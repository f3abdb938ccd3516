"""Train one of several networks that learn from the same batches of simulated craters."""

from typing import Any

import torch
from torch import Tensor

from lunar_models.encoders.families.inverse_rendering import InverseRenderingEncoder
from lunar_models.training.gradient_step import GradientStep
from lunar_models.training.simulation_loss import (
    QUANTITY_WEIGHTS,
    Batch,
    Look,
    look_at,
    simulation_loss,
)

GRADIENT_CLIP = 5.0


class Learner:
    """A network with its gradient step.

    On a GPU each has a stream of its own: small networks would leave most of it idle.
    """

    def __init__(
        self,
        encoder: InverseRenderingEncoder,
        *,
        weight_decay: float,
        autocast: torch.autocast,
        recorded: bool,
        teacher: "Learner | None" = None,
    ) -> None:
        """Args:
        encoder: on the device where it is trained.
        weight_decay: of AdamW.
        autocast: context in which the losses are computed.
        recorded: whether steps are CUDA graphs, see `GradientStep`.
        teacher: one that steps before this one, on the same batches.
        """
        self.encoder, self.teacher = encoder, teacher
        weights = list(QUANTITY_WEIGHTS.values())
        self._weights = torch.tensor(weights, device=encoder.device)
        self.gradient_step = GradientStep(
            self._losses,
            encoder.parameter_groups(),
            weight_decay=weight_decay,
            clip=GRADIENT_CLIP,
            autocast=autocast,
            recorded_draws=() if recorded else None,
        )
        self._look: tuple[Tensor, ...] = ()
        self._sums: dict[str, Tensor] = {}
        on_gpu = encoder.device.type == "cuda"
        self._stream = torch.cuda.Stream(encoder.device) if on_gpu else None  # type: ignore[no-untyped-call]

    def step(self, rate: float, batch: Batch) -> None:
        """Take a gradient step; on a GPU only begin it, see `wait`."""
        if self._stream is None:
            self._step(rate, batch)
            return
        self._stream.wait_stream(torch.cuda.current_stream())
        if self.teacher is not None and self.teacher._stream is not None:
            self._stream.wait_stream(self.teacher._stream)
        with torch.cuda.stream(self._stream):
            self._step(rate, batch)

    def wait(self) -> None:
        """Have the work that follows wait for the step."""
        if self._stream is not None:
            torch.cuda.current_stream().wait_stream(self._stream)

    def mean_losses(self, steps: int) -> dict[str, float]:
        """Return the mean losses of the last `steps` steps, and forget them."""
        means = {name: float(total) / steps for name, total in self._sums.items()}
        self._sums = {}
        return means

    def state_dict(self) -> dict[str, Any]:
        """The weights and what the optimiser remembers."""
        optimiser = self.gradient_step.optimiser
        return {"encoder": self.encoder.state_dict(), "optimiser": optimiser.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a `state_dict`, before the first step."""
        self.encoder.load_state_dict(state["encoder"])
        self.gradient_step.load(state["optimiser"])

    def _step(self, rate: float, batch: Batch) -> None:
        told = () if self.teacher is None else self.teacher._look
        outputs = self.gradient_step(rate, *batch, *told)
        self._look = tuple(outputs[name] for name in Look._fields)
        for name in outputs.keys() - set(Look._fields):
            self._sums[name] = self._sums.get(name, 0) + outputs[name]

    def _losses(
        self, first: Tensor, second: Tensor, scale: Tensor, truth: Tensor, *told: Tensor
    ) -> dict[str, Tensor]:
        look = look_at(self.encoder, Batch(first, second, scale, truth))
        teacher = Look(*told) if told else None
        losses = simulation_loss(self.encoder, look, truth, self._weights, teacher)
        return losses | look._asdict()
