"""Decode images that come as base64 text, in the forms in which it is sent."""

import base64
import binascii
import re

from lunar_models.errors import CropImageError

MAX_IMAGE_BYTES = 16 * 2**20
_DATA_URI = re.compile(r"data:[a-zA-Z0-9.+/=;-]*;base64,")
_SPACES = str.maketrans("", "", " \t\r\n")
_URL_SAFE = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """Decode base64: plain, URL-safe (padded or not), with line breaks, or as a data URI.

    Raises:
        CropImageError: too long, or not base64.
    """
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4 + text.count("\n", 0, 2**20) * 2 + 100:
        raise too_many_bytes()
    if start := _DATA_URI.match(text[:200]):
        text = text[start.end() :]
    text = text.translate(_SPACES)
    if "-" in text or "_" in text:
        text = text.translate(_URL_SAFE)
        text += "=" * (-len(text) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CropImageError("bad_base64", "'image' is not valid base64.") from error


def too_many_bytes() -> CropImageError:
    """The error for an image that is too large to be decoded."""
    return CropImageError(
        "too_large", f"The image is over {MAX_IMAGE_BYTES // 2**20} MiB; send one crop."
    )
