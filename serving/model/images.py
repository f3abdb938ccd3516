"""Decode the image of a request item to grey values, within limits; mark what has no data."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from lunar_models.arrays import Float32Array
from lunar_models.crops.luminance import LUMINANCE_WEIGHTS
from lunar_models.errors import CropImageError
from serving.model.crop_input import MAX_IMAGE_BYTES, too_many_bytes
from serving.model.deep_colour import decode_deep_colour
from serving.model.image_structure import MAX_IMAGE_PIXELS, ImageStructure, inspect, npy_header
from serving.model.schema import QualityWarning
from serving.model.tiff import (
    as_decoded,
    axes_to_flip,
    check_type,
    correct_byte_order,
    is_nodata,
    nodata_tag,
    scale_and_offset,
)
from serving.model.upright import load_upright

MIN_SIDE_PX = 4
FORMATS = ("PNG", "JPEG", "TIFF")

_DTYPES = ("bool", "uint8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
_NO_DATA_BEYOND = 1e30
"""Floats beyond are marks (GDAL and ISIS fill with ±3.4e38), not brightness."""
_LUMA = np.array(LUMINANCE_WEIGHTS, np.float32)


@dataclass(frozen=True)
class Decoded:
    """A grey image as it was sent."""

    values: Float32Array
    """(H, W) in its own brightness units, by GDAL's scale and offset; NaN where it has no data."""
    dtype: str
    """NumPy name of the pixel type it was sent with."""
    warnings: tuple[QualityWarning, ...] = ()
    scaled: bool = False
    """A scale or offset turned its numbers into brightness."""


def decode_image(data: bytes, structure: ImageStructure | None = None) -> Decoded:
    """Decode a PNG, JPEG, TIFF or NPY to grey.

    Without data are: pixels that are not finite or beyond ±1e30, transparent ones (alpha 0),
    and those with the value of a TIFF's GDAL_NODATA tag. An image
    is turned upright where EXIF or the geotransform of a GeoTIFF says so. Of several pages or
    frames the first is taken. Both are warned of.

    What decoding would cost is read from the headers, before anything is decompressed.

    Args:
        data: the file.
        structure: what `inspect` says of it, if that is known already.

    Raises:
        CropImageError: undecodable, another format, too large, too small or too costly, or without
            a single pixel of data.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise too_many_bytes()
    structure = structure or inspect(data)
    warnings: list[QualityWarning] = []
    missing: npt.NDArray[np.bool_] | None = None
    scale, offset = 1.0, 0.0
    if structure.kind == "NPY":
        values = _decode_npy(data)
        if values.shape[2:] == (4,):
            missing = values[..., 3] == 0
    else:
        values, missing, (scale, offset) = _decode_picture(data, structure, warnings)
    grey = _grey(values)
    if values.dtype.kind == "f":
        grey[~(np.abs(grey) <= _NO_DATA_BEYOND)] = np.nan
    if missing is not None:
        grey[missing] = np.nan
    scaled = (scale, offset) != (1.0, 0.0)
    if scaled:
        grey = (grey.astype(np.float64) * scale + offset).astype(np.float32)
    whole_numbers = values.dtype.kind != "f" and missing is None
    if not whole_numbers and np.isnan(grey).all():
        raise CropImageError("not_finite", "'image' has no pixel that is a finite number.")
    return Decoded(grey, values.dtype.name, tuple(warnings), scaled)


def _grey(values: npt.NDArray[Any]) -> Float32Array:
    with np.errstate(over="ignore"):  # beyond float32 counts as no data
        grey = values.astype(np.float32)
    if grey.ndim == 3:
        grey = grey[..., 0] if grey.shape[2] == 1 else grey[..., :3] @ _LUMA
    return np.ascontiguousarray(grey)


def _decode_picture(
    data: bytes, structure: ImageStructure, warnings: list[QualityWarning]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None, tuple[float, float]]:
    """Pixels (H, W) or (H, W, 3), which have no data, and the scale and offset of the rest."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width, image.height)
            check_type(image, structure)
            correct_byte_order(image)
            scaling = scale_and_offset(image, structure)
            upright, turned = load_upright(image)
            values, missing = _pixels(data, upright, structure, nodata_tag(image))
            flips = () if turned else axes_to_flip(image)
    except UnidentifiedImageError as error:
        raise _not_understood(structure) from error
    except CropImageError:
        raise
    # Pillow's parsers raise nearly anything on crafted files.
    except (Exception, Image.DecompressionBombError) as error:
        raise _damaged() from error
    if turned:
        message = "The image was turned as its EXIF orientation says."
        warnings.append(QualityWarning(code="turned", message=message))
    if flips:
        values = np.flip(values, flips)
        missing = None if missing is None else np.flip(missing, flips)
        message = "The image was flipped as its geotransform says, north up and east to the right."
        warnings.append(QualityWarning(code="turned", message=message))
    if structure.pages:
        message = "The image has several pages or frames; the first was used."
        warnings.append(QualityWarning(code="several_pages", message=message))
    return values, missing, scaling


