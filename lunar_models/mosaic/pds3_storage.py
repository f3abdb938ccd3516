"""Check that GDAL reads the numbers of a PDS3 product as its label means them.

Planetary Data System Standards Reference 3.8, appendix C (sample types) and A.20 (IMAGE).
"""

import re
from typing import Any

import numpy as np

from lunar_models.errors import MosaicError
from lunar_models.mosaic.planetary_label import label_items, listed

_BIG, _LITTLE = ("", "MSB_", "SUN_", "MAC_"), ("LSB_", "PC_", "VAX_")
_SIGNS = ("", "SIGNED_", "UNSIGNED_")
_READ_RIGHT = {
    8: {f"{order}UNSIGNED_INTEGER" for order in (*_BIG, *_LITTLE)},
    16: {f"{order}{sign}INTEGER" for order in (*_BIG, "LSB_") for sign in _SIGNS}
    - {"UNSIGNED_INTEGER"} | {"PC_INTEGER", "VAX_INTEGER"},
    32: {"REAL", "FLOAT", "IEEE_REAL", "SUN_REAL", "MAC_REAL", "PC_REAL"},
}  # fmt: skip
_READ_RIGHT[64] = _READ_RIGHT[32]
"""By bits, the sample types that GDAL's PDS driver reads as the standard means them: it takes
integers of 32 bits for floats, VAX floats for IEEE's, signed bytes for unsigned ones, and some
orders of bytes the wrong way."""
_BYTES_UNSIGNED_NEVERTHELESS = ("LROC",)
"""Instruments whose labels call unsigned bytes plain integers (LROC EDR SIS, 8-bit DN 0 to 255)."""

_STORAGE = ("BANDSEQUENTIAL", "BAND_SEQUENTIAL", "BAND SEQUENTIAL", "LINE_INTERLEAVED")
"""Orders of several bands that GDAL knows by these names; it takes all others for sequential."""
_UPRIGHT = {"LINE_DISPLAY_DIRECTION": "DOWN", "SAMPLE_DISPLAY_DIRECTION": "RIGHT"}


def check_storage(data: Any, name: str) -> None:
    """Make sure that GDAL reads each number of a PDS3 product as its label means it.

    Raises:
        MosaicError: a sample type, an order of bands, bytes at the end of lines or a direction of
            display that GDAL ignores.
    """
    if data.driver != "PDS":
        return
    items = {key.upper(): value for key, value in reversed(list(label_items(data)))}
    _check_sample_type(data, items, name)
    storage = _word(items, "BAND_STORAGE_TYPE")
    if data.count > 1 and storage and storage not in _STORAGE:
        raise MosaicError(
            f"{name} keeps its {data.count} bands in the order {storage}, which GDAL misreads; "
            "convert it first (ISIS: pds2isis)."
        )
    suffix = _word(items, "LINE_SUFFIX_BYTES")
    if suffix not in ("", "0"):
        raise MosaicError(
            f"{name} has {suffix} bytes behind each line (LINE_SUFFIX_BYTES), which GDAL takes for "
            "pixels; convert it first (ISIS: pds2isis)."
        )
    for key, usual in _UPRIGHT.items():
        if (direction := _word(items, key)) not in ("", usual):
            raise MosaicError(
                f"{name} is stored with {key} = {direction}, which GDAL ignores, so it would be "
                "upside down or mirrored; bring it upright first (ISIS: pds2isis, flip, mirror)."
            )


def _word(items: dict[str, Any], key: str) -> str:
    return str(listed(items.get(key, ""))[0]).strip('"').upper()


def _check_sample_type(data: Any, items: dict[str, Any], name: str) -> None:
    kind = _word(items, "SAMPLE_TYPE") or _word(items, "CORE_ITEM_TYPE")
    bits = 8 * np.dtype(data.dtypes[0]).itemsize
    if not kind or kind in _READ_RIGHT.get(bits, ()):
        return
    if bits == 8 and kind.endswith("INTEGER"):
        if _word(items, "INSTRUMENT_ID") in _BYTES_UNSIGNED_NEVERTHELESS:
            return
        raise MosaicError(
            f"{name} has bytes of the type {kind}: signed (-128 to 127) by the PDS3 standard, but "
            "some producers mean 0 to 255. If they do, say UNSIGNED_INTEGER in a copy of the "
            "label; else convert them (ISIS: pds2isis, then cubeatt to=OUT.cub+Real)."
        )
    raise MosaicError(
        f"{name} has numbers of the type {kind}, {bits} bits, which GDAL misreads; convert "
        "them first (ISIS: pds2isis, then cubeatt to=OUT.cub+Real)."
    )


def bits_in_use(data: Any) -> int | None:
    """Return how many low bits of a PDS3 product hold brightness, where the label says so.

    Raises:
        MosaicError: they are not the lowest ones.
    """
    if data.driver != "PDS":
        return None
    masks = [str(value).strip('"') for key, value in label_items(data) if key == "SAMPLE_BIT_MASK"]
    if not masks or not re.fullmatch(r"2#[01]+#", masks[0]):
        return None
    if not re.fullmatch(r"2#0*1+#", masks[0]):
        raise MosaicError(
            f"{data.name} keeps brightness in some bits only (SAMPLE_BIT_MASK = {masks[0]}); shift "
            "it to the lowest bits first."
        )
    return masks[0].count("1", 2)
