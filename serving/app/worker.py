"""Run one worker process, which answers requests."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import uvicorn

from lunar_models.config.serve import ServeConfig
from lunar_models.errors import LunarModelsError
from serving.app import logs
from serving.app.connection import BoundedProtocol, raise_file_limit
from serving.app.metrics_folder import reserve_files

if TYPE_CHECKING:  # brings torch, which the supervisor can do without
    from fastapi import FastAPI

    from serving.app.worker_state import WorkerState

_BACKLOG = 2048
_KEEP_ALIVE_S = 75
_FIRST_MODEL_S = 60.0
READY, ALIVE = b"ready", b"alive"
"""What a worker says to its supervisor."""
_TICKS_PER_WORD = 10
_LAST_WORD_S = 0.5
"""Time for an accepted connection to send its request once the listening socket is closed."""


def run(config: ServeConfig, pointer_file: Path, port: int, line: Connection) -> None:
    """Serve until SIGTERM; then answer for `drain_s` more, finish what was accepted, and end.

    Args:
        config: limits and options.
        pointer_file: says which model to serve.
        port: shared with other workers.
        line: to the supervisor; `READY` and `ALIVE` go over it, or why this worker cannot start.
    """
    logs.configure(config.log_level)
    reserve_files()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the supervisor says when to end
    _end_with_parent()
    import torch

    from serving.app.application import create_app

    raise_file_limit()
    torch.set_num_threads(config.threads)
    try:
        app = create_app(config, pointer_file)
    except LunarModelsError as error:
        line.send_bytes(str(error).encode())
        sys.exit(1)
    # No connection comes here before there is a model, while the other workers answer.
    app.state.runtime.holder.wait_for_first(_FIRST_MODEL_S)
    server = DrainingServer(server_config(app, config), app.state.runtime, line)
    server.run(sockets=[bind(config.host, port)])


def server_config(app: "FastAPI", config: ServeConfig) -> uvicorn.Config:
    """Tell uvicorn how to run the application."""
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(config.deadline_s) + 1,
        ssl_certfile=config.tls_certificate,
        ssl_keyfile=config.tls_key,
        proxy_headers=bool(config.trusted_proxies),
        forwarded_allow_ips=list(config.trusted_proxies),
    )


def bind(host: str, port: int, *, shared: bool = True) -> socket.socket:
    """Open a socket that shares its port with the other workers; the kernel spreads connections.

    Args:
        host: address to listen on.
        port: 0 for a free one.
        shared: False keeps the port from everybody else.

    Raises:
        OSError: the address cannot be had.
    """
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    return sock


class DrainingServer(uvicorn.Server):
    """A server that on the first signal reports "not ready", drains its connections, then stops."""

    def __init__(
        self, config: uvicorn.Config, runtime: "WorkerState", line: Connection | None = None
    ) -> None:
        super().__init__(config)
        self._runtime = runtime
        self._line, self._said_ready = line, False
        self._drained_at = float("inf")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal ends the server at once.

        uvicorn would raise the signal again in the end, and this process die of it before the last
        lines of the log are written.
        """
        if self._runtime.draining:
            self.force_exit = self.should_exit
            self.should_exit = True
            return
        self._drained_at = time.monotonic() + self._runtime.config.drain_s
        self._runtime.draining = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Also answer connections accepted before the listening socket closed."""
        listening = [sock.dup() for sock in sockets or []]
        for server in self.servers:
            server.close()
        for sock in listening:
            await self._accept_pending(sock)
        await asyncio.sleep(_LAST_WORD_S)
        await super().shutdown(sockets)

    async def _accept_pending(self, sock: socket.socket) -> None:
        """Accept connections in the kernel's queue; closing the socket would reset them."""
        last = []
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                last.append(sock.accept()[0])
        sock.close()
        loop = asyncio.get_running_loop()
        for connection in last:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol

    async def on_tick(self, counter: int) -> bool:
        """Report to the supervisor, and end when drained."""
        if counter % _TICKS_PER_WORD == 0:
            self._say_alive()
        if time.monotonic() >= self._drained_at:
            self.should_exit = True
        return await super().on_tick(counter)

    def _say_alive(self) -> None:
        """Tell the supervisor that requests are answered; it replaces workers that are silent."""
        if self._line is None or self._runtime.batcher.stuck(self._runtime.config.deadline_s):
            return
        with contextlib.suppress(OSError):  # the supervisor is gone, and this worker will be soon
            self._line.send_bytes(ALIVE if self._said_ready else READY)
            self._said_ready = True


def _end_with_parent() -> None:
    """Do not outlive a supervisor that was killed."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
