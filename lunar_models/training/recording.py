"""Record a gradient step as a CUDA graph, so that the device gets its kernels in one go.

A step of a small network is hundreds of kernels of a few microseconds each: launched one by one
from Python they leave the device idle for most of the time.
"""

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_WARM_UP = 3
"""Steps taken eagerly before the recording, in which libraries choose and load their kernels."""
_log = logging.getLogger(__name__)

Step = Callable[..., dict[str, Tensor]]
"""Takes tensors, always of the same shapes but for a rest; gives scalars."""


class RecordedStep:
    """A step that is replayed as a CUDA graph once it has been taken `_WARM_UP` times.

    The step must neither wait for the device nor depend on anything but its inputs, tensors that
    are changed in place, and `generators`. Inputs of another shape are computed eagerly. What it
    gives is overwritten by the next call.

    Where recording fails, all steps are taken eagerly; the log tells it once.
    """

    def __init__(self, step: Step, generators: Sequence[torch.Generator] = ()) -> None:
        """Args:
        step: see above.
        generators: of the device, from which it draws; beside the default one.
        """
        self._step, self._generators = step, generators
        self._taken = 0
        self._inputs: tuple[Tensor, ...] = ()
        self._outputs: dict[str, Tensor] = {}
        self._replay: Callable[[], object] | None = None
        self._fails = False

    def __call__(self, *inputs: Tensor) -> dict[str, Tensor]:
        """Take one step."""
        if self._fails:
            return self._step(*inputs)
        if self._replay is None and self._taken < _WARM_UP:
            self._taken += 1
            return self._aside(inputs)
        if self._replay is None:
            try:
                self._record(inputs)
            except RuntimeError as error:  # CUDA's errors are RuntimeErrors too
                self._give_up(error)
                return self._step(*inputs)
        if [value.shape for value in inputs] != [value.shape for value in self._inputs]:
            return self._step(*inputs)
        for kept, value in zip(self._inputs, inputs, strict=True):
            kept.copy_(value)
        assert self._replay is not None
        self._replay()
        return self._outputs

    def _aside(self, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """A step on a stream of its own, as PyTorch wants it before a recording."""
        current, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            outputs = self._step(*inputs)
        current.wait_stream(aside)
        return outputs

    def _record(self, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = tuple(value.clone() for value in inputs)
        device = inputs[0].device
        generators = *self._generators, torch.cuda.default_generators[device.index or 0]
        states = [generator.get_state() for generator in generators]
        graph = torch.cuda.CUDAGraph()
        for generator in self._generators:
            graph.register_generator_state(generator)
        try:
            # Other threads read batches ahead meanwhile.
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                self._outputs = self._step(*self._inputs)
        except RuntimeError:
            for generator, state in zip(generators, states, strict=True):
                _renew(generator, state)
            raise
        self._replay = graph.replay

    def _give_up(self, error: RuntimeError) -> None:
        self._fails = True
        self._inputs, self._outputs = (), {}
        _log.warning(
            "The training step could not be recorded as a CUDA graph and runs eagerly, which is "
            "slower: %s",
            str(error).strip().partition("\n")[0],
        )


def _renew(generator: torch.Generator, state: Tensor) -> None:
    """Free a generator from a recording that broke off, after which it would refuse to draw."""
    fresh = torch.Generator(generator.device)
    fresh.set_state(state)
    generator.graphsafe_set_state(fresh.graphsafe_get_state())
