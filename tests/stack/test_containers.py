"""The images and the compose file of `deploy/`, run: `make test-containers`."""

import os
import re
import time
from pathlib import Path

import mlflow
import numpy as np
import pytest
import requests
from container_stack import NAMES, Containers, names_are_this_machine
from crop_images import item
from live_server import wait_for
from team_stack import DEPLOY

from steps.shared.registry import log_service_model

pytestmark = [
    pytest.mark.stack,
    pytest.mark.skipif(
        not os.environ.get("LUNAR_CONTAINERS"), reason="builds images: make test-containers"
    ),
]
ORDER = ("postgres", "seaweedfs", "bucket", "tracking", "prometheus", "proxy", "app")
APP = "lunar-models_app_1"
CRATERS, TRACKING = (f"https://{NAMES[n]}" for n in ("LUNAR_HOST", "TRACKING_HOST"))


@pytest.fixture(scope="module")
def containers(tmp_path_factory, parts, log):
    """Everything up, a model with a champion and a challenger registered through the proxy."""
    running = Containers(tmp_path_factory.mktemp("containers"))
    try:
        with names_are_this_machine():
            _start(running, parts, log)
            yield running
    finally:
        running.close()


def _start(running: Containers, parts, log) -> None:
    for service in ("postgres", "seaweedfs"):
        running.start(service)
    running.compose("up", "--no-build", "--no-deps", "bucket")
    token = running.compose("run", "--rm", "-T", "token", "prometheus", "--scope", "metrics")
    (running.folder / "secrets/metrics_token").chmod(0o600)
    (running.folder / "secrets/metrics_token").write_text(token.splitlines()[-1])
    (running.folder / "secrets/metrics_token").chmod(0o444)
    for service in ("tracking", "prometheus", "proxy"):
        running.start(service)
    log("containers: database, store, tracking server, Prometheus and proxy are healthy")
    os.environ["CURL_CA_BUNDLE"] = os.environ["REQUESTS_CA_BUNDLE"] = str(running.certificate())
    _create_user(running, "application", running.secret("application_password"))
    _create_user(running, "ana", "the-password-of-ana")
    _register(parts)
    running.start("app")
    log("containers: the application is healthy and follows the champion")


def _create_user(running: Containers, name: str, password: str) -> None:
    running.environment |= {"TRACKING": TRACKING, "CURL_CA_BUNDLE": os.environ["CURL_CA_BUNDLE"]}
    running.run(running.folder / "scripts/create-user.sh", name, input=password)


def _register(parts) -> None:
    os.environ |= {"MLFLOW_TRACKING_USERNAME": "ana"}
    os.environ |= {"MLFLOW_TRACKING_PASSWORD": "the-password-of-ana"}
    mlflow.set_tracking_uri(TRACKING)
    mlflow.set_experiment("served")
    for _ in range(2):
        with mlflow.start_run():
            log_service_model(
                encoder=parts.encoder, head=parts.head, clusters=parts.clusters,
                neighbours=parts.neighbours, golden_crops=np.array(parts.crop_set.crops[:4]),
                registered_model="served", tags={"encoder": "pca"}, description="For tests.",
            )  # fmt: skip
    mlflow.MlflowClient().set_registered_model_alias("served", "champion", "1")


def _ask(containers: Containers, parts, token: str) -> requests.Response:
    return requests.post(
        f"{CRATERS}/v1/classify", json={"inputs": [item(parts.crop_set.crops[0])]},
        headers={"Authorization": f"Bearer {token}"}, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize("service", ["tracking", "app", "seaweedfs"])
def test_our_containers_run_without_root_or_a_writable_disk(containers, service):
    assert "uid=10001" in containers.inside(service, "id")
    refused = containers.inside(service, "touch", "/etc/written", check=False)
    assert "Read-only file system" in refused
    status = containers.inside(service, "cat", "/proc/1/status")
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)


