"""Show the progress of a training: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from typing import Any, TypeVar

import click
import mlflow
from tqdm import tqdm

from lunar_models.training import Metrics
from steps.shared.unlogged import kept

_Self = TypeVar("_Self", bound="TrainingProgress")

_LINE_SECONDS = 5.0
"""Shortest time between two lines; the first and the last epoch always have one."""
FIRST_THREADS = "first_threads"
"""Parameter of the run; the metric `train/threads` follows the number."""


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

    def on_threads(self, threads: int, others: float | None) -> None:
        """Tell and log the number of threads; see `tell_threads`."""
        tell_threads(self.bar, threads, others)

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


def tell_threads(bar: "tqdm[Any]", threads: int, others: float | None) -> None:
    """Print how many threads compute; the first number is a parameter of the run, too.

    Args:
        bar: above which the line is printed.
        threads: their number from now on.
        others: cores that other programs keep busy; None: the number was given.
    """
    _log_first(threads)
    told = "1 thread" if threads == 1 else f"{threads} threads"
    if others is not None:
        told += f"; other programs keep {others:.1f} cores busy"
    bar.write(f"Training on {told}.")
    sys.stdout.flush()


@kept
def _log_first(threads: int) -> None:
    """Log the parameter unless the run has one: a training that goes on began with another."""
    run = mlflow.active_run()
    if run is not None and FIRST_THREADS not in mlflow.get_run(run.info.run_id).data.params:
        mlflow.log_param(FIRST_THREADS, threads)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
