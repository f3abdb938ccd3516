"""A local download server that breaks connections, sends wrong offsets or fails, as told."""

import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CONTENT = bytes(range(256)) * 4096  # 1 MiB


@dataclass
class Server:
    """What the server does, and what it was asked."""

    content: bytes = CONTENT
    ranges: bool = True
    etag: str | None = '"v1"'
    drops: list[int] = field(default_factory=list)
    """Bytes sent before the connection breaks, per request; complete afterwards."""
    statuses: list[int] = field(default_factory=list)
    """Error replies, per request; success afterwards."""
    wrong_offset: bool = False
    asked: list[str | None] = field(default_factory=list)
    """Range header of each request."""
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    state: Server

    def do_GET(self) -> None:
        state = self.state
        state.asked.append(self.headers["Range"])
        if state.statuses:
            self.send_response(state.statuses.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start()
        body = state.content[start:]
        if start is not None and start >= len(state.content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(state.content)}")
            body = b""
        elif start:
            self.send_response(206)
            shown = 0 if state.wrong_offset else start
            self.send_header(
                "Content-Range", f"bytes {shown}-{len(state.content) - 1}/{len(state.content)}"
            )
        else:
            self.send_response(200)
        if state.etag:
            self.send_header("ETag", state.etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: state.drops.pop(0)] if state.drops else body)

    def _start(self) -> int:
        wanted = self.headers["Range"]
        if not (wanted and self.state.ranges) or self.headers["If-Range"] != self.state.etag:
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Server]:
    """A server in a thread of its own, until the block ends."""
    state = Server()
    handler = type("BoundHandler", (Handler,), {"state": state})
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    state.url = f"http://127.0.0.1:{http.server_port}/data/moon.tif"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


def bundle(path: Path, members: dict[str, bytes]) -> Path:
    """A zip archive of some files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path
