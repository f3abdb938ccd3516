"""Limit HTTP connections in size and time, before the caller is authenticated.

uvicorn's protocol has no limit on headers and waits for ever for a caller that is silent, slow, or
does not read its reply. Here a head (request line and headers) must be small and complete soon,
what is left of a body after the reply must come soon, and replies must be read. Where there are too
many connections, the one that has been silent for longest is closed.
"""

import asyncio
import json
import resource
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.app.request_parser import RequestParser

MAX_URL_BYTES = 8 * 1024
MAX_HEAD_BYTES = 64 * 1024
MAX_HEADERS = 100
HEAD_S = 10.0
"""From the first byte, or from the connection, to the end of the headers."""
UNREAD_S = 20.0
"""How long a reply may wait for its reader."""
REST_S = 5.0
"""How long the rest of a body may take that was answered before its end."""
FAREWELL_S = 1.0
"""How long an idle connection may take to close when the server ends."""
EOF = "lunar.eof"
"""Key of the scope: an event, set when the caller sends no more."""
_FILES_BESIDE = 256
"""Descriptors that are not connections."""


def raise_file_limit() -> None:
    """Raise the limit on open files of this process to the maximum."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65_536 if hard == resource.RLIM_INFINITY else min(hard, 65_536)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def most_connections() -> int:
    """Return the maximum number of connections under the limit on open files."""
    return max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _FILES_BESIDE)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits."""

    parser: RequestParser  # type: ignore[assignment]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.parser = RequestParser(self)
        self.since = self.loop.time()
        """When it was last busy."""
        self._head_open, self._head_bytes, self._header_bytes = True, 0, 0
        self._body_open = False
        self._timer: asyncio.TimerHandle | None = None
        self._read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection; make room for it if need be."""
        super().connection_made(transport)
        self._wait(HEAD_S)
        if len(self.connections) > most_connections():
            self._make_room()

    def _make_room(self) -> None:
        """Close the connection that has been idle for longest; it has no request in progress."""
        silent = [c for c in self.connections if c is not self and c.idle]  # type: ignore[union-attr]
        victim = min(silent, key=lambda c: c.since, default=self)  # type: ignore[union-attr]
        victim.transport.abort()

    @property
    def idle(self) -> bool:
        """Whether no request is begun: there is at most a part of a head."""
        return self._head_open and (self.cycle is None or self.cycle.response_complete)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timers()
        if self.scope is not None:
            self.scope[EOF].set()  # type: ignore[literal-required]
        super().connection_lost(exc)

    def _wait(self, seconds: float) -> None:
        """Close the connection unless something ends the wait in time."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self._break_off)

    def _break_off(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait(HEAD_S)  # the next request has begun while this one is being answered
            return
        if not self.transport.is_closing() and self._head_open and self._head_bytes:
            self._refuse(408, "timeout", "The head of the request took too long.")
        else:
            self.transport.abort()

    def _stop_timers(self) -> None:
        for timer in (self._timer, self._read_timer):
            if timer is not None:
                timer.cancel()
        self._timer = self._read_timer = None

    def data_received(self, data: bytes) -> None:
        """Parse what came, and see whether it keeps within bounds."""
        if self.transport.is_closing():
            return
        if self._head_open:
            self._head_bytes += len(data)
        super().data_received(data)
        if not self._head_open or not self._head_bytes:
            return
        if self._timer is None:
            self._wait(HEAD_S)
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse_head()

    def _refuse_head(self) -> None:
        self._refuse(431, "too_large", f"The headers are over {MAX_HEAD_BYTES // 1024} KiB.")

    def send_400_response(self, msg: str) -> None:
        """Reply to a malformed request, or to one that is to be refused."""
        self._refuse(400, "bad_request", "The request is not HTTP.")

    def _refuse(self, status: int, code: str, detail: str) -> None:
        if self.transport.is_closing():
            return
        title = HTTPStatus(status).phrase
        problem = {"type": "about:blank", "title": title, "status": status}
        body = json.dumps({**problem, "detail": detail, "code": code, "request_id": ""}).encode()
        self.transport.write(
            f"HTTP/1.1 {status} {title}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self._close()

    def _close(self, seconds: float | None = None) -> None:
        """Close once the reply is read, or soon without."""
        self.transport.close()
        self._stop_timers()
        self._timer = self.loop.call_later(seconds or UNREAD_S, self.transport.abort)

    def shutdown(self) -> None:
        """End with the server; TLS would wait half a minute for the other side's close_notify."""
        super().shutdown()
        if self.transport.is_closing():
            self._close(FAREWELL_S)

    def on_message_begin(self) -> None:
        """Note that a head begins."""
        super().on_message_begin()
        self._body_open, self._header_bytes = True, 0
        self.scope[EOF] = asyncio.Event()  # type: ignore[literal-required]

    def on_url(self, url: bytes) -> None:
        """Collect the URL."""
        super().on_url(url)
        if len(self.url) > MAX_URL_BYTES:
            self._refuse(414, "too_large", f"The URL is over {MAX_URL_BYTES // 1024} KiB.")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header."""
        self._header_bytes += len(name) + len(value)
        if len(self.headers) >= MAX_HEADERS:
            self._refuse(431, "too_large", f"The request has over {MAX_HEADERS} headers.")
        elif self._header_bytes > MAX_HEAD_BYTES:
            self._refuse_head()
        else:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer, unless the head was refused."""
        if self.parser.discarding:
            return
        self._head_open, self._head_bytes = False, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Collect a part of the body."""
        if self.cycle is not None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is complete."""
        if self.parser.discarding:
            return
        self._body_open = False
        self._head_open, self._head_bytes = True, 0
        if self.cycle is not None:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """Limit the time for what the caller has still to send or to read after the reply."""
        super().on_response_complete()
        self.since = self.loop.time()
        if self.transport.is_closing():
            self._close()
        elif self._body_open:
            self._wait(REST_S)

    def timeout_keep_alive_handler(self) -> None:
        """Close what has been idle for long."""
        if not self.transport.is_closing():
            self._close()

    def pause_writing(self) -> None:
        """Limit the time for which the caller does not read."""
        super().pause_writing()
        if self._read_timer is None:
            self._read_timer = self.loop.call_later(UNREAD_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Lift that limit once the caller reads again."""
        super().resume_writing()
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a caller that has said all it has to say (half-closed), then close.

        It may as well have gone, which cannot be told apart before something is written.
        """
        cycle = self.cycle
        if self.scheme == "https" or cycle is None or self._body_open or cycle.response_complete:
            return False
        cycle.keep_alive = False
        self.scope[EOF].set()  # type: ignore[literal-required]
        return True
