"""Decode the image of a request item, within bounds."""

import base64
import binascii
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from lunar_models.errors import CropImageError

MAX_IMAGE_BYTES = 16 * 2**20
MAX_IMAGE_PIXELS = 2048 * 2048
MIN_SIDE_PX = 4
FORMATS = ("PNG", "JPEG", "TIFF")

_NPY_MAGIC = b"\x93NUMPY"
_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DTYPES = ("bool", "uint8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601 weights."""


@dataclass(frozen=True)
class Decoded:
    """A grey image as it was sent."""

    values: npt.NDArray[np.float32]
    """(H, W) in its own brightness units; NaN where a float image has no data."""
    dtype: str
    """NumPy name of the pixel type it was sent with."""


def decode_base64(text: str) -> bytes:
    """Bytes of a base64 string.

    Raises:
        CropImageError: too long, or not base64.
    """
    if len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        raise _too_many_bytes()
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CropImageError("bad_base64", "'image' is not valid base64.") from error


def decode_image(data: bytes) -> Decoded:
    """Decode a PNG, JPEG, TIFF or NPY to grey.

    The size is checked from the header, before anything is decompressed or allocated.

    Raises:
        CropImageError: undecodable, another format, too large or too small, or without a single
            finite pixel.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise _too_many_bytes()
    values = _decode_npy(data) if data.startswith(_NPY_MAGIC) else _decode_picture(data)
    dtype = str(values.dtype)
    with np.errstate(over="ignore"):  # beyond float32 counts as no data
        grey = values.astype(np.float32)
    if grey.ndim == 3:
        grey = grey[..., 0] if grey.shape[2] == 1 else grey[..., :3] @ _LUMA
    if dtype.startswith("float"):
        grey[~np.isfinite(grey)] = np.nan
        if np.isnan(grey).all():
            raise CropImageError("not_finite", "'image' has no pixel that is a finite number.")
    return Decoded(grey, dtype)


def _decode_picture(data: bytes) -> npt.NDArray[Any]:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width, image.height)
            image.load()
            return np.asarray(_plain_mode(image))
    except UnidentifiedImageError as error:
        raise CropImageError(
            "undecodable", f"'image' is not a readable {', '.join(FORMATS)} or NPY."
        ) from error
    except CropImageError:
        raise
    # Pillow's parsers raise nearly anything on crafted files.
    except (Exception, Image.DecompressionBombError) as error:
        raise _damaged() from error


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode in ("P", "PA", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB")
    return image.convert("L") if image.mode in ("LA", "La", "1") else image


def _decode_npy(data: bytes) -> npt.NDArray[Any]:
    """Like `np.load`, but trusts no header: `np.load` allocates whatever shape it reads there."""
    stream = io.BytesIO(data)
    try:
        shape, fortran_order, dtype = _NPY_HEADERS[np.lib.format.read_magic(stream)](stream)
    except Exception as error:  # the header is evaluated as a Python literal
        raise _damaged() from error
    if dtype.name not in _DTYPES:
        raise CropImageError(
            "bad_dtype", f"An NPY image must have one of the types {', '.join(_DTYPES)}."
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise CropImageError("bad_shape", "An NPY image must have the shape (H, W) or (H, W, 3).")
    _check_size(shape[1], shape[0])
    count = int(np.prod(shape))
    if stream.getbuffer().nbytes - stream.tell() < count * dtype.itemsize:
        raise _damaged()
    flat = np.frombuffer(data, dtype, count, stream.tell())
    return flat.reshape(shape, order="F" if fortran_order else "C")


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


def _too_many_bytes() -> CropImageError:
    return CropImageError(
        "too_large", f"The image is over {MAX_IMAGE_BYTES // 2**20} MiB; send one crop."
    )


def _damaged() -> CropImageError:
    return CropImageError("undecodable", "'image' is damaged or cut short.")