@pytest.mark.parametrize("service", ["tracking", "app"])
def test_our_images_bring_every_library_that_their_packages_load(containers, service):
    """Docker Hub's Python image has less of Debian in it than the stand-in."""
    script = (
        "import subprocess, pathlib, re\n"
        "files = [str(f) for f in pathlib.Path('/opt/venv').rglob('*.so*') if f.is_file()]\n"
        "out = ''.join(subprocess.run(['ldd', *files[i:i+50]], capture_output=True, text=True)"
        ".stdout for i in range(0, len(files), 50))\n"
        "print(*sorted(set(re.findall(r'=> (/(?:usr/)?lib/\\S+)', out))), sep='\\n')\n"
    )
    used = containers.inside(service, "python", "-c", script).split()
    names = {re.sub(r"\.so.*|-[\d.]+$", "", path.rpartition("/")[2]) for path in used}
    of_glibc_and_gcc = {"libc", "libm", "libmvec", "libdl", "librt", "libpthread", "libutil",
                        "libresolv", "libgcc_s", "libstdc++", "libz"}  # fmt: skip
    installed = re.findall(
        r"\blib[a-z]+(?=\d\b)", (DEPLOY / f"images/Dockerfile.{service}").read_text()
    )
    assert names - of_glibc_and_gcc - {*installed} == set()


def test_a_crop_is_classified_through_the_proxy(containers, parts):
    token = containers.compose(
        "run", "--rm", "-T", "token", "alice", "--scope", "predict"
    ).splitlines()[-1]
    wait_for(lambda: _ask(containers, parts, token).status_code == 200, 60)
    [prediction] = _ask(containers, parts, token).json()["predictions"]
    assert prediction["error"] is None
    assert prediction["model"]["version"] == "1"
    assert _ask(containers, parts, "wrong").status_code == 401
    assert requests.get(f"{CRATERS}/metrics", timeout=30).status_code == 404
    mlflow.MlflowClient(TRACKING).set_registered_model_alias("served", "champion", "2")
    wait_for(
        lambda: _ask(containers, parts, token).json()["predictions"][0]["model"]["version"] == "2",
        120,
    )


def test_prometheus_reads_the_application(containers):
    ask = "http://127.0.0.1:9090/api/v1/query?query=up%7Bjob%3D%22lunar-models%22%7D"

    def up() -> bool:
        return '"1"]' in containers.inside("prometheus", "wget", "-q", "-O", "-", ask)

    wait_for(up, 60)


def test_the_tracking_server_takes_its_own_name_alone(containers):
    credentials = ("ana", "the-password-of-ana")
    address = f"{TRACKING}/api/2.0/mlflow/experiments/get?experiment_id=0"
    assert requests.get(address, auth=credentials, timeout=30).status_code == 200
    assert requests.get(address, timeout=30).status_code == 401


def test_a_backup_is_taken_and_restored(containers, tmp_path):
    """The scripts call `docker compose`: podman-compose answers for it."""
    client = mlflow.MlflowClient(TRACKING)
    before = client.get_registered_model("served").aliases
    scripts = containers.folder / "scripts"
    containers.run(scripts / "backup.sh", tmp_path / "backup")
    client.delete_registered_model_alias("served", "champion")
    containers.compose("stop", "--timeout", "20", "tracking")
    containers.run(scripts / "restore.sh", tmp_path / "backup")
    containers.start("tracking")
    assert client.get_registered_model("served").aliases == before
    model = client.get_model_version("served", "1")
    mlflow.set_tracking_uri(TRACKING)
    loaded = mlflow.artifacts.download_artifacts(f"models:/{model.name}/{model.version}")
    assert (Path(loaded) / "MLmodel").is_file()


def test_the_application_ends_in_order(containers):
    began = time.monotonic()
    containers.compose("stop", "--timeout", "60", "app")
    assert time.monotonic() - began < 55
    state = containers.run(
        "podman", "inspect", "--format", "{{.State.ExitCode}}", "lunar-models_app_1"
    )
    assert state.strip() == "0"
    containers.start("app")
