"""Encode a crop in each of the forms that a request may send."""

import base64
import io
from typing import Any

import numpy as np
from PIL import Image
from rasterio.io import MemoryFile

from serving.model.images import Decoded

GREY = (np.add.outer(np.arange(24), 3 * np.arange(20)) + 40).astype(np.uint8)
CORNER = np.zeros(GREY.shape, bool)
CORNER[:6, :5] = True
"""24 x 20 px, and the part of it that has no data."""


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


def png(image: Image.Image, **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **options)
    return stream.getvalue()


def geotiff(*bands: np.ndarray, **profile) -> bytes:
    height, width = bands[0].shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=height, width=width, count=len(bands),
            dtype=bands[0].dtype, **profile,
        ) as data:  # fmt: skip
            data.write(np.stack(bands))
        return bytes(memory.read())


def check(decoded: Decoded, truth: np.ndarray = GREY) -> None:
    """The corner has no data, the rest is as it was."""
    np.testing.assert_array_equal(np.isnan(decoded.values), CORNER)
    np.testing.assert_allclose(decoded.values[~CORNER], truth[~CORNER], rtol=1e-5)
