"""Limit the size of each request body and of all bodies held by a worker, also when inflated."""

import asyncio
import zlib

from starlette.types import Message, Receive

from serving.app.problems import Problem

_PIECE = 2**20
"""Bytes inflated at a time, so that a bomb does not hold up the event loop."""
_MEMBERS = 4096
"""Gzip files that one body may string together; bgzip needs one for 64 KiB."""
_GZIP = 31  # of zlib's `wbits`: the format with header and checksum


class BodyBudget:
    """Counts the bytes of bodies that a worker holds.

    Args:
        limit: the most there may be; a single body may take all of it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.held = 0

    def take(self, count: int) -> None:
        """Reserve bytes.

        Raises:
            Problem: 503, there is none.
        """
        if self.held + count > self._limit:
            headers = {"retry-after": "1", "connection": "close"}
            raise Problem(
                503, "busy", "Too many large requests are being read; try again.", headers
            )
        self.held += count

    def give_back(self, count: int) -> None:
        """Note that a request has ended."""
        self.held -= count


class BoundedBody:
    """The body of one request: counted, limited and, if it came as gzip, inflated.

    Args:
        receive: the ASGI channel.
        encoding: value of the header Content-Encoding, in lower case.
        limit: most bytes, as sent and inflated.
        budget: of the worker.

    Raises:
        Problem: 415 for another encoding.
    """

    def __init__(self, receive: Receive, encoding: str, limit: int, budget: BodyBudget) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            detail = "Send the body as it is, or with 'Content-Encoding: gzip'."
            raise Problem(415, "media_type", detail, {"accept-encoding": "gzip"})
        self._receive, self._limit, self._budget = receive, limit, budget
        self._inflater = zlib.decompressobj(_GZIP) if "gzip" in encoding else None
        self._rest, self._more = b"", True
        self._taken = self._compressed = 0
        self._members = 1

    async def receive(self) -> Message:
        """Return the next part of the body.

        Raises:
            Problem: 400, 413 or 503.
        """
        if self._inflater is not None:
            return await self._receive_gzip(self._inflater)
        message = await self._receive()
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
        return message

    async def _receive_gzip(self, inflater: "zlib._Decompress") -> Message:
        if not self._rest and self._more:
            message = await self._receive()
            if message["type"] != "http.request":
                return message
            self._rest, self._more = message.get("body", b""), message.get("more_body", False)
            self._compressed += len(self._rest)  # may inflate to nothing, and would have no end
            self._check(self._compressed)
        else:
            await asyncio.sleep(0)  # inflating must not hold up other requests
        try:
            body = inflater.decompress(self._rest, _PIECE)
        except zlib.error as error:
            raise Problem(400, "bad_gzip", "The body is not valid gzip.") from error
        self._rest = inflater.unconsumed_tail
        if inflater.eof and inflater.unused_data:  # gzip files may be strung together
            self._begin_member(inflater.unused_data)
        more = bool(self._rest) or self._more or len(body) == _PIECE
        if not more and not inflater.eof:
            raise Problem(400, "bad_gzip", "The gzip body is cut short.")
        self._count(len(body))
        return {"type": "http.request", "body": body, "more_body": more}

    def _begin_member(self, data: bytes) -> None:
        self._members += 1
        if self._members > _MEMBERS:
            detail = f"The body is over {_MEMBERS} gzip files strung together; compress it as one."
            raise Problem(413, "too_large", detail, {"connection": "close"})
        self._rest, self._inflater = data, zlib.decompressobj(_GZIP)

    def _check(self, size: int) -> None:
        if size > self._limit:
            detail = f"The body is over {self._limit / 2**20:g} MiB."
            raise Problem(413, "too_large", detail, {"connection": "close"})

    def _count(self, count: int) -> None:
        self._check(self._taken + count)
        self._budget.take(count)
        self._taken += count

    def close(self) -> None:
        """Give the budget back."""
        self._budget.give_back(self._taken)
        self._taken = 0
