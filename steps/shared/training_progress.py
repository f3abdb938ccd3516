"""Show the progress of a training: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from typing import TypeVar

import click
from tqdm import tqdm

from lunar_models.training import Metrics

_Self = TypeVar("_Self", bound="TrainingProgress")

_LINE_SECONDS = 5.0
"""Shortest time between two lines; the first and the last epoch always have one."""


class TrainingProgress:
    """Show epochs, losses and the time left; use it in a with statement.

    Args:
        epochs: most epochs.
        crops: crops of an epoch.
    """

    def __init__(self, epochs: int, crops: int) -> None:
        self.epochs, self.crops = epochs, crops
        self.bar = tqdm(total=epochs * crops, unit=" crops", unit_scale=True, disable=None)
        self.began, self.first, self.last_line = time.monotonic(), 0, 0.0

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def on_crops(self, count: int) -> None:
        """Count the crops of an optimiser step."""
        self.bar.update(count)

    def on_epoch(self, epoch: int, metrics: Metrics, *, resumed: bool) -> None:
        """Tell of a finished epoch (from 0); `resumed` ones were trained by an earlier run."""
        loss = metrics["validation/loss"]
        self.bar.set_postfix_str(f"epoch {epoch + 1}, validation loss {loss:.5f}", refresh=False)
        self.bar.update((epoch + 1) * self.crops - self.bar.n)  # batches leave a few crops out
        if resumed:
            self.bar.initial, self.first = self.bar.n, epoch + 1  # the time left follows from now
            self.began = time.monotonic()
        elif not sys.stderr.isatty():
            self._line(epoch, metrics)

    def _line(self, epoch: int, metrics: Metrics) -> None:
        now = time.monotonic()
        ends = epoch in (self.first, self.epochs - 1)
        if not ends and now - self.last_line < _LINE_SECONDS:
            return
        self.last_line = now
        each = (now - self.began) / (epoch + 1 - self.first)
        left = each * (self.epochs - epoch - 1)
        click.echo(
            f"epoch {epoch + 1}/{self.epochs}: training loss {metrics['train/loss']:.5f}, "
            f"validation loss {metrics['validation/loss']:.5f}, "
            f"{metrics['train/crops_per_second']:,.0f} crops/s, at most {_duration(left)} left"
        )
        sys.stdout.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
