"""Compile blocks of a network with `torch.compile` for training; run eagerly where that fails."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

_log = logging.getLogger(__name__)


class CompiledBlocks:
    """Blocks that run compiled inside `active` only: neither in validation nor for embeddings.

    Block by block instead of the whole network: equal blocks are compiled once, which takes seconds
    instead of a minute.
    """

    def __init__(self, blocks: Sequence[nn.Module]) -> None:
        # One shape is trained on, so that nothing needs to hold for others.
        self._forwards = [(block, torch.compile(block.forward, dynamic=False)) for block in blocks]

    @contextmanager
    def active(self) -> Iterator[None]:
        """The blocks run compiled inside."""
        try:
            for block, forward in self._forwards:
                block.forward = forward
            yield
        finally:
            for block, _ in self._forwards:
                vars(block).pop("forward", None)

    def give_up(self, error: RuntimeError) -> None:
        """Run them as they are from now on; the log tells why."""
        self._forwards = []
        _log.warning(
            "The blocks of the network could not be compiled and run eagerly, which is slower: %s",
            str(error).strip().partition("\n")[0],
        )
