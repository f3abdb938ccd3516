"""The HTTP application on a free port, in a thread of this process."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import requests
import uvicorn
from fastapi import FastAPI

from lunar_models.config.serve import ServeConfig
from serving.app.application import create_app
from serving.app.pointer import Pointer
from serving.app.worker import bind, server_config


class Live:
    """A running application."""

    def __init__(self, app: FastAPI, url: str, pointer_file: Path) -> None:
        self.app, self.url, self.pointer_file = app, url, pointer_file
        self.verify = self.runtime.config.tls_certificate or True

    @property
    def runtime(self):
        return self.app.state.runtime

    def get(self, path: str, **options) -> requests.Response:
        return requests.get(self.url + path, timeout=30, verify=self.verify, **options)

    def post(self, path: str, **options) -> requests.Response:
        return requests.post(self.url + path, timeout=30, verify=self.verify, **options)


@contextmanager
def live_server(folder: Path, bundle: Path | None, **settings) -> Iterator[Live]:
    """Serve a bundle folder; None: no model yet."""
    pointer_file = folder / "current.json"
    if bundle is not None:
        Pointer(folder=str(bundle), name="craters", version="1").write(pointer_file)
    config = ServeConfig(**settings)
    app = create_app(config, pointer_file)
    server = uvicorn.Server(server_config(app, config))
    door = bind("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, args=([door],))
    thread.start()
    try:
        wait_for(lambda: server.started)
        scheme = "https" if config.tls_certificate else "http"
        live = Live(app, f"{scheme}://127.0.0.1:{door.getsockname()[1]}", pointer_file)
        wait_for(lambda: bundle is None or live.get("/ready").status_code == 200)
        yield live
    finally:
        server.should_exit = True
        thread.join()


def reserve_port() -> int:
    """A free port that the system gives to nobody else for the next minute.

    A connection that the server has closed leaves its port in TIME_WAIT: `bind` to port 0 avoids
    it, while a server with SO_REUSEADDR, as ours, Uvicorn's and MLflow's are, may listen on it.
    """
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.connect(server.getsockname())
        accepted, _ = server.accept()
        with accepted:  # closed before the client
            return server.getsockname()[1]


def wait_for(condition, seconds: float = 60.0) -> None:
    """Wait until something is true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it took too long"
        time.sleep(0.02)


def workers(server: subprocess.Popen) -> list[psutil.Process]:
    """The worker processes of a server that was started as a command."""
    children = psutil.Process(server.pid).children()
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]
