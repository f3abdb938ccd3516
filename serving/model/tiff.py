"""Mend what Pillow reads of a TIFF otherwise than it is meant, or refuse it."""

import re
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from lunar_models.crops.height_terms import height_unit, says_heights
from lunar_models.errors import CropImageError
from serving.model.image_structure import ImageStructure

_GDAL_METADATA, _GDAL_NODATA = 42112, 42113
_ITEM = re.compile(
    r'<Item [^>]*\brole="(scale|offset|unittype|description)"[^>]*>([^<]{1,64})</Item>'
)
_LARGEST_SAMPLE = 281
_FEWER_BITS = tuple(2**bits - 1 for bits in range(9, 16))
_MACHINE_ORDER = {"I;16BS": "I;16NS", "I;32BS": "I;32NS", "F;32BF": "F;32NF"}
"""Pillow's raw modes of big-endian numbers and of those in the machine's order."""


def correct_byte_order(image: Any) -> None:
    """Let Pillow read compressed numbers of a big-endian TIFF in the order libtiff returns them.

    libtiff decompresses into the machine's order, but Pillow goes on to swap the bytes.

    Args:
        image: an open `PIL.Image.Image`, not loaded yet.
    """
    for n, tile in enumerate(getattr(image, "tile", ())):
        if tile[0] == "libtiff" and tile[3][0] in _MACHINE_ORDER:
            arguments = (_MACHINE_ORDER[tile[3][0]], *tile[3][1:])
            image.tile[n] = tile._replace(args=arguments)


def check_type(image: Image.Image, structure: ImageStructure) -> None:
    """Refuse what Pillow reads as something else than was meant."""
    if image.mode == "LAB":
        message = "CIELAB colours have no single grey; send grey or RGB."
        raise CropImageError("bad_dtype", message)
    if structure.mask_page:
        raise CropImageError(
            "bad_nodata",
            "A TIFF with a mask inside is not understood; mark pixels without data by an alpha "
            "band or by the GDAL_NODATA tag.",
        )
    if structure.incomplete:
        message = "The TIFF lacks blocks, or its first page is a thumbnail; write it plainly."
        raise CropImageError("undecodable", message)
    if structure.unknown_band:
        message = "The TIFF has a further band of unknown meaning; declare it as alpha, or drop it."
        raise CropImageError("bad_dtype", message)
    if structure.white_is_zero and image.mode in ("F", "I"):
        message = "WhiteIsZero is ambiguous for floats and signed integers; send BlackIsZero."
        raise CropImageError("bad_dtype", message)
    if structure.planar and structure.bits == 8 and image.mode == "LA":
        message = (
            "Pillow does not read grey and alpha one after the other; send them pixel by pixel "
            "(gdal_translate -co INTERLEAVE=PIXEL)."
        )
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


def as_decoded(nodata: float | None, image: Image.Image, structure: ImageStructure) -> float | None:
    """Scale a nodata value as Pillow decodes the TIFF: up to 8 bits of grey become 0 to 255."""
    if nodata is None or image.mode != "L":
        return nodata
    scaled: float = nodata * (255 // (2**structure.bits - 1))
    return 255.0 - scaled if structure.white_is_zero else scaled


def nodata_tag(image: Image.Image) -> float | None:
    """Read the nodata value from GDAL's tag; None without one. Raises CropImageError if bad."""
    text = getattr(image, "tag_v2", {}).get(_GDAL_NODATA)
    try:
        return None if text is None else float(str(text).strip("\0 "))
    except ValueError:
        raise CropImageError(
            "bad_nodata", "The TIFF's GDAL_NODATA tag is not a number; write it again."
        ) from None


def _gdal_items(image: Image.Image) -> list[tuple[str, str]]:
    """What GDAL says of the bands: (role, text)."""
    return _ITEM.findall(str(getattr(image, "tag_v2", {}).get(_GDAL_METADATA, "")))


def refuse_heights(image: Image.Image) -> None:
    """Raise CropImageError for a TIFF whose unit or band's name says that it holds heights."""
    items = _gdal_items(image)
    units = [text for role, text in items if role == "unittype"]
    named = not units and any(says_heights(text) for role, text in items if role == "description")
    if named or any(height_unit(unit) is not None for unit in units):
        message = "The TIFF holds heights, not brightness; send it lit (gdaldem hillshade)."
        raise CropImageError("bad_dtype", message)


def full_scale(image: Image.Image, largest: float) -> float:
    """Return the number of a 16-bit image that is white: fewer bits, if MaxSampleValue says so.

    The tag is a mere statistic where it is not the largest number of some bits.

    Args:
        image: open.
        largest: of its numbers.
    """
    stated: Any = getattr(image, "tag_v2", {}).get(_LARGEST_SAMPLE)
    values = set(stated) if isinstance(stated, tuple) else {stated}
    white = next((bits for bits in _FEWER_BITS if values == {bits}), 0)
    return float(white) if white >= largest > 0 else 65535.0


def scale_and_offset(image: Image.Image, structure: ImageStructure) -> tuple[float, float]:
    """Read GDAL's scale and offset, by which numbers become brightness; 1 and 0 without them.

    Raises:
        CropImageError: ``bad_dtype``, they are no numbers, a scale is 0, bands differ, or there is
            a palette or WhiteIsZero.
    """
    items = [item for item in _gdal_items(image) if item[0] in ("scale", "offset")]
    if not items:
        return 1.0, 0.0
    bands = len(image.getbands())
    try:
        scales, offsets = (
            [float(value) for role, value in items if role == wanted] or [plain] * bands
            for wanted, plain in (("scale", 1.0), ("offset", 0.0))
        )
    except ValueError:
        raise _bad_scale() from None
    same = len(set(scales)) == len(set(offsets)) == 1 and len(scales) == len(offsets) == bands
    finite = np.isfinite([*scales, *offsets]).all()
    if not (same and finite and scales[0]) or structure.white_is_zero or image.mode == "P":
        raise _bad_scale()
    return scales[0], offsets[0]


def _bad_scale() -> CropImageError:
    message = (
        "The TIFF's GDAL scale or offset is no number or 0, differs between bands, or stands "
        "beside a palette or WhiteIsZero; send brightness as float32."
    )
    return CropImageError("bad_dtype", message)


def is_nodata(values: npt.NDArray[Any], nodata: float | None) -> npt.NDArray[np.bool_] | None:
    """Pixels all of whose bands have the value, as float32 holds it."""
    if nodata is None or np.isnan(nodata):
        return None
    single = values.astype(np.float64)
    with np.errstate(over="ignore"):
        same = np.isclose(single, nodata, rtol=1e-6, atol=0.0)
    return np.asarray(same.all(axis=2) if same.ndim == 3 else same)