def _pixels(
    data: bytes, image: Image.Image, structure: ImageStructure, nodata: float | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    transparency = image.info.get("transparency")
    missing: npt.NDArray[np.bool_] | None = None
    if image.mode in ("I", "I;16", "I;16B", "F"):
        values = np.asarray(image)
        if isinstance(transparency, int):  # a 16-bit PNG's transparent grey
            missing = values == transparency
    elif structure.bits == 16 and image.mode in ("RGB", "RGBA"):
        values, missing = _deep_colour(decode_deep_colour(data, FORMATS), transparency)
    else:
        _require_palette(image)
        if image.has_transparency_data:
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
            missing = alpha == 0
        values = np.asarray(_plain_mode(image))
    if structure.kind == "TIFF":
        stored = np.asarray(image) if image.mode == "P" else values
        missing = _either(missing, is_nodata(stored, as_decoded(nodata, image, structure)))
        if image.mode == "I" and structure.bits == 16:
            values = values.astype(np.int16)
        if structure.white_is_zero and image.mode == "I;16":  # Pillow turns only up to 8 bits
            values = np.uint16(65535) - values
    return values, missing


def _deep_colour(
    bands: npt.NDArray[np.uint16], transparent: Any
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_] | None]:
    """Grey (H, W, 1) or colours (H, W, 3) without opacity, and which have no data."""
    colours = bands.shape[2] - (bands.shape[2] + 1) % 2
    values = bands[..., :colours]
    if bands.shape[2] > colours:
        return values, bands[..., colours] == 0
    if isinstance(transparent, tuple):
        return values, np.asarray((values == np.array(transparent)).all(axis=2))
    return values, None


def _require_palette(image: Image.Image) -> None:
    if image.mode == "P" and np.asarray(image).max() >= len(image.getpalette() or ()) // 3:
        message = "The image has pixels beyond the end of its palette; send it as grey."
        raise CropImageError("undecodable", message)


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "La", "1"):
        return image.convert("L")
    return image if image.mode == "L" else image.convert("RGB")


def _either(
    a: npt.NDArray[np.bool_] | None, b: npt.NDArray[np.bool_] | None
) -> npt.NDArray[np.bool_] | None:
    if a is None or b is None:
        return b if a is None else a
    return a | b


def _decode_npy(data: bytes) -> npt.NDArray[Any]:
    """Like `np.load`, but trusts no header: `np.load` allocates whatever shape it reads there."""
    try:
        shape, fortran_order, dtype, start = npy_header(data)
    except Exception as error:
        raise _damaged() from error
    if dtype.name not in _DTYPES:
        raise CropImageError(
            "bad_dtype", f"An NPY image must have one of the types {', '.join(_DTYPES)}."
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise CropImageError("bad_shape", "An NPY image must have the shape (H, W) or (H, W, 3).")
    _check_size(shape[1], shape[0])
    count = int(np.prod(shape))
    if len(data) - start < count * dtype.itemsize:
        raise _damaged()
    flat = np.frombuffer(data, dtype, count, start)
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


def _not_understood(structure: ImageStructure) -> CropImageError:
    if structure.kind == "TIFF":
        message = (
            "This kind of TIFF is not understood; send grey or RGB, with or without alpha, of 8 or "
            "16 bits or float32."
        )
    else:
        message = f"'image' is not a readable {', '.join(FORMATS)} or NPY."
    return CropImageError("undecodable", message)


def _damaged() -> CropImageError:
    return CropImageError("undecodable", "'image' is damaged or cut short.")
