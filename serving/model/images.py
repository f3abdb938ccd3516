"""Decode the image of a request item to grey values, within limits; mark what has no data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float32Array
from lunar_models.crops.colour_codes import COLOUR_CODE, is_colour_code
from lunar_models.crops.luminance import LUMINANCE_WEIGHTS
from lunar_models.crops.nodata_marks import find_marks
from lunar_models.errors import CropImageError
from serving.model.crop_input import MAX_IMAGE_BYTES, too_many_bytes
from serving.model.image_structure import ImageStructure, inspect, npy_header
from serving.model.pictures import Picture, check_size, damaged, decode_picture
from serving.model.schema import QualityWarning

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
    full_scale: float = 65535.0
    """White of a 16-bit image."""


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
    if structure.kind == "NPY":
        values = _decode_npy(data)
        picture = Picture(values, values[..., 3] == 0 if values.shape[2:] == (4,) else None)
    else:
        picture = decode_picture(data, structure)
    values, missing = picture.values, picture.missing
    grey = _grey(values)
    if values.dtype.kind == "f":
        grey[~(np.abs(grey) <= _NO_DATA_BEYOND)] = np.nan
    if missing is not None:
        grey[missing] = np.nan
    whole_numbers = values.dtype.kind != "f" and missing is None
    if not whole_numbers and np.isnan(grey).all():
        raise CropImageError("not_finite", "'image' has no pixel that is a finite number.")
    if values.dtype.itemsize > 1:
        _refuse_marks(grey)
    scaled = (picture.scale, picture.offset) != (1.0, 0.0)
    if scaled:
        grey = (grey.astype(np.float64) * picture.scale + picture.offset).astype(np.float32)
    found = (*picture.warnings, *_colour_warnings(values, grey))
    return Decoded(grey, values.dtype.name, found, scaled, picture.full_scale)


def _colour_warnings(values: npt.NDArray[Any], grey: Float32Array) -> list[QualityWarning]:
    if values.shape[2:] not in ((3,), (4,)):
        return []
    colours = values[..., :3][np.isfinite(grey)]
    if not is_colour_code(colours.T):
        return []
    return [QualityWarning(code="colour_code", message=f"In the image {COLOUR_CODE}.")]


def _refuse_marks(grey: Float32Array) -> None:
    """Raise CropImageError for values that look like undeclared marks of no data."""
    marks = find_marks(grey[np.isfinite(grey)].astype(np.float64))
    if marks is not None:
        raise CropImageError(
            "bad_nodata",
            f"{marks.share:.1%} of the image is {marks}, which looks like an undeclared mark of no "
            "data; declare it by a TIFF's GDAL_NODATA tag or by alpha, or send NaN there.",
        )


def _grey(values: npt.NDArray[Any]) -> Float32Array:
    with np.errstate(over="ignore"):  # beyond float32 counts as no data
        grey = values.astype(np.float32)
    if grey.ndim == 3:
        grey = grey[..., 0] if grey.shape[2] == 1 else grey[..., :3] @ _LUMA
    return np.ascontiguousarray(grey)


def _decode_npy(data: bytes) -> npt.NDArray[Any]:
    """Like `np.load`, but trusts no header: `np.load` allocates whatever shape it reads there."""
    try:
        shape, fortran_order, dtype, start = npy_header(data)
    except Exception as error:
        raise damaged() from error
    if dtype.name not in _DTYPES:
        raise CropImageError(
            "bad_dtype", f"An NPY image must have one of the types {', '.join(_DTYPES)}."
        )
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise CropImageError("bad_shape", "An NPY image must have the shape (H, W) or (H, W, 3).")
    check_size(shape[1], shape[0])
    count = int(np.prod(shape))
    if len(data) - start < count * dtype.itemsize:
        raise damaged()
    flat = np.frombuffer(data, dtype, count, start)
    return flat.reshape(shape, order="F" if fortran_order else "C")
