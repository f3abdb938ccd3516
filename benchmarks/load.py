"""Start servers and load them with wrk, for the benchmarks of serving."""

import base64
import contextlib
import io
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import psutil
from PIL import Image

from benchmarks.served_model import make_crops

TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Figures:
    """What wrk measured at one load."""

    requests_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    failed: int
    processor_ms: float
    """Processor time of the server and its workers per request, in ms."""


def free_port() -> int:
    """A port that nobody listens on; the system does not give it out again at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def request_body(crops_per_request: int) -> str:
    """JSON that both servers understand."""
    inputs = []
    for crop in make_crops(crops_per_request):
        stream = io.BytesIO()
        Image.fromarray(crop).save(stream, "PNG")
        inputs.append({"image": base64.b64encode(stream.getvalue()).decode()})
    return json.dumps({"inputs": inputs})


@contextlib.contextmanager
def running(
    command: list[str], port: int, log_file: Path, *, checkout: Path | None = None
) -> Iterator[tuple[psutil.Process, float]]:
    """A server, once it answers a crop, and the seconds that took.

    Args:
        command: starts it.
        port: the one of the command.
        log_file: what it prints goes there.
        checkout: the folder to start it in; by default the present one.
    """
    begin = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log_file.open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=checkout)
    tree = psutil.Process(process.pid)
    try:
        body = request_body(1).encode()
        while not answers(port, body):
            if process.poll() is not None or time.perf_counter() - begin > 180:
                raise click.ClickException(log_file.read_text()[-2000:])
            time.sleep(0.1)
        yield tree, time.perf_counter() - begin
    finally:
        members = [*tree.children(recursive=True), tree] if tree.is_running() else []
        process.terminate()
        _, alive = psutil.wait_procs(members, timeout=20)
        for member in alive:
            member.kill()


def answers(port: int, body: bytes) -> bool:
    """Whether the server classifies a crop."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/invocations", body, headers)
    try:
        return urllib.request.urlopen(request, timeout=30).status == 200
    except (urllib.error.URLError, OSError):
        return False


def memory_mb(tree: psutil.Process) -> float:
    """Proportional memory of a process and its children: shared pages count once."""
    members = [tree, *tree.children(recursive=True)]
    return sum(member.memory_full_info().pss for member in members) / 2**20


def processor_s(tree: psutil.Process) -> float:
    """Processor seconds that a process and its children have used so far."""
    times = [each.cpu_times() for each in (tree, *tree.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def load(
    port: int, tree: psutil.Process, *, clients: int, crops: int, seconds: int, folder: Path
) -> Figures:
    """Let wrk press a server for some seconds; `folder` takes its script."""
    script = folder / "post.lua"
    script.write_text(
        'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
        f"wrk.body = [==[{request_body(crops)}]==]\n"
        "done = function(summary, latency)\n"
        '  print("P95 " .. latency:percentile(95) / 1000)\nend\n'
    )
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
    command += ["-s", str(script), f"http://127.0.0.1:{port}/invocations"]
    busy = processor_s(tree)
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    busy = processor_s(tree) - busy
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
        processor_ms=busy / int(find(r"(\d+) requests in", text)) * 1e3,
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
