"""Reply with problem details (RFC 9457), never with a stack trace or an echo of the input."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Ends a request with a problem reply.

    Args:
        status: HTTP status.
        code: short, stable, machine-readable word.
        detail: for a human: what was wrong, and the remedy.
        headers: further headers of the reply.
        more: further members of the reply.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers, self.more = dict(headers or {}), dict(more or {})

    def reply(self, request_id: str) -> Response:
        """Make the HTTP reply."""
        content: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
        } | self.more
        return Response(
            json.dumps(content), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def request_id(request: Request) -> str:
    """Return the id that the gate gave to a request."""
    return str(request.scope["request_id"])


def on_problem(request: Request, error: Exception) -> Response:
    """Translate a `Problem`."""
    assert isinstance(error, Problem)
    return error.reply(request_id(request))


def on_http_error(request: Request, error: Exception) -> Response:
    """Translate the framework's own errors."""
    assert isinstance(error, HTTPException)
    return http_problem(error).reply(request_id(request))


def http_problem(error: HTTPException) -> Problem:
    """Return the problem for an unknown path, a wrong method or a broken multipart body."""
    code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
    details = {404: "There is nothing at this path.", 405: "This path has other methods."}
    detail = details.get(error.status_code, "The request cannot be read.")
    return Problem(error.status_code, code, detail, error.headers)


def on_validation_error(request: Request, error: Exception) -> Response:
    """Translate what is wrong with path and query parameters."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    detail = f"'{'.'.join(str(part) for part in first['loc'][1:])}': {first['msg']}."
    return Problem(422, "bad_parameter", detail).reply(request_id(request))
