"""The server as a process: what it refuses to start with, and what it survives."""

import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from click.testing import CliRunner
from live_server import reserve_port, wait_for, workers

from lunar_models.config.serve import ServeConfig
from lunar_models.errors import ConfigError
from serving.app import worker_pool as module
from serving.app.metrics_folder import metrics_folder, reserve_files
from serving.app.supervisor import check
from serving.app.worker_pool import WorkerPool
from serving.cli.serve import main


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--workers", "5", "--tokens", "/missing"], "/missing"),
        (["--model", "nw"], "models:/nw@champion"),
        (["--mosaic", "/nowhere.tif"], "/nowhere.tif"),
        (["--tls_certificate", __file__, "--tls_key", __file__], "PEM"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused_at_once(arguments: list, told: str) -> None:
    result = CliRunner().invoke(main, ["--port", "0", *arguments])
    assert result.exit_code == 2
    assert told in result.output


@pytest.mark.parametrize("model", ["models:/nw@champion", "models:/nw/3", "runs:/1/model", "."])
def test_models_that_may_be_there_are_accepted(model: str) -> None:
    check(ServeConfig(model=model))
    with pytest.raises(ConfigError, match="neither a folder nor a URI"):
        check(ServeConfig(model="nowhere/nw"))


def fail_to_start(*arguments: object) -> None:
    """A worker that says why it cannot start."""
    arguments[-1].send_bytes(b"the mosaic cannot be read")  # type: ignore[attr-defined]
    sys.exit(1)


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("worker", [fail_to_start, die])
def test_workers_that_never_start_are_given_up(
    worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "run", worker)
    monkeypatch.setattr(module, "_LONGEST_WAIT_S", 0.1)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    pool = WorkerPool(ServeConfig(workers=5), tmp_path / "current.json", 0, lambda: None)
    pool._context = multiprocessing.get_context("fork")
    assert pool.keep(threading.Event()) == 1
    pool.dismiss()
    reason = "the mosaic cannot be read" if worker is fail_to_start else "as soon as they start"
    assert reason in str([vars(record).get("reason") for record in caplog.records])


def test_folders_of_killed_servers_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    with metrics_folder() as alive:
        dead = tmp_path / "lunar-metrics-dead"
        dead.mkdir()
        (dead / "lock").touch()
        with metrics_folder() as other:
            assert sorted(tmp_path.iterdir()) == sorted([alive, other])
    assert not list(tmp_path.iterdir())


def test_a_full_disk_costs_the_shared_metrics_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room is taken beforehand; without any the process counts for itself."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    reserve_files()
    assert {f.stat().st_blocks * 512 >= 2**20 for f in tmp_path.iterdir()} == {True}
    assert os.environ["PROMETHEUS_MULTIPROC_DIR"]
    for file in tmp_path.iterdir():
        file.unlink()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, before[1]))
    try:
        reserve_files()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ
    assert not list(tmp_path.iterdir())


@pytest.fixture
def process(bundle_folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen]:
    """The server with two workers; `process.url` says where."""
    port = reserve_port()
    command = [sys.executable, "-m", "serving", "--model", str(bundle_folder), "--port", str(port)]
    (tmp_path / "tmp").mkdir()
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--cache", str(tmp_path / "cache"), "--log_level", "warning"],
            stdout=subprocess.PIPE, stderr=log, text=True,
            env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        )  # fmt: skip
    process.url = f"http://127.0.0.1:{port}/"
    try:
        assert process.stdout.readline() == f"Open {process.url}\n"
        wait_for(lambda: len(workers(process)) == 2, 120)
        yield process
    finally:
        process.kill()
        process.wait()


def healthy(url: str, seconds: float = 2.0) -> bool:
    try:
        return requests.get(f"{url}ready", timeout=seconds).ok
    except requests.RequestException:
        return False


@pytest.mark.slow
def test_a_hung_worker_is_replaced(process: subprocess.Popen) -> None:
    time.sleep(10)  # both are up
    victim = workers(process)[0]
    victim.send_signal(signal.SIGSTOP)
    wait_for(lambda: not victim.is_running(), 40)
    wait_for(lambda: len(workers(process)) == 2, 40)
    wait_for(lambda: all(healthy(process.url) for _ in range(10)), 120)


@pytest.mark.slow
def test_sighup_drains(process: subprocess.Popen, tmp_path: Path) -> None:
    assert healthy(process.url, 30)
    process.send_signal(signal.SIGHUP)
    assert process.wait(60) == 0
    assert not list((tmp_path / "tmp").glob("lunar-metrics-*"))


@pytest.mark.slow
def test_a_stopped_and_continued_server_keeps_its_workers(process: subprocess.Popen) -> None:
    """As when a laptop sleeps: nobody was silent, everybody was."""
    time.sleep(10)
    before = {p.pid for p in workers(process)}
    everyone = [psutil.Process(process.pid), *workers(process)]
    for each in everyone:
        each.suspend()
    time.sleep(20)
    for each in everyone:
        each.resume()
    time.sleep(3)
    assert {p.pid for p in workers(process)} == before
