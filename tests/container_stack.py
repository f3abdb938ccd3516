"""The services of `deploy/compose.yaml` in containers, as far as there are images.

`tests/stack/base_images/build.sh` builds them. Grafana's is from a registry alone and is left out.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from team_stack import DEPLOY

NAMES = {"LUNAR_HOST": "craters.localhost", "TRACKING_HOST": "tracking.localhost",
         "GRAFANA_HOST": "grafana.localhost"}  # fmt: skip
"""For a name that ends in `localhost` the proxy signs its own certificate."""

# Without systemd there is nobody to look at health in between: `healthy` does it. Limits on open
# files and processes that a container may not raise.
_PODMAN = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""


# For the scripts of `deploy/`, which call `docker compose`.
_DOCKER = '#!/bin/sh\nshift\nexec podman-compose "$@"\n'


class Containers:
    """Services by their names in the compose file; `folder` is a copy of `deploy/`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "deploy"
        shutil.copytree(DEPLOY, self.folder)
        (folder / "containers.conf").write_text(_PODMAN)
        programs = folder / "bin"
        programs.mkdir()
        (programs / "docker").write_text(_DOCKER)
        (programs / "docker").chmod(0o755)
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        }
        settings = {**NAMES, "MODEL": "models:/served@champion", "WORKERS": "1"}
        (self.folder / ".env").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
        self.run(self.folder / "scripts/make-secrets.sh")

    def run(self, *command: object, check: bool = True, **options: Any) -> str:
        """Run a command in the folder; what it printed."""
        done = subprocess.run(
            [str(part) for part in command], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, **options,
        )  # fmt: skip
        assert done.returncode == 0 or not check, done.stdout
        return done.stdout

    def compose(self, *arguments: object) -> str:
        return self.run("podman-compose", "--profile", "tools", *arguments)

    def inside(self, service: str, *command: object, check: bool = True) -> str:
        """Run a command in the container of a service; what it printed."""
        return self.run("podman", "exec", f"lunar-models_{service}_1", *command, check=check)

    def start(self, service: str) -> None:
        """Start a service and wait until its container is healthy."""
        self.compose("up", "--detach", "--no-build", "--no-deps", service)
        deadline = time.monotonic() + 180
        while "unhealthy" in self.run(
            "podman", "healthcheck", "run", f"lunar-models_{service}_1", check=False
        ) or not self.healthy(service):
            assert time.monotonic() < deadline, self.logs(service)
            time.sleep(1)

    def healthy(self, service: str) -> bool:
        """Whether the last look at the container's health found it well."""
        state = self.run(
            "podman", "inspect", "--format", "{{.State.Health.Status}}",
            f"lunar-models_{service}_1", check=False,
        )  # fmt: skip
        return state.strip() == "healthy"

    def logs(self, service: str) -> str:
        return self.run("podman", "logs", "--tail", "40", f"lunar-models_{service}_1", check=False)

    def secret(self, name: str) -> str:
        return (self.folder / "secrets" / name).read_text().strip()

    def certificate(self) -> Path:
        """The proxy's own authority, which callers must know."""
        file = self.folder / "root.crt"
        place = "/data/caddy/pki/authorities/local/root.crt"
        file.write_text(self.inside("proxy", "cat", place))
        return file

    def close(self) -> None:
        self.run("podman-compose", "down", "--volumes", "--timeout", "5", check=False)


@contextmanager
def names_are_this_machine() -> Iterator[None]:
    """Answer for `….localhost` with this machine's address, as browsers do."""
    ask = socket.getaddrinfo

    def answer(host: Any, *more: Any, **options: Any) -> Any:
        local = isinstance(host, str) and host.endswith(".localhost")
        return ask("127.0.0.1" if local else host, *more, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", answer)
        yield
