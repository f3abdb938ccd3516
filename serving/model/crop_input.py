"""Read what callers send: each image becomes a `CropInput`, the value that travels to the encoder.

MLflow's clients and servers know several forms; each becomes a list of items. A table (a DataFrame,
``dataframe_split``, ``dataframe_records``) is answered by a table, everything else by a list.
"""

import base64
import binascii
import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from lunar_models.errors import CropImageError
from serving.model.image_structure import ImageStructure, inspect
from serving.model.schema import CropHints, CropRequest, explain

FORMS = ("inputs", "instances", "dataframe_split", "dataframe_records")
SEND = 'Send {"inputs": [{"image": "<base64>"}, ...]}'

MAX_IMAGE_BYTES = 16 * 2**20
_DATA_URI = re.compile(r"data:[a-zA-Z0-9.+/=;-]*;base64,", re.IGNORECASE)
_SPACES = str.maketrans("", "", " \t\r\n\ufeff")
_URL_SAFE = str.maketrans("-_", "+/")


@dataclass(frozen=True)
class CropInput:
    """An encoded image and what is said about it."""

    data: bytes
    """A PNG, JPEG, TIFF or NPY file, not yet decoded."""
    hints: CropHints = CropHints()

    @cached_property
    def structure(self) -> ImageStructure:
        """What the headers of the image say. Raises as `inspect`."""
        return inspect(self.data)

    @classmethod
    def from_item(cls, item: Any) -> "CropInput":
        """Read a request item: a `CropRequest`, or what should be one, or an image alone.

        Raises:
            CropImageError: not an object, or a field is missing, unknown, or of a wrong type.
        """
        if isinstance(item, str):
            return cls(_image_text(item))
        if isinstance(item, bytes):
            return cls(item)
        try:
            request = CropRequest.model_validate(item)
        except ValidationError as error:
            raise CropImageError("bad_item", explain(error)) from error
        return cls(decode_base64(request.image), request)


def _image_text(text: str) -> bytes:
    """Bytes of a base64 text that is clearly an image."""
    try:
        data = decode_base64(text)
        if inspect(data).kind:
            return data
    except CropImageError as error:
        if error.code in ("too_large", "too_costly"):
            raise
    raise CropImageError(
        "bad_item", 'An item is {"image": "<base64>"}, or the base64 of an image alone.'
    )


def read_items(items: Sequence[Any]) -> list[CropInput | CropImageError]:
    """Read each item as a `CropInput`, or tell why it is none."""
    found: list[CropInput | CropImageError] = []
    for item in items:
        try:
            found.append(CropInput.from_item(item))
        except CropImageError as error:
            found.append(error)
    return found


@dataclass(frozen=True)
class Items:
    """What is asked about."""

    items: list[Any]
    """`CropRequest`, or what should be one."""
    table: bool = False
    """Whether they came as a table."""


def read_body(content: Any) -> tuple[Items, Any]:
    """Items and ``params`` of a parsed JSON body.

    Raises:
        ValueError: it has none of the known forms; the message says what to send.
    """
    known = [form for form in FORMS if isinstance(content, dict) and form in content]
    if not known:
        raise ValueError(f"{SEND}; {', '.join(FORMS[1:])} are understood, too.")
    if content.keys() - {known[0], "params"}:
        raise ValueError(f"Besides '{known[0]}' there may only be 'params'.")
    value, params = content[known[0]], content.get("params") or {}
    if known[0] == "dataframe_split":
        return Items(_split_rows(value), table=True), params
    if known[0] == "dataframe_records":
        if not isinstance(value, list):
            raise ValueError("'dataframe_records' is a list of objects.")
        return Items([_without_gaps(row) for row in value], table=True), params
    return read_input(value), params


