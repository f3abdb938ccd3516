"""Parse HTTP/1.1 requests, and ignore that they offer to upgrade to another protocol."""

from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from serving.app.connection import BoundedProtocol


class RequestParser:
    """httptools' parser for requests, except that the header Upgrade is ignored.

    A server may ignore it (RFC 9110, section 7.8); curl and Java offer `h2c` with each request.
    httptools ends a request that offers one at its headers, so that its body would be lost. Its
    head is therefore parsed a second time, without the offer.

    Args:
        protocol: gets the callbacks; it ignores those made while `discarding`.
    """

    def __init__(self, protocol: "BoundedProtocol") -> None:
        self._protocol = protocol
        self._parser = self._new()

    def _new(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self._protocol)
        # As uvicorn does, so that the first of several pipelined requests is answered.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    @property
    def discarding(self) -> bool:
        """Whether the head just parsed will be parsed again."""
        return self._parser.should_upgrade() and self.get_method() != b"CONNECT"

    def feed_data(self, data: bytes) -> None:
        """Parse what came.

        Raises:
            httptools.HttpParserError: it is not HTTP.
            httptools.HttpParserUpgrade: after a CONNECT, which is never HTTP.
        """
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                head = self._head_without_upgrade()
                if head is None:
                    raise
                rest = rest[upgrade.args[0] :]
            self._parser = self._new()
            self._parser.feed_data(head)

    def _head_without_upgrade(self) -> bytes | None:
        """Build the head again; None where the request cannot go on as HTTP/1.1."""
        method, version = self.get_method(), self.get_http_version().encode()
        if method == b"CONNECT" or self._protocol.transport.is_closing():
            return None
        lines = [method + b" " + self._protocol.url + b" HTTP/" + version]
        headers = self._protocol.headers
        lines += [name + b": " + value for name, value in headers if name != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def should_upgrade(self) -> bool:
        """Return that the protocol never changes."""
        return False

    def should_keep_alive(self) -> bool:
        """Return whether the connection may serve another request."""
        return bool(self._parser.should_keep_alive())

    def get_method(self) -> bytes:
        """Return the method of the request."""
        return bytes(self._parser.get_method())

    def get_http_version(self) -> str:
        """Return the version of HTTP, such as '1.1'."""
        return str(self._parser.get_http_version())
