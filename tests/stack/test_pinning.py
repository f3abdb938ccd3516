"""`pin-images.sh` writes the digests that a registry has; here its images are of our own making."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from live_server import reserve_port
from team_stack import DEPLOY

pytestmark = pytest.mark.stack
UPSTREAM = {
    "postgres:17.2-bookworm", "prom/prometheus:v2.55.1", "grafana/grafana:11.3.1",
    "caddy:2.8.4-alpine", "python:3.11.11-slim-bookworm", "chrislusf/seaweedfs:3.80",
}  # fmt: skip

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class Registry:
    """A registry that stands where docker.io is."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        conf = folder / "home" / ".config" / "containers" / "registries.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text(
            f'[[registry]]\nprefix = "docker.io"\nlocation = "127.0.0.1:{port}"\ninsecure = true\n'
        )
        self.environment = os.environ | {"HOME": str(folder / "home")}

    def push(self, image: str, content: str) -> str:
        """Make an image and push it; returns its digest."""
        layout = self.folder / f"layout-{len(list(self.folder.iterdir()))}"
        _oci_layout(layout, content)
        path = image if "/" in image else f"library/{image}"
        subprocess.run(
            ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false",
             f"oci:{layout}:it", f"docker://127.0.0.1:{self.port}/{path}"],
            check=True, capture_output=True,
        )  # fmt: skip
        name, tag = path.split(":")
        url = f"http://127.0.0.1:{self.port}/v2/{name}/manifests/{tag}"
        manifest = requests.get(url, headers={"accept": _MANIFEST}, timeout=10).content
        return f"sha256:{hashlib.sha256(manifest).hexdigest()}"


def _oci_layout(folder: Path, content: str) -> None:
    """Write an image of one file."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    (folder / "file").write_text(content)
    with tarfile.open(folder / "layer.tar", "w") as tar:
        tar.add(folder / "file", "file")

    def blob(data: bytes, kind: str) -> dict[str, object]:
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {
            "mediaType": f"application/vnd.oci.image.{kind}",
            "digest": f"sha256:{name}",
            "size": len(data),
        }

    layer = blob((folder / "layer.tar").read_bytes(), "layer.v1.tar")
    about = {
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }  # fmt: skip
    config = blob(json.dumps(about).encode(), "config.v1+json")
    parts = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": config, "layers": [layer]}
    manifest = json.dumps(parts).encode()
    entry = blob(manifest, "manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": "it"}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    for program in ("docker-registry", "skopeo"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: apt-get install {program}")
    port = reserve_port()
    config = tmp_path / "registry.yml"
    config.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {tmp_path / 'blobs'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n"
    )
    process = subprocess.Popen(
        ["docker-registry", "serve", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(100):
            try:
                requests.get(f"http://127.0.0.1:{port}/v2/", timeout=1)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        (tmp_path / "images").mkdir()
        yield Registry(tmp_path / "images", port)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def deploy(tmp_path: Path) -> Path:
    """A copy, without digests."""
    shutil.copytree(DEPLOY, tmp_path / "deploy", ignore=shutil.ignore_patterns("secrets"))
    for file in _files(tmp_path / "deploy"):
        file.write_text(re.sub(r"@sha256:[0-9a-f]{64}", "", file.read_text()))
    return tmp_path / "deploy"


def _files(deploy: Path) -> list[Path]:
    return [deploy / "compose.yaml", *deploy.glob("images/*"), *deploy.glob("kubernetes/*")]


def _texts(deploy: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in _files(deploy)}


def _pin(deploy: Path, registry: Registry, *options: str) -> subprocess.CompletedProcess[str]:
    script = deploy / "scripts" / "pin-images.sh"
    return subprocess.run(
        [script, *options], env=registry.environment, capture_output=True, text=True, timeout=120
    )


def test_every_image_is_pinned_to_what_the_registry_has(registry: Registry, deploy: Path) -> None:
    digests = {image: registry.push(image, image) for image in UPSTREAM}
    before = _texts(deploy)
    told = _pin(deploy, registry, "--check")
    assert told.returncode == 1
    assert all(f"{image} is not pinned to {digests[image]}" in told.stdout for image in UPSTREAM)
    assert _texts(deploy) == before

    done = _pin(deploy, registry)
    assert done.returncode == 0, done.stderr
    after = _texts(deploy)
    lines = [line for text in after.values() for line in text.splitlines()]
    used = [line.split() for line in lines if re.match(r"( *(- )?image: |FROM )", line)]
    images = {word for line in used for word in line if ":" in word.strip(":")}
    ours = {image for image in images if image.startswith("registry.example.org/")}
    assert images - ours == {f"{image}@{digest}" for image, digest in digests.items()}
    assert "AS build" in after["Dockerfile.app"]
    assert {re.sub(r"@sha256:[0-9a-f]{64}", "", text) for text in after.values()} == {
        *before.values()
    }  # nothing else was changed
    assert _pin(deploy, registry, "--check").returncode == 0
    assert _pin(deploy, registry).returncode == 0
    assert _texts(deploy) == after

    moved = registry.push("caddy:2.8.4-alpine", "another")
    told = _pin(deploy, registry, "--check")
    assert told.returncode == 1
    assert told.stdout.splitlines() == [
        f"compose.yaml: caddy:2.8.4-alpine is not pinned to {moved}"
    ]
    assert _pin(deploy, registry).returncode == 0
    assert f"caddy:2.8.4-alpine@{moved}" in (deploy / "compose.yaml").read_text()


def test_a_registry_that_lacks_one_image_changes_nothing(registry: Registry, deploy: Path) -> None:
    for image in UPSTREAM - {"python:3.11.11-slim-bookworm"}:
        registry.push(image, image)
    before = _texts(deploy)
    refused = _pin(deploy, registry)
    assert refused.returncode != 0
    assert "python" in refused.stderr
    assert _texts(deploy) == before
