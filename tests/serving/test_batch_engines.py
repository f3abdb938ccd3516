"""Engines finish every task, report what failed, and survive the death of their processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import mlflow
import psutil
import pytest
from batch_job import job_config, release_digests

from lunar_models.errors import ConfigError, MosaicError
from serving.batch import ray_engine
from serving.batch.engines import InlineEngine, ProcessEngine, Task, WorkerDied, run_alone

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: [ray]")


def double(number):
    return 2 * number


def fail(number):
    raise MosaicError(f"row {number}")


def die_once(mark):
    """Kill this process the first time."""
    if not os.path.exists(mark):
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def test_error_of_one_task_stops_no_other():
    tasks = [Task(double, (1,)), Task(fail, (2,)), Task(double, (3,))]
    ended = list(InlineEngine().run(tasks))
    assert [e.result for e in ended] == [2, None, 6]
    assert isinstance(ended[1].error, MosaicError)


def test_task_of_a_killed_process_is_begun_again_and_one_that_kills_is_reported(tmp_path):
    engine = ProcessEngine(2)
    try:
        mark = str(tmp_path / "mark")
        tasks = [Task(double, (n,)) for n in range(5)]
        tasks += [Task(die_once, (mark,)), Task(fail, (7,))]
        ended = {e.task: e for e in engine.run(tasks)}
        assert [ended[t].result for t in tasks[:6]] == [0, 2, 4, 6, 8, "alive"]
        assert str(ended[tasks[6]].error) == "row 7"
        (last,) = engine.run([Task(die, ())])
        assert isinstance(last.error, WorkerDied)
    finally:
        engine.close()


def fail_here():
    return {}["nothing"]


def test_task_alone_ends_with_its_process():
    assert run_alone(Task("os:getpid", ())) != os.getpid()
    with pytest.raises(MosaicError, match="row 3"):
        run_alone(Task(fail, (3,)))
    with pytest.raises(KeyError) as told:
        run_alone(Task(fail_here, ()))
    assert "in fail_here" in told.value.__notes__[0]  # where it happened
    with pytest.raises(WorkerDied, match="killed, or out of memory"):
        run_alone(Task(die, ()))


@pytest.fixture
def _keep_tracking():
    before = mlflow.get_tracking_uri()
    yield
    mlflow.set_tracking_uri(before)


@pytest.mark.usefixtures("_keep_tracking")
def test_task_alone_sees_the_environment_and_folder_of_now(tmp_path, monkeypatch):
    """So that it asks the tracking server that was chosen last."""
    run_alone(Task("os:getpid", ()))  # the fork server runs
    monkeypatch.chdir(tmp_path)
    for number in ("1", "2"):
        mlflow.set_tracking_uri(f"sqlite:///{number}.db")
        assert run_alone(Task("mlflow:get_tracking_uri", ())) == f"sqlite:///{number}.db"
    assert run_alone(Task("os:getcwd", ())) == str(tmp_path)


def test_missing_ray_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'lunar-models\[ray\]'"):
        ray_engine.RayEngine("auto", workers=None, gpus=False)


@needs_ray
def test_address_where_nothing_listens_is_refused_at_once():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and does not listen
        port = silent.getsockname()[1]
        for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}"):
            with pytest.raises(ConfigError, match=r"no Ray cluster answers there .*Give HOST:PORT"):
                ray_engine.RayEngine(address, workers=None, gpus=False)
    with pytest.raises(ConfigError, match="no Ray cluster answers there"):
        ray_engine.RayEngine("head:port", workers=None, gpus=False)


def test_tasks_of_ray_run_where_the_driver_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    assert ray_engine._call_in(str(folder), Task(os.getcwd, ())).result == str(folder)
    assert ray_engine._call_in("/not/here", Task(os.getcwd, ())).result == str(folder)


def start(config) -> subprocess.Popen:
    """The driver as a process of its own."""
    values = {**dict(config), "mosaic": list(config.mosaic)}
    del values["creators"]
    command = [sys.executable, "tests/batch_job.py", json.dumps(values)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(("tests", "."))}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


def wait_for(found, seconds=240.0):
    """Poll until `found()` is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.02)
    raise AssertionError("it never happened")


def shards_in(folder: Path, kind: str) -> list[Path]:
    return list((folder / kind).glob("*.json"))


@pytest.mark.slow
def test_killed_worker_then_killed_driver_then_the_same_command(
    moon, bundle_folder, release, tmp_path
):
    config = job_config(moon, bundle_folder, tmp_path / "release", shards=4, workers=2)
    work = tmp_path / "release.partial"
    driver = start(config)
    wait_for(lambda: shards_in(work, "measures"))
    workers = wait_for(lambda: [
        p for p in psutil.Process(driver.pid).children(recursive=True)
        if p.memory_info().rss > 1 << 27 and p.ppid() != driver.pid
    ])  # fmt: skip
    workers[0].send_signal(signal.SIGKILL)
    wait_for(lambda: shards_in(work, "shards") or driver.poll() is not None)
    family = psutil.Process(driver.pid).children(recursive=True)
    driver.kill()
    driver.wait()
    assert not (tmp_path / "release").exists()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert not alive  # workers end with their driver
    again = start(config)
    assert again.wait() == 0
    assert release_digests(tmp_path / "release") == release_digests(release)


@pytest.mark.slow
@needs_ray
def test_ray_gives_the_same_bytes_though_a_worker_is_killed(moon, bundle_folder, release, tmp_path):
    config = job_config(
        moon, bundle_folder, tmp_path / "release",
        shards=4, workers=2, engine="ray", address="local",
    )  # fmt: skip
    driver = start(config)
    work = tmp_path / "release.partial"
    wait_for(lambda: shards_in(work, "measures"))
    busy = wait_for(lambda: [
        p for p in psutil.Process(driver.pid).children(recursive=True)
        if p.name().startswith("ray::") and "call" in p.name()
    ])  # fmt: skip
    busy[0].send_signal(signal.SIGKILL)
    assert driver.wait(timeout=300) == 0
    assert release_digests(tmp_path / "release") == release_digests(release)


@pytest.mark.slow
@needs_ray
def test_ray_gives_the_same_bytes_though_a_node_is_killed(moon, bundle_folder, release, tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        node = cluster.add_node(num_cpus=1)
        config = job_config(
            moon, bundle_folder, tmp_path / "release",
            shards=6, engine="ray", address=cluster.address,
        )  # fmt: skip
        driver = start(config)
        wait_for(lambda: shards_in(tmp_path / "release.partial", "measures"))
        node.kill_raylet()
        assert driver.wait(timeout=300) == 0
    finally:
        cluster.shutdown()
    assert release_digests(tmp_path / "release") == release_digests(release)
