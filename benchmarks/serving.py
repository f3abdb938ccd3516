"""Our application against stock ``mlflow models serve``: the same model, machine and run.

    python -m benchmarks.serving [--seconds 8] [--model models:/name@alias]

Needs the environment's programs on the PATH, and wrk (Debian package ``wrk``), which takes a few
per cent of one core. Prints one table; the last lines are the ratios.
"""

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from PIL import Image

from benchmarks.served_model import make_crops, register_model

LOADS = ((1, 1), (8, 1), (32, 1), (128, 1), (4, 64))
"""Concurrent clients, crops per request."""
PORT = 5917
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Figures:
    """What wrk measured at one load."""

    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int


def request_body(crops_per_request: int) -> str:
    """JSON that both servers understand."""
    inputs = []
    for crop in make_crops(crops_per_request):
        stream = io.BytesIO()
        Image.fromarray(crop).save(stream, "PNG")
        inputs.append({"image": base64.b64encode(stream.getvalue()).decode()})
    return json.dumps({"inputs": inputs})


@contextlib.contextmanager
def running(command: list[str], folder: Path) -> Iterator[tuple[psutil.Process, float]]:
    """A server, once it answers a crop, and the seconds that took."""
    begin = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    tree = psutil.Process(process.pid)
    try:
        body = request_body(1).encode()
        while not answers(body):
            if process.poll() is not None or time.perf_counter() - begin > 180:
                raise click.ClickException((folder / "server.log").read_text()[-2000:])
            time.sleep(0.1)
        yield tree, time.perf_counter() - begin
    finally:
        members = [*tree.children(recursive=True), tree] if tree.is_running() else []
        process.terminate()
        _, alive = psutil.wait_procs(members, timeout=20)
        for member in alive:
            member.kill()


def answers(body: bytes) -> bool:
    """Whether the server classifies a crop."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/invocations", body, headers)
    try:
        return urllib.request.urlopen(request, timeout=30).status == 200
    except (urllib.error.URLError, OSError):
        return False


def memory_mb(tree: psutil.Process) -> float:
    """Proportional memory of a process and its children: shared pages count once."""
    members = [tree, *tree.children(recursive=True)]
    return sum(member.memory_full_info().pss for member in members) / 2**20


def load(clients: int, crops: int, seconds: int, folder: Path) -> Figures:
    """Let wrk press for some seconds."""
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{request_body(crops)}]==]\n"
        "done = function(summary, latency)\n"
        '  print("P95 " .. latency:percentile(95) / 1000)\nend\n'
    )
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
    command += ["-s", str(script), f"http://127.0.0.1:{PORT}/invocations"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(
        r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text
    )
    return Figures(
        requests_per_s=float(find(r"Requests/sec:\s+([\d.]+)", text)),
        p50_ms=milliseconds(find(r"\n\s+50%\s+(\S+)", text)),
        p95_ms=float(find(r"P95 ([\d.]+)", text)),
        p99_ms=milliseconds(find(r"\n\s+99%\s+(\S+)", text)),
        failed=sum(map(int, broken.groups() if broken else ())) + int(wrong[1] if wrong else 0),
    )


def find(pattern: str, text: str) -> str:
    """The first group of a pattern that must be there."""
    found = re.search(pattern, text)
    if found is None:
        raise click.ClickException(f"wrk printed something unexpected:\n{text}")
    return found[1]


def milliseconds(text: str) -> float:
    """``1.23s`` -> 1230."""
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * TIMES[unit]


def servers(uri: str, folder: Path) -> dict[str, list[str]]:
    """The commands to compare."""
    stock = [
        "-m",
        "mlflow",
        "models",
        "serve",
        "-m",
        uri,
        "-p",
        str(PORT),
        "--env-manager",
        "local",
    ]
    ours = ["-m", "serving", "--model", uri, "--port", str(PORT), "--cache", str(folder / "cache")]
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
        click.echo("| server | clients | crops/request | requests/s | crops/s | p50 ms | p95 ms "
                   "| p99 ms | failed |\n|---|---|---|---|---|---|---|---|---|")  # fmt: skip
        starts = []
        for label, command in servers(model, folder).items():
            with running(command, folder) as (tree, cold_s):
                load(8, 1, 2, folder)
                for clients, crops in LOADS:
                    f = results[label, clients, crops] = load(clients, crops, seconds, folder)
                    click.echo(
                        f"| {label} | {clients} | {crops} | {f.requests_per_s:.0f} | "
                        f"{f.requests_per_s * crops:.0f} | {f.p50_ms:.1f} | {f.p95_ms:.1f} | "
                        f"{f.p99_ms:.1f} | {f.failed} |"
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
