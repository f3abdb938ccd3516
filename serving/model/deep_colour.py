"""Decode colours of 16 bits to all their bits, of which Pillow keeps the upper 8.

Pillow's unpackers of one byte order return the first byte of each number, those of the other order
the second. So the image is decoded once as it is, and once as if its bytes were the other way
around, which gives the lower bytes.
"""

import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lunar_models.errors import CropImageError
from serving.model.upright import load_upright

_MACHINE_SWAPPED = "B" if sys.byteorder == "little" else "L"
_OTHER_ORDER = {"B": "L", "L": "B", "N": _MACHINE_SWAPPED}
_COLOURS = tuple(f"{bands};16{order}" for bands in ("RGB", "RGBA", "RGBX") for order in "BLN")
_GREY_ALPHA = "LA;16B"


def decode_deep_colour(data: bytes, formats: tuple[str, ...]) -> npt.NDArray[np.uint16]:
    """Decode a PNG or TIFF of 16 bits in several bands, upright by its EXIF orientation.

    Args:
        data: a file that Pillow has been seen to open and to load.
        formats: of Pillow, one of which it has.

    Returns:
        (H, W, 2) grey and opacity, (H, W, 3) colours, or (H, W, 4) colours and opacity.

    Raises:
        CropImageError: ``bad_dtype``, colours that are stored in another way.
    """
    with Image.open(io.BytesIO(data), formats=formats) as image:
        modes = {_raw_mode(tile) for tile in image.tile}
    if modes == {_GREY_ALPHA}:  # four bytes a pixel, as they are
        byte = _load(data, formats, {_GREY_ALPHA: "RGBA"}).astype(np.uint16)
        return np.asarray(byte[..., ::2] * np.uint16(256) + byte[..., 1::2])
    if not modes or not modes <= set(_COLOURS):
        message = "These colours of 16 bits are not understood; send one grey band of 16 bits."
        raise CropImageError("bad_dtype", message)
    upper = _load(data, formats, {}).astype(np.uint16)
    swapped = {mode: mode[:-1] + _OTHER_ORDER[mode[-1]] for mode in _COLOURS}
    return np.asarray(upper * np.uint16(256) + _load(data, formats, swapped))


def _raw_mode(tile: Any) -> str:
    arguments = tile[3]
    return str(arguments if isinstance(arguments, str) else arguments[0])


def _load(data: bytes, formats: tuple[str, ...], modes: dict[str, str]) -> npt.NDArray[np.uint8]:
    """Decode with other raw modes of Pillow in place of some."""
    with Image.open(io.BytesIO(data), formats=formats) as image:
        for n, tile in enumerate(image.tile):
            mode, arguments = modes.get(_raw_mode(tile), _raw_mode(tile)), tile[3]
            others = arguments[1:] if isinstance(arguments, tuple) else ()
            image.tile[n] = tile._replace(args=(mode, *others) if others else mode)
        return np.asarray(load_upright(image)[0])
