"""Under load: a new champion, a dead registry, a killed worker, SIGTERM, and a soak test.

`LUNAR_SOAK_S` sets the length of the soak; 600 is what a release needs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import psutil
import pytest
import requests
from crop_images import item
from live_server import reserve_port, wait_for
from load import Load
from service_parts import Parts

pytestmark = pytest.mark.slow
SOAK_S = float(os.environ.get("LUNAR_SOAK_S", "20"))


@dataclass
class Site:
    """A tracking server and the application that follows its champion."""

    url: str
    tracking_uri: str
    registry: subprocess.Popen
    application: subprocess.Popen

    def ready(self) -> dict:
        return requests.get(f"{self.url}/ready", timeout=10).json()

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.application.pid).children()
        alive = (child for child in children if child.status() != psutil.STATUS_ZOMBIE)
        return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]

    def memory_mb(self) -> float:
        return sum(worker.memory_full_info().uss for worker in self.workers()) / 2**20


def start(command: list[str], folder: Path, name: str, **environment: str) -> subprocess.Popen:
    with (folder / f"{name}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            stdout=log,
            stderr=log,
        )


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def site(parts: Parts, tmp_path: Path) -> Iterator[Site]:
    from steps.shared.registry import log_service_model

    ports = reserve_port(), reserve_port()
    tracking_uri = f"http://127.0.0.1:{ports[0]}"
    store = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db"]
    artifacts = ["--artifacts-destination", str(tmp_path / "artifacts"), "--workers", "1"]
    command = ["mlflow", "server", "--port", str(ports[0]), *store, *artifacts]
    registry = start(command, tmp_path, "registry")
    before = mlflow.get_tracking_uri()
    try:
        wait_for(lambda: answers(f"{tracking_uri}/health"), 180)
        mlflow.set_tracking_uri(tracking_uri)
        for _ in range(2):
            with mlflow.start_run(experiment_id="0"):
                log_service_model(
                    encoder=parts.encoder,
                    head=parts.head,
                    clusters=parts.clusters,
                    neighbours=parts.neighbours,
                    golden_crops=np.array(parts.crop_set.crops[:4]),
                    registered_model="craters",
                    tags={},
                    description="For a test.",
                )
        mlflow.MlflowClient().set_registered_model_alias("craters", "champion", "1")
        model = ["serving", "--model", "models:/craters@champion", "--port", str(ports[1])]
        options = ["--poll_s", "0.5", "--cache", str(tmp_path / "cache"), "--log_level", "warning"]
        application = start([*model, *options], tmp_path, "app", MLFLOW_TRACKING_URI=tracking_uri)
        site = Site(f"http://127.0.0.1:{ports[1]}", tracking_uri, registry, application)
        wait_for(lambda: answers(f"{site.url}/ready"), 180)
        yield site
    finally:
        mlflow.set_tracking_uri(before)
        for process in (registry, application):
            stop_all(process)


def stop_all(process: subprocess.Popen) -> None:
    """End a process and its children."""
    if process.poll() is None:
        members = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for member in members:
            member.kill()
    process.wait(30)


@pytest.fixture
def body(parts: Parts) -> bytes:
    return json.dumps({"inputs": [item(np.array(parts.crop_set.crops[0]))]}).encode()


def test_nothing_fails_while_the_world_does(site: Site, body: bytes) -> None:
    both = [None] * 20
    with Load(site.url, body) as load:
        time.sleep(3)
        mlflow.MlflowClient().set_registered_model_alias("craters", "champion", "2")
        # both workers answer with the new one
        wait_for(lambda: all(site.ready()["model"]["version"] == "2" for _ in both), 120)
        time.sleep(2)
    print("swap", dict(load.outcomes), dict(load.versions))
    assert set(load.outcomes) == {"200"}
    assert min(load.versions["1"], load.versions["2"]) > 0

    with Load(site.url, body) as load:
        time.sleep(2)
        stop_all(site.registry)
        wait_for(lambda: site.ready()["registry_problem"], 60)
        time.sleep(3)
    print("registry killed", dict(load.outcomes))
    assert set(load.outcomes) == {"200"}
    assert site.ready()["ready"]

    with Load(site.url, body) as load:
        time.sleep(2)
        site.application.send_signal(signal.SIGTERM)
        assert site.application.wait(60) == 0
        time.sleep(0.2)
    print("SIGTERM", dict(load.outcomes))
    assert set(load.outcomes) == {"200", "refused"}


def test_a_killed_worker_comes_back(site: Site, body: bytes) -> None:
    victim = site.workers()[0]
    victim.kill()
    wait_for(lambda: len(site.workers()) == 2 and victim.pid not in [w.pid for w in site.workers()])
    wait_for(lambda: all(answers(f"{site.url}/ready") for _ in range(20)), 120)
    with Load(site.url, body) as load:
        time.sleep(2)
    assert set(load.outcomes) == {"200"}


def test_soak(site: Site, body: bytes) -> None:
    """At saturation memory settles, and nothing but 503 goes wrong."""
    readings = []
    with Load(site.url, body, clients=32) as load:
        for _ in range(20):
            time.sleep(SOAK_S / 20)
            readings.append(site.memory_mb())
    early, late = np.mean(readings[5:8]), np.mean(readings[-3:])
    print("soak", dict(load.outcomes), f"{early:.1f} -> {late:.1f} MB", np.round(readings))
    assert set(load.outcomes) <= {"200", "503"}
    assert late < 1.03 * early + 8
