"""Read request bodies: JSON, one raw image, or a multipart form with images."""

from functools import partial
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json
from starlette.datastructures import UploadFile
from starlette.requests import Request

from serving.app.problems import Problem
from serving.model.classify import Work
from serving.model.preparation import prepare, prepare_bytes
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


class Predict(BaseModel):
    """Crops to classify, and what applies to all of them."""

    inputs: list[CropRequest]
    params: Options = Options()


async def read_works(request: Request, *, max_items: int) -> tuple[list[Work], Options]:
    """The crops of a request, ready to be prepared, whatever the body is.

    With a raw image or a form, hints and options are query parameters or form fields.

    Raises:
        Problem: 400, 413 or 415.
    """
    kind = media_type(request)
    if kind == JSON:
        works, options = read_json(await request.body(), max_items=max_items)
    elif kind == MULTIPART:
        works, options = await _read_form(request, max_items)
    elif kind in RAW_TYPES:
        hints, options = _read_fields(dict(request.query_params))
        works = [partial(prepare_bytes, data=await request.body(), hints=hints)]
    else:
        types = ", ".join((JSON, MULTIPART, *RAW_TYPES))
        raise Problem(415, "media_type", f"Send one of {types}.")
    return works, options


def read_json(body: bytes, *, max_items: int) -> tuple[list[Work], Options]:
    """Like `read_works`, for ``{"inputs": [...], "params": {...}}``, as MLflow has it."""
    try:
        content = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise Problem(400, "bad_json", "The body is not valid JSON.") from error
    if not isinstance(content, dict) or not isinstance(content.get("inputs"), list):
        raise Problem(400, "bad_body", 'Send {"inputs": [{"image": "<base64>"}, ...]}.')
    if content.keys() - {"inputs", "params"}:
        raise Problem(400, "bad_body", "Besides 'inputs' there may only be 'params'.")
    items = content["inputs"]
    _check_count(len(items), max_items)
    return [partial(prepare, item=item) for item in items], _options(content.get("params") or {})


async def _read_form(request: Request, max_items: int) -> tuple[list[Work], Options]:
    fields: dict[str, Any] = dict(request.query_params)
    async with request.form(max_files=max_items, max_fields=_FORM_FIELDS) as form:
        parts = form.multi_items()
        images = [await v.read() for _, v in parts if isinstance(v, UploadFile)]
        fields |= {k: v for k, v in parts if isinstance(v, str)}
    _check_count(len(images), max_items)
    hints, options = _read_fields(fields)
    return [partial(prepare_bytes, data=data, hints=hints) for data in images], options


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
    """The content type without its parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
