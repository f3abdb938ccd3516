"""Decode the image of a request item, within bounds."""

import base64
import binascii
import io
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from lunar_models.errors import CropImageError

MAX_IMAGE_BYTES = 16 * 2**20
MAX_IMAGE_PIXELS = 2048 * 2048
MIN_SIDE_PX = 4
FORMATS = ("PNG", "JPEG", "TIFF")

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 weights."""


def decode_base64(text: Any) -> bytes:
    """Bytes of a base64 string.

    Raises:
        CropImageError: not a string, too long, or not base64.
    """
    if not isinstance(text, str):
        raise CropImageError("no_image", "Give 'image' as a base64 string.")
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise CropImageError(
            "too_large", f"The image is over {MAX_IMAGE_BYTES // 2**20} MiB; send one crop."
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CropImageError("bad_base64", "'image' is not valid base64.") from error


def decode_image(data: bytes) -> npt.NDArray[np.float32]:
    """Decode a PNG, JPEG or TIFF to (H, W) float32 grey in its own brightness units.

    The size is checked from the header, before anything is decompressed.

    Raises:
        CropImageError: undecodable, another format, too large or too small.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(*image.size)
            image.load()
            return _to_grey(image)
    except UnidentifiedImageError as error:
        raise CropImageError(
            "undecodable", f"'image' is not a readable {', '.join(FORMATS)}."
        ) from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise CropImageError("undecodable", "'image' is damaged or cut short.") from error


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_IMAGE_PIXELS:
        raise CropImageError(
            "too_large",
            f"The image has {width} x {height} px; the most is {MAX_IMAGE_PIXELS} pixels.",
        )
    if min(width, height) < MIN_SIDE_PX:
        raise CropImageError(
            "too_small", f"The image has {width} x {height} px; the least side is {MIN_SIDE_PX}."
        )


def _to_grey(image: Image.Image) -> npt.NDArray[np.float32]:
    if image.mode in ("P", "PA", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"):
        image = image.convert("RGB")
    elif image.mode in ("LA", "1"):
        image = image.convert("L")
    values = np.asarray(image)
    if values.ndim == 3:
        return values.astype(np.float32) @ _LUMA
    grey = values.astype(np.float32)
    if not np.isfinite(grey).all():
        raise CropImageError("not_finite", "'image' has pixels that are NaN or infinite.")
    return grey
