"""Ways to write a crop as a request would bring it."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image


def encoded(array: np.ndarray, kind: str = "PNG") -> bytes:
    """An array as the bytes of an image file; NPY holds any dtype."""
    buffer = io.BytesIO()
    if kind == "NPY":
        np.save(buffer, array)
    else:
        Image.fromarray(array).save(buffer, kind)
    return buffer.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def item(array: np.ndarray, kind: str = "PNG", **fields: Any) -> dict[str, Any]:
    """A request item."""
    return {"image": text(encoded(array, kind)), **fields}
