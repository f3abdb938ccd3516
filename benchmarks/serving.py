"""Compare our application with stock ``mlflow models serve``: same model, machine and run.

    python -m benchmarks.serving [--seconds 8] [--model models:/name@alias]

Needs the environment's programs on the PATH, and wrk (Debian package ``wrk``), which takes a few
per cent of one core. Prints one table; the last lines are the ratios.
"""

import os
import sys
import tempfile
from functools import partial
from pathlib import Path

import click

from benchmarks.load import Figures, free_port, load, memory_mb, running
from benchmarks.served_model import register_model

LOADS = ((1, 1), (8, 1), (32, 1), (128, 1), (4, 64))
"""Concurrent clients, crops per request."""
COLUMNS = ("server", "clients", "crops/request", "requests/s", "crops/s", "p50 ms", "p95 ms",
           "p99 ms", "processor ms/request", "failed")  # fmt: skip


def servers(uri: str, port: int, folder: Path) -> dict[str, list[str]]:
    """The commands to compare."""
    stock = ["-m", "mlflow", "models", "serve", "-m", uri, "-p", str(port)]
    stock += ["--env-manager", "local"]
    ours = ["-m", "serving", "--model", uri, "--port", str(port), "--cache", str(folder / "cache")]
    return {
        "stock": [sys.executable, *stock],
        "stock, 2 workers": [sys.executable, *stock, "--workers", "2"],
        "ours, 2 workers": [sys.executable, *ours, "--workers", "2", "--log_level", "warning"],
        "ours, 2 workers, a log line per request": [sys.executable, *ours, "--workers", "2"],
    }


@click.command()
@click.option("--seconds", default=8, show_default=True, help="Per server and load.")
@click.option("--model", default=None, help="URI of a service model; by default one is made.")
def main(seconds: int, model: str | None) -> None:
    """Measure and print."""
    results: dict[tuple[str, int, int], Figures] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if model is None:
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
            model = register_model(folder)
        click.echo(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
        starts = []
        port = free_port()
        for label, command in servers(model, port, folder).items():
            with running(command, port, folder / "server.log") as (tree, cold_s):
                press = partial(load, port, tree, folder=folder)
                press(clients=8, crops=1, seconds=2)
                for clients, crops in LOADS:
                    f = press(clients=clients, crops=crops, seconds=seconds)
                    results[label, clients, crops] = f
                    click.echo(
                        f"| {label} | {clients} | {crops} | {f.requests_per_s:.0f} | "
                        f"{f.requests_per_s * crops:.0f} | {f.p50_ms:.1f} | {f.p95_ms:.1f} | "
                        f"{f.p99_ms:.1f} | {f.processor_ms:.2f} | {f.failed} |"
                    )
                starts.append(
                    f"{label}: cold start {cold_s:.1f} s, memory {memory_mb(tree):.0f} MB"
                )
        click.echo("\n" + "\n".join(starts) + "\n")
        for label in ("stock", "stock, 2 workers"):
            for clients, crops in LOADS:
                ours, base = (
                    results["ours, 2 workers", clients, crops],
                    results[label, clients, crops],
                )
                click.echo(
                    f"{clients} clients x {crops}: {ours.requests_per_s / base.requests_per_s:.1f} "
                    f"times the requests/s of {label}, p99 {ours.p99_ms / base.p99_ms:.2f} times"
                )


if __name__ == "__main__":
    main()
