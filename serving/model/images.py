"""Decode the image of a request item to grey values, within limits; mark what has no data."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from lunar_models.arrays import Float32Array
from lunar_models.crops.luminance import LUMINANCE_WEIGHTS
from lunar_models.errors import CropImageError
from serving.model.crop_input import MAX_IMAGE_BYTES, too_many_bytes
from serving.model.image_structure import MAX_IMAGE_PIXELS, ImageStructure, inspect, npy_header
from serving.model.schema import QualityWarning

MIN_SIDE_PX = 4
FORMATS = ("PNG", "JPEG", "TIFF")

_DTYPES = ("bool", "uint8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")
_NO_DATA_BEYOND = 1e30
"""Floats beyond are marks (GDAL and ISIS fill with ±3.4e38), not brightness."""
_GDAL_NODATA = 42113
_ORIENTATION = 274
_LUMA = np.array(LUMINANCE_WEIGHTS, np.float32)


@dataclass(frozen=True)
class Decoded:
    """A grey image as it was sent."""

    values: Float32Array
    """(H, W) in its own brightness units; NaN where it has no data."""
    dtype: str
    """NumPy name of the pixel type it was sent with."""
    warnings: tuple[QualityWarning, ...] = ()


def decode_image(data: bytes) -> Decoded:
    """Decode a PNG, JPEG, TIFF or NPY to grey.

    Without data are: pixels that are not finite or beyond ±1e30, transparent ones (alpha 0), and
    those with the value of a TIFF's GDAL_NODATA tag. An image is turned upright where EXIF says so.
    Of several pages or frames the first is taken. Both are warned of.

    What decoding would cost is read from the headers, before anything is decompressed.

    Raises:
        CropImageError: undecodable, another format, too large, too small or too costly, or without
            a single pixel of data.
    """
    if len(data) > MAX_IMAGE_BYTES:
        raise too_many_bytes()
    structure = inspect(data)
    warnings: list[QualityWarning] = []
    missing: npt.NDArray[np.bool_] | None = None
    if structure.kind == "NPY":
        values = _decode_npy(data)
        if values.shape[2:] == (4,):
            missing = values[..., 3] == 0
    else:
        values, missing = _decode_picture(data, structure, warnings)
    grey = _grey(values)
    if values.dtype.kind == "f":
        grey[~(np.abs(grey) <= _NO_DATA_BEYOND)] = np.nan
    if missing is not None:
        grey[missing] = np.nan
    if np.isnan(grey).all():
        raise CropImageError("not_finite", "'image' has no pixel that is a finite number.")
    return Decoded(grey, values.dtype.name, tuple(warnings))


def _grey(values: npt.NDArray[Any]) -> Float32Array:
    with np.errstate(over="ignore"):  # beyond float32 counts as no data
        grey = values.astype(np.float32)
    if grey.ndim == 3:
        grey = grey[..., 0] if grey.shape[2] == 1 else grey[..., :3] @ _LUMA
    return np.ascontiguousarray(grey)


def _decode_picture(
    data: bytes, structure: ImageStructure, warnings: list[QualityWarning]
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    """Pixels (H, W) or (H, W, 3), and which have no data."""
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width, image.height)
            _check_type(image, structure)
            turned = image.getexif().get(_ORIENTATION, 1) not in (0, 1)
            image.load()  # turns a TIFF, and nothing else
            values, missing = _pixels(ImageOps.exif_transpose(image), structure, _nodata_tag(image))
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
    if structure.pages:
        message = "The image has several pages or frames; the first was used."
        warnings.append(QualityWarning(code="several_pages", message=message))
    return values, missing


def _check_type(image: Image.Image, structure: ImageStructure) -> None:
    """Refuse what Pillow reads as something else than was meant."""
    if structure.mask_page:
        raise CropImageError(
            "bad_nodata",
            "A TIFF with a mask inside is not understood; mark pixels without data by an alpha "
            "band or by the GDAL_NODATA tag.",
        )
    if structure.white_is_zero and image.mode in ("F", "I"):
        message = "WhiteIsZero of floats or signed numbers may mean two things; send BlackIsZero."
        raise CropImageError("bad_dtype", message)
    meant = (structure.sample_format, structure.bits)
    if structure.kind == "TIFF" and image.mode in ("L", "I", "I;16") and (
        meant == (2, 8) or meant == (1, 12) or meant == (1, 32)
    ):  # fmt: skip
        sign = "signed" if structure.sample_format == 2 else "unsigned"
        raise CropImageError(
            "bad_dtype",
            f"A TIFF of {structure.bits} bits, {sign}, is not understood; send 8 or 16 bits "
            "unsigned, 16 bits signed, or float32.",
        )


def _pixels(
    image: Image.Image, structure: ImageStructure, nodata: float | None
) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_] | None]:
    transparency = image.info.get("transparency")
    missing: npt.NDArray[np.bool_] | None = None
    if image.mode in ("I", "I;16", "I;16B", "F"):
        values = np.asarray(image)
        if isinstance(transparency, int):  # a 16-bit PNG's transparent grey
            missing = values == transparency
    else:
        exact = nodata in (None, 0.0, 65535.0) and not isinstance(transparency, tuple)
        if structure.bits == 16 and not exact:
            message = "A colour of 16 bits cannot mark pixels without data; use an alpha band."
            raise CropImageError("bad_nodata", message)
        if image.has_transparency_data:
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
            missing = alpha == 0
        values = np.asarray(_plain_mode(image))
        if structure.bits == 16:  # of colours Pillow keeps the upper byte
            values = values * np.uint16(257)
    if structure.kind == "TIFF":
        stored = np.asarray(image) if image.mode == "P" else values
        missing = _either(missing, _is_nodata(stored, _as_decoded(nodata, image, structure)))
        if image.mode == "I" and structure.bits == 16:
            values = values.astype(np.int16)
        if structure.white_is_zero and image.mode == "I;16":  # Pillow turns only up to 8 bits
            values = np.uint16(65535) - values
    return values, missing


def _as_decoded(
    nodata: float | None, image: Image.Image, structure: ImageStructure
) -> float | None:
    """The nodata value of a TIFF as Pillow decodes it: up to 8 bits of grey become 0 to 255."""
    if nodata is None or image.mode != "L":
        return nodata
    scaled: float = nodata * (255 // (2**structure.bits - 1))
    return 255.0 - scaled if structure.white_is_zero else scaled


def _plain_mode(image: Image.Image) -> Image.Image:
    if image.mode in ("LA", "La", "1"):
        return image.convert("L")
    return image if image.mode == "L" else image.convert("RGB")


def _nodata_tag(image: Image.Image) -> float | None:
    text = getattr(image, "tag_v2", {}).get(_GDAL_NODATA)
    try:
        return None if text is None else float(str(text).strip("\0 "))
    except ValueError:
        raise CropImageError(
            "bad_nodata", "The TIFF's GDAL_NODATA tag is not a number; write it again."
        ) from None


def _is_nodata(values: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_] | None:
    """Pixels all of whose bands have the value, as float32 holds it."""
    if nodata is None or np.isnan(nodata):
        return None
    single = values.astype(np.float64)
    with np.errstate(over="ignore"):
        same = np.isclose(single, nodata, rtol=1e-6, atol=0.0)
    return np.asarray(same.all(axis=2) if same.ndim == 3 else same)


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