def read_input(model_input: Any) -> Items:
    """Items of whatever ``predict`` of a pyfunc is given.

    Raises:
        ValueError: a type that cannot hold images.
    """
    if isinstance(model_input, pd.DataFrame):
        if list(model_input) in (["0"], [0]):  # as spark_udf and pandas call a single column
            model_input = model_input.set_axis(["image"], axis=1)
        unknown = [str(name) for name in model_input if name not in CropRequest.model_fields]
        if "image" not in model_input or unknown:
            raise ValueError(
                f"A table has the column 'image' and may have "
                f"{', '.join(n for n in CropRequest.model_fields if n != 'image')}; leave out "
                "other columns."
            )
        rows = model_input.astype(object).to_dict("records")
        return Items([_without_gaps(row) for row in rows], table=True)
    if isinstance(model_input, pd.Series):
        return Items(model_input.tolist(), table=True)
    if isinstance(model_input, np.ndarray) and model_input.ndim == 0:
        model_input = model_input.item()  # as which MLflow hands on a single value
    if isinstance(model_input, str):
        return Items([_single(model_input)])
    if isinstance(model_input, bytes):
        return Items([model_input])
    if isinstance(model_input, np.ndarray):
        if model_input.ndim == 2 and model_input.shape[1] != 1:
            raise ValueError(f"An array of items has one dimension. {SEND}.")
        return Items(model_input.ravel().tolist())
    if isinstance(model_input, Mapping):
        return Items(_from_columns(model_input))
    if isinstance(model_input, Sequence):
        return Items([_plain(item) for item in model_input])
    raise ValueError(f"{SEND}.")


def _single(text: str) -> str:
    try:
        CropInput.from_item(text)
    except CropImageError as error:
        if error.code == "bad_item":
            raise ValueError(f"{SEND}; this text is no image.") from None
    return text


def _split_rows(value: Any) -> list[Any]:
    """Rows of ``{"columns": [...], "data": [[...], ...]}``."""
    form = '\'dataframe_split\' is {"columns": ["image", ...], "data": [[...], ...]}.'
    if not isinstance(value, dict) or not value.keys() <= {"columns", "data", "index"}:
        raise ValueError(form)
    columns, data = value.get("columns"), value.get("data")
    if not isinstance(columns, list) or not isinstance(data, list) or "image" not in columns:
        raise ValueError(form)
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        raise ValueError("Every row of 'data' has one value for each of 'columns'.")
    if not all(isinstance(name, str) for name in columns):
        raise ValueError(form)
    if twice := sorted({name for name in columns if columns.count(name) > 1}):
        raise ValueError(f"'columns' names {twice[0]!r} more than once; name each column once.")
    return [_without_gaps(dict(zip(columns, row, strict=True))) for row in data]


def _from_columns(columns: Mapping[Any, Any]) -> list[Any]:
    """One item, or the rows of a mapping of columns, as TensorFlow's servers take them."""
    values = {key: _plain(value) for key, value in columns.items()}
    lists = {key: value for key, value in values.items() if isinstance(value, list)}
    if not lists:
        return [values]
    counts = {len(value) for value in lists.values()}
    if len(lists) < len(values) or len(counts) != 1:
        raise ValueError("Columns of 'inputs' must be lists of one length.")
    rows = zip(*lists.values(), strict=True)
    return [_without_gaps(dict(zip(lists, row, strict=True))) for row in rows]


def _plain(value: Any) -> Any:
    """Python's own types for NumPy's, as which MLflow hands on what came as JSON."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value


def _without_gaps(row: Any) -> Any:
    """A row without the cells that are empty."""
    if not isinstance(row, dict):
        return row
    cells = {key: _plain(value) for key, value in row.items()}
    return {k: v for k, v in cells.items() if v is not None and v is not pd.NA and v == v}


def decode_base64(text: str) -> bytes:
    """Decode base64: plain, URL-safe (padded or not), with line breaks, or as a data URI.

    Raises:
        CropImageError: too long, or not base64.
    """
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4 + text.count("\n", 0, 2**20) * 2 + 100:
        raise too_many_bytes()
    with contextlib.suppress(ValueError):  # nearly all texts are plain, and need no cleaning
        return base64.b64decode(text, validate=True)
    if start := _DATA_URI.match(text[:200].lstrip("\ufeff ")):
        text = text.lstrip("\ufeff ")[start.end() :]
    text = text.translate(_SPACES)
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
        text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CropImageError("bad_base64", "'image' is not valid base64.") from error


def too_many_bytes() -> CropImageError:
    """Return the error for an image that is too large to be decoded."""
    return CropImageError(
        "too_large", f"The image is over {MAX_IMAGE_BYTES // 2**20} MiB; send one crop."
    )
