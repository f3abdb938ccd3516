"""Decode PNG, JPEG and TIFF to pixels as they are meant, or refuse them by name."""

import io
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from lunar_models.errors import CropImageError
from serving.model.deep_colour import decode_deep_colour
from serving.model.georeference import GroundAxes, ground_axes
from serving.model.image_structure import MAX_IMAGE_PIXELS, ImageStructure
from serving.model.schema import QualityWarning
from serving.model.tiff import (
    as_decoded,
    check_type,
    correct_byte_order,
    full_scale,
    is_nodata,
    nodata_tag,
    refuse_heights,
    scale_and_offset,
)
from serving.model.upright import load_upright

MIN_SIDE_PX = 4
FORMATS = ("PNG", "JPEG", "TIFF")


class Picture(NamedTuple):
    """Pixels of a file, and what it says about them."""

    values: npt.NDArray[Any]
    """(H, W) or (H, W, 3)."""
    missing: npt.NDArray[np.bool_] | None
    """Which have no data."""
    scale: float = 1.0
    offset: float = 0.0
    full_scale: float = 65535.0
    warnings: tuple[QualityWarning, ...] = ()


def decode_picture(data: bytes, structure: ImageStructure) -> Picture:
    """Decode a PNG, JPEG or TIFF, upright, with what has no data.

    Args:
        data: the file.
        structure: of it, from its headers.

    Raises:
        CropImageError: undecodable, of another kind, too large or too small.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            check_size(image.width, image.height)
            check_type(image, structure)
            correct_byte_order(image)
            scale, offset = scale_and_offset(image, structure)
            refuse_heights(image)
            upright, turned = load_upright(image)
            values, missing = _pixels(data, upright, structure, nodata_tag(image))
            white = full_scale(image, float(values.max()))
            axes = GroundAxes() if turned else ground_axes(image)
    except UnidentifiedImageError as error:
        raise _not_understood(structure) from error
    except CropImageError:
        raise
    # Pillow's parsers raise nearly anything on crafted files.
    except (Exception, Image.DecompressionBombError) as error:
        raise damaged() from error
    if axes.flips:
        values = np.flip(values, axes.flips)
        missing = None if missing is None else np.flip(missing, axes.flips)
    found = _warnings(structure, axes, turned=turned)
    return Picture(values, missing, scale, offset, white, found)


def _warnings(
    structure: ImageStructure, axes: GroundAxes, *, turned: bool
) -> tuple[QualityWarning, ...]:
    found = []
    if turned:
        message = "The image was turned as its EXIF orientation says."
        found.append(QualityWarning(code="turned", message=message))
    if axes.flips:
        message = "The image was flipped as its geotransform says, north up and east to the right."
        found.append(QualityWarning(code="turned", message=message))
    if axes.stretched:
        message = (
            f"Its pixels are {axes.stretch:.2g} times as wide on the ground as high, so craters "
            "are not round, unlike those that the model knows; warp it to square pixels."
        )
        found.append(QualityWarning(code="stretched", message=message))
    if structure.pages:
        message = "The image has several pages or frames; the first was used."
        found.append(QualityWarning(code="several_pages", message=message))
    return tuple(found)


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
        if isinstance(transparency, int) and image.mode == "L" and structure.bits in (2, 4):
            # of stored numbers, which Pillow stretches
            image.info["transparency"] = transparency * (255 // (2**structure.bits - 1))
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


def check_size(width: int, height: int) -> None:
    """Raise CropImageError for an image with too many pixels or too short a side."""
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


def damaged() -> CropImageError:
    """Return the error of an image that is damaged."""
    return CropImageError("undecodable", "'image' is damaged or cut short.")
