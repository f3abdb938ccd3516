"""Keep recently simulated crops, so that each serves several gradient steps."""

import torch
from torch import Tensor

from lunar_models.rendering.simulation import QUANTITIES, normalised, simulate_crops

_MOSAIC = 128
"""Craters simulated in the same light."""
_MOSAICS = 64
"""Of them at once on a GPU, which one does not fill; one on other devices."""


class Replay:
    """A ring of simulated craters on one device, renewed at a fixed rate.

    Simulating a crater on a CPU costs as much as several gradient steps with it; on a GPU each may
    be used once.
    """

    def __init__(
        self,
        capacity: int,
        *,
        uses: float,
        crop_size_px: int,
        context_diameters: float,
        generator: torch.Generator,
    ) -> None:
        """Args:
        capacity: craters kept.
        uses: how often each is drawn, in the mean.
        crop_size_px, context_diameters: of the crops.
        generator: of all randomness, on the device where the work is done.
        """
        self.crop_size_px, self.context_diameters = crop_size_px, context_diameters
        self.uses, self.generator = uses, generator
        device = generator.device
        shape = (capacity, 2, crop_size_px, crop_size_px)
        self.brightness = torch.empty(shape, dtype=torch.uint8, device=device)
        self.scale = torch.empty(capacity, 2, device=device)
        self.truth = torch.empty(capacity, 2, len(QUANTITIES), device=device)
        self.filled = self._next = 0
        self._owed = 0.0
        self._mosaics = min(_MOSAICS, capacity // _MOSAIC) if device.type == "cuda" else 1

    def draw(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draw two photographs of random craters, some of them new.

        Returns:
            first, second: (count, 1, S, S) normalised.
            scale: (count, 2) contrast that both were divided by.
            truth: (count, 2, Q) `QUANTITIES`.
        """
        self._owed += count / self.uses
        while self.filled < min(4 * count, len(self.truth)) or self._owed >= self._at_once:
            self._simulate()
        chosen = torch.randint(
            self.filled, (count,), generator=self.generator, device=self.generator.device
        )
        brightness, scale = self.brightness[chosen], self.scale[chosen]
        first, second = (normalised(brightness[:, n], scale[:, n]) for n in (0, 1))
        return first, second, scale, self.truth[chosen]

    @property
    def _at_once(self) -> int:
        return self._mosaics * _MOSAIC

    def _simulate(self) -> None:
        count, capacity = self._at_once, len(self.truth)
        made = simulate_crops(
            count,
            crop_size_px=self.crop_size_px,
            context_diameters=self.context_diameters,
            generator=self.generator,
            mosaics=self._mosaics,
        )
        place = torch.arange(self._next, self._next + count, device=self.truth.device) % capacity
        self.brightness[place] = made.brightness.byte()
        self.scale[place], self.truth[place] = made.scale, made.truth
        self._next = (self._next + count) % capacity
        self.filled = min(capacity, self.filled + count)
        self._owed -= count
