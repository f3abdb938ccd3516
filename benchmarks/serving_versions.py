"""Compare this checkout's application with another one's, and its log with none, in turns.

    python -m benchmarks.serving_versions [--before ../before] [--rounds 9] [--seconds 3]

All servers stand beside each other and serve the same model; wrk loads one after the other, round
after round, so that what else the machine does falls on all of them. Prints the medians, then the
median of the rounds' ratios. Processor time per request stands beside the rate, since other
programs disturb it less. The other checkout (`git worktree add ../before COMMIT`) needs an
interpreter of its own in `.venv`.
"""

import contextlib
import os
import statistics
import sys
import tempfile
from functools import partial
from pathlib import Path

import click

from benchmarks.load import Figures, free_port, load, running
from benchmarks.served_model import register_model

BEFORE, NOW, SILENT = "before", "now", "now, no line per request"
WARM_UP_S = 2


def server(python: str, model: str, port: int, cache: Path) -> list[str]:
    """The command of an application with two workers."""
    command = [python, "-m", "serving", "--model", model, "--port", str(port)]
    return [*command, "--workers", "2", "--cache", str(cache)]


def ratio(rounds: list[dict[str, Figures]], figure: str, above: str, below: str) -> float:
    """The median over the rounds of what one server has of another's figure."""
    return statistics.median(
        getattr(each[above], figure) / getattr(each[below], figure) for each in rounds
    )


def show(rounds: list[dict[str, Figures]]) -> None:
    """Print the medians of all servers, and their ratios."""
    click.echo("| server | requests/s | p50 ms | p99 ms | processor ms/request | failed |")
    click.echo("|---|---|---|---|---|---|")
    for label in rounds[0]:
        rate, p50, p99, busy = (
            statistics.median(getattr(each[label], figure) for each in rounds)
            for figure in ("requests_per_s", "p50_ms", "p99_ms", "processor_ms")
        )
        failed = sum(each[label].failed for each in rounds)
        click.echo(f"| {label} | {rate:.0f} | {p50:.1f} | {p99:.1f} | {busy:.3f} | {failed} |")
    pairs = [(NOW, SILENT), *([(NOW, BEFORE)] if BEFORE in rounds[0] else [])]
    for above, below in pairs:
        click.echo(
            f"{above} / {below}: requests/s {ratio(rounds, 'requests_per_s', above, below):.3f}, "
            f"processor time per request {ratio(rounds, 'processor_ms', above, below):.3f}"
        )


@click.command()
@click.option("--before", type=click.Path(path_type=Path, exists=True), help="Another checkout.")
@click.option("--rounds", default=9, show_default=True, help="Turns of each server.")
@click.option("--seconds", default=3, show_default=True, help="Per server and turn.")
@click.option("--clients", default=32, show_default=True, help="Concurrent connections.")
def main(before: Path | None, rounds: int, seconds: int, clients: int) -> None:
    """Measure and print."""
    here = Path.cwd()
    sides = {NOW: (here, []), SILENT: (here, ["--log_level", "warning"])}
    if before is not None:
        sides = {BEFORE: (before.resolve(), []), **sides}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        model = register_model(folder)
        turns = {}
        for label, (checkout, options) in sides.items():
            python = sys.executable if checkout == here else str(checkout / ".venv/bin/python")
            port, log_file = free_port(), folder / f"{len(turns)}.log"
            command = server(python, model, port, folder / f"cache{len(turns)}") + options
            tree, _ = stack.enter_context(running(command, port, log_file, checkout=checkout))
            turns[label] = partial(load, port, tree, clients=clients, crops=1, folder=folder)
        for turn in turns.values():
            turn(seconds=WARM_UP_S)
        show(
            [{label: turn(seconds=seconds) for label, turn in turns.items()} for _ in range(rounds)]
        )


if __name__ == "__main__":
    main()
