"""Handle what all requests share: id, token, size limit, log line, metrics, no stack traces."""

import itertools
import logging
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.app import metrics
from serving.app.body_limits import BodyBudget, BoundedBody
from serving.app.problems import Problem, http_problem
from serving.app.tokens import SCOPES, Caller, TokenStore

_log = logging.getLogger("serving.access")
_crash_log = logging.getLogger(__name__)
_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
_PROCESS, _NUMBERS = secrets.token_hex(5), itertools.count()
"""Parts of a request's id: of this process, and counted."""
_OPEN_PATHS = (
    "/", "/health", "/ready", "/ping", "/version", "/openapi.json", "/label", "/label/worker.js",
    "/search",
)  # fmt: skip
_READ_ONLY = ("/v1/craters", "/v1/clusters", "/v1/map", "/v1/model", "/v1/mosaic", "/v1/search",
              "/v1/release", "/v1/tags", "/v1/tiles")  # fmt: skip

_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (
        b"content-security-policy",
        b"default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'",
    ),
]


EVERYBODY = Caller("local", frozenset(SCOPES))
"""Who calls a server without tokens."""


class Worker(Protocol):
    """What the gate must know of its process."""

    bodies: BodyBudget
    draining: bool


def scope_of(path: str, method: str) -> str | None:
    """Return the scope that a request needs; None for an open path."""
    if path in _OPEN_PATHS or path.startswith("/static/"):
        return None
    if path == "/metrics":
        return "metrics"
    if path.startswith("/v1/label/") or (path.startswith("/v1/tags") and method == "POST"):
        return "label"
    return "read" if path.startswith(_READ_ONLY) else "predict"


class Gate:
    """ASGI middleware around the whole application.

    Args:
        app: what answers.
        max_body_bytes: most bytes of a body, inflated.
        tokens: who may do what; None: everybody everything.
        runtime: of this process.
        direct: routes by path whose POST endpoints are called here, without the layers of `app`.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_body_bytes: int,
        tokens: TokenStore | None,
        runtime: Worker,
        direct: Mapping[str, APIRoute] = {},
    ) -> None:
        self._app, self._direct = app, direct
        self._max_body_bytes = max_body_bytes
        self._tokens = tokens
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        exchange = _Exchange(scope, receive, send, headers, self._runtime.draining)
        body: BoundedBody | None = None
        try:
            self._admit(scope, headers)
            encoding = headers.get(b"content-encoding", b"").decode("latin-1").strip().lower()
            body = BoundedBody(receive, encoding, self._max_body_bytes, self._runtime.bodies)
            await self._answer(scope, body.receive, exchange.send)
        except Problem as problem:
            await exchange.refuse(problem)
        except HTTPException as error:
            await exchange.refuse(http_problem(error))
        except ClientDisconnect:
            await exchange.refuse(Problem(408, "disconnected", "The caller has disconnected."))
        except Exception:
            _crash_log.exception("unexpected error", extra={"request_id": exchange.request_id})
            await exchange.refuse(Problem(500, "internal", "Something went wrong on our side."))
        finally:
            if body is not None:
                body.close()
            exchange.note()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._direct.get(scope["path"]) if scope["method"] == "POST" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        response: Response = await route.endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    def _admit(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        need = scope_of(scope["path"], scope["method"])
        scope["caller"] = EVERYBODY
        # A browser asks with OPTIONS, and without a token, what it may send.
        if self._tokens is None or need is None or scope["method"] == "OPTIONS":
            return
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        caller = self._tokens.caller(token.strip()) if kind.lower() == "bearer" else None
        if caller is None:
            detail = "Send a valid token: 'Authorization: Bearer <token>'."
            raise Problem(401, "unauthorised", detail, {"www-authenticate": "Bearer"})
        if need not in caller.scopes:
            raise Problem(403, "forbidden", f"The token lacks the scope '{need}'.")
        scope["caller"] = caller


class _Exchange:
    """One request and its reply: its id, its headers, its line in the log."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        headers: Mapping[bytes, bytes],
        draining: bool,
    ) -> None:
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        self.request_id = given if _REQUEST_ID.match(given) else f"{_PROCESS}{next(_NUMBERS):06x}"
        scope["request_id"] = self.request_id
        self._scope, self._receive, self._send = scope, receive, send
        self._draining = draining
        self._status = 0
        self._begin = time.perf_counter()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = message["headers"] = [*message["headers"], *_HEADERS]
            headers.append((b"x-request-id", self.request_id.encode()))
            if self._draining:
                headers.append((b"connection", b"close"))
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        if self._status:
            return  # the reply has begun; all that is left is to break off
        await problem.reply(self.request_id)(self._scope, self._receive, self.send)

    def note(self) -> None:
        seconds = time.perf_counter() - self._begin
        route: Any = self._scope.get("route")
        label = getattr(route, "path", "other")
        metrics.note_request(label, self._status, seconds)
        if _log.isEnabledFor(logging.INFO):
            client = self._scope.get("client")
            extra = {
                "request_id": self.request_id,
                "method": self._scope["method"],
                "route": label,
                "status": self._status,
                "ms": round(seconds * 1000, 2),
                "client": client[0] if client else None,
            }
            _log.info("request", extra=extra)
