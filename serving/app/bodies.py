"""Read request bodies: JSON, one raw image, or a multipart form with images."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartParser
from starlette.requests import Request

from serving.app.problems import Problem
from serving.app.query import check_names
from serving.model.crop_input import CropInput, read_body, read_items
from serving.model.preparation import Crop
from serving.model.schema import CropHints, CropRequest, Options, explain

RAW_TYPES = (
    "image/png",
    "image/jpeg",
    "image/tiff",
    "application/x-npy",
    "application/octet-stream",
)
JSON, MULTIPART = "application/json", "multipart/form-data"
_FORM_FIELDS = 32
MultiPartParser.spool_max_size = 2**31  # bodies are bounded; a full disk must not fail a request
_VALUES_PER_ITEM = 64
"""Commas, brackets and colons that a JSON body may have for each item allowed."""
_OFF_LOOP_BYTES = 2**16
"""Larger bodies are parsed in a thread, so that other requests proceed meanwhile."""
_GZIP = b"\x1f\x8b"
_STRUCTURE = (b",", b"[", b"{", b":")


class Predict(BaseModel):
    """Crops to classify, and what applies to all of them."""

    inputs: list[CropRequest]
    params: Options = Options()


@dataclass(frozen=True)
class Question:
    """The crops of a request and what applies to all of them."""

    crops: Sequence[Crop]
    options: Options
    table: bool = False
    """Whether they came as a table, and one is expected back."""


async def read_question(request: Request, *, max_items: int) -> Question:
    """Read the crops of a request, whatever the body is.

    With a raw image or a form, hints and options are query parameters or form fields.

    Raises:
        Problem: 400, 413 or 415.
    """
    kind = media_type(request)
    if kind == JSON:
        return await read_json_question(request, max_items=max_items)
    if kind == MULTIPART:
        return await _read_form(request, max_items)
    if kind in RAW_TYPES:
        hints, options = _read_fields(_query(request))
        return Question([CropInput(await request.body(), hints)], options)
    types = ", ".join((JSON, MULTIPART, *RAW_TYPES))
    raise Problem(415, "media_type", f"Send one of {types}.")


async def read_json_question(request: Request, *, max_items: int) -> Question:
    """Read the crops of a JSON request. Raises as `read_json`, and 415 for other types."""
    if media_type(request) != JSON:
        raise Problem(415, "media_type", "Send application/json.")
    if name := next(iter(request.query_params), None):
        detail = (
            f"With a JSON body {name[:50]!r} goes into its 'params' or items, not into the URL."
        )
        raise Problem(400, "bad_parameter", detail)
    body = await request.body()
    if len(body) < _OFF_LOOP_BYTES:
        return read_json(body, max_items=max_items)
    return await asyncio.to_thread(read_json, body, max_items=max_items)


def read_json(body: bytes, *, max_items: int) -> Question:
    """Read the crops of a JSON body in any of MLflow's forms (`serving.model.crop_input`).

    The text is UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Raises:
        Problem: 400, 413 or 415.
    """
    body = _as_utf8(body)
    most = _VALUES_PER_ITEM * (max_items + 16)
    if len(body) > most and sum(body.count(sign) for sign in _STRUCTURE) > most:
        detail = f"The body holds more values than the {max_items} images that are allowed need."
        raise Problem(413, "too_many", detail)
    try:
        content = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise Problem(400, "bad_json", "The body is not valid JSON.") from error
    try:
        asked, params = read_body(content)
    except ValueError as error:
        raise Problem(400, "bad_body", str(error)) from None
    _check_count(len(asked.items), max_items)
    return Question(read_items(asked.items), _options(params), asked.table)


def _as_utf8(body: bytes) -> bytes:
    if body.startswith(_GZIP):
        raise Problem(
            415, "media_type", "The body is compressed; say so: 'Content-Encoding: gzip'."
        )
    if body.startswith(b"\xef\xbb\xbf"):
        return body[3:]
    encoding = json.detect_encoding(body)
    if encoding == "utf-8":
        return body
    try:
        return body.decode(encoding).encode()
    except UnicodeError as error:
        raise Problem(400, "bad_json", "The body is not valid JSON.") from error


async def _read_form(request: Request, max_items: int) -> Question:
    fields: dict[str, Any] = _query(request)
    async with request.form(max_files=max_items, max_fields=_FORM_FIELDS) as form:
        parts = form.multi_items()
        images = [await v.read() for _, v in parts if isinstance(v, UploadFile)]
        fields |= {k: v for k, v in parts if isinstance(v, str)}
    _check_count(len(images), max_items)
    hints, options = _read_fields(fields)
    return Question([CropInput(data, hints) for data in images], options)


def _query(request: Request) -> dict[str, str]:
    """Query parameters beside an image or a form."""
    check_names(request.query_params, [*CropHints.model_fields, *Options.model_fields])
    return dict(request.query_params)


def _read_fields(fields: dict[str, Any]) -> tuple[CropHints, Options]:
    """Hints and options from text fields."""
    hinted = {k: v for k, v in fields.items() if k in CropHints.model_fields}
    options = {k: v for k, v in fields.items() if k not in hinted}
    try:
        return CropHints.model_validate(hinted, strict=False), _options(options)
    except ValidationError as error:
        raise Problem(400, "bad_parameter", explain(error)) from error


def _options(values: Any) -> Options:
    try:
        return Options.model_validate(values)
    except ValidationError as error:
        raise Problem(400, "bad_parameter", explain(error)) from error


def _check_count(count: int, max_items: int) -> None:
    if count == 0:
        raise Problem(400, "empty", "There is no image in the request; send at least one.")
    if count > max_items:
        raise Problem(413, "too_many", f"Send at most {max_items} images in one request.")


def media_type(request: Request) -> str:
    """Return the content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
