"""Read from a raster's metadata how its stored values become brightness, as an `Encoding`."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import ColorInterp

from lunar_models.crops.luminance import LUMINANCE_WEIGHTS
from lunar_models.errors import MosaicError
from lunar_models.mosaic.bands import choose_bands
from lunar_models.mosaic.brightness import LARGEST, Encoding, grey_palette
from lunar_models.mosaic.masks import has_mask
from lunar_models.mosaic.pds3_storage import bits_in_use, check_storage
from lunar_models.mosaic.planetary_label import special_constants, valid_limits
from lunar_models.mosaic.upright import is_upright

ISIS_VALID: dict[str, tuple[float, float]] = {
    "uint8": (1.0, 254.0),
    "int16": (-32752.0, 32767.0),
    "uint16": (3.0, 65522.0),
    "int32": (-8388614.0, 2147483647.0),
    "uint32": (3.0, 4294967282.0),
    "float32": (-LARGEST, LARGEST),
    "float64": (-LARGEST, LARGEST),
}
"""Stored values that are brightness in ISIS cubes, by type (ISIS ``SpecialPixel.h``)."""

ISIS_NULL_INT16 = -32768.0

ISIS_SATURATED: dict[str, tuple[float, float]] = {
    "uint8": (255.0, 255.0),
    "int16": (-32765.0, -32764.0),
    "uint16": (65523.0, 65535.0),
    "int32": (-8388610.0, -8388609.0),
    "uint32": (4294967283.0, 4294967295.0),
    "float32": (-3.4028235e38, -3.4028232e38),
    "float64": (-1.7976931348623157e308, -1.7976931348623155e308),
}
"""HIS and HRS of each type: instrument and representation saturated high."""


def read_encoding(data: Any, band: int | None, name: str) -> Encoding:
    """Find out how a raster's values become brightness.

    Args:
        data: an open rasterio dataset.
        band: 1-based; None where the raster has one, or red, green and blue.
        name: how error messages call the raster.

    Raises:
        MosaicError: no such band, several without saying which, bands of several types, values
            that are no real numbers, CIELAB colours, or an orientation tag, which GDAL ignores and
            other programs honour.
    """
    _require_upright(data, name)
    if data.tags(ns="IMAGE_STRUCTURE").get("SOURCE_COLOR_SPACE") == "CIELAB":
        raise MosaicError(
            f"{name} has CIELAB colours, of which programs make different greys; save it as grey "
            "or RGB."
        )
    bands = choose_bands(data, band, name)
    dtype = _dtype_of(data, bands, name)
    bits = int(data.tags(bands[0], ns="IMAGE_STRUCTURE").get("NBITS", np.dtype(dtype).itemsize * 8))
    scales, offsets = _scaling(data, bands, dtype, bits, name)
    check_storage(data, name)
    empty, bright = special_constants(data, dtype)
    special = _special_pixels(data, dtype)
    stated = data.driver == "PDS" and empty  # GDAL reads 16#8000# as 16
    opaque = [n for n, kind in enumerate(data.colorinterp, 1) if kind == ColorInterp.alpha]
    if len(opaque) > 1:
        raise MosaicError(
            f"{name} has {len(opaque)} bands of opacity ({', '.join(map(str, opaque))}); keep "
            "one: gdal_translate -b."
        )
    return Encoding(
        dtype=dtype,
        bands=bands,
        weights=LUMINANCE_WEIGHTS if len(bands) == 3 else (1.0,),
        scales=scales,
        offsets=offsets,
        nodata=tuple(None if stated else data.nodatavals[b - 1] for b in bands),
        valid_range=special[0],
        bright_range=special[1],
        empty=empty,
        bright=bright,
        palette=_palette(data, bands[0]),
        masked=has_mask(data, bands[0]),
        alpha=opaque[0] if opaque else 0,
        bits=bits,
    )


def _dtype_of(data: Any, bands: tuple[int, ...], name: str) -> str:
    """Return the type of the bands' values: one for all, and of real numbers."""
    dtypes = {data.dtypes[b - 1] for b in bands}
    if len(dtypes) > 1:
        raise MosaicError(
            f"{name} has bands of several types ({', '.join(sorted(dtypes))}); say which one is "
            "brightness, such as band=1."
        )
    dtype: str = dtypes.pop()
    if "complex" in dtype or np.dtype(dtype).kind not in "iuf":
        raise MosaicError(
            f"{name} holds {dtype} values; convert it to real ones with gdal_translate -ot Float32."
        )
    return dtype


def _scaling(
    data: Any, bands: tuple[int, ...], dtype: str, bits: int, name: str
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return scale and offset of each band; they turn a grey whose smallest value is white."""
    scales, offsets = ([factors[b - 1] for b in bands] for factors in (data.scales, data.offsets))
    _require_scale(scales, offsets, name)
    if data.tags(ns="IMAGE_STRUCTURE").get("MINISWHITE") == "YES":
        _require_unsigned(dtype, name)
        offsets = [s * (2.0**bits - 1.0) + o for s, o in zip(scales, offsets, strict=True)]
        scales = [-scale for scale in scales]
    return tuple(scales), tuple(offsets)


def _require_scale(scales: list[float], offsets: list[float], name: str) -> None:
    if not np.isfinite([*scales, *offsets]).all() or 0.0 in scales:
        raise MosaicError(
            f"{name} states the scale {scales} and the offset {offsets}, by which no brightness "
            "can be computed; correct them with gdal_edit.py -scale -offset."
        )


def _require_unsigned(dtype: str, name: str) -> None:
    if np.dtype(dtype).kind != "u":
        raise MosaicError(
            f"{name} holds {dtype} values and calls the smallest white (MinIsWhite), which may "
            "mean two things; write it again with its own grey: gdal_translate -co "
            "PHOTOMETRIC=MINISBLACK."
        )


def _require_upright(data: Any, name: str) -> None:
    if not is_upright(data):
        raise MosaicError(
            f"{name} is stored turned or mirrored (EXIF orientation, or that of TIFF), so it "
            "is unclear how its pixels are counted; save it upright (ImageMagick: mogrify "
            "-auto-orient)."
        )


def is_lossy(data: Any) -> bool:
    """Return whether a raster is compressed with losses, as far as GDAL says."""
    structure = data.tags(ns="IMAGE_STRUCTURE")
    return "JPEG" in structure.get("COMPRESSION", "").replace("JPEG2000", "") or structure.get(
        "COMPRESSION_REVERSIBILITY", ""
    ).startswith("LOSSY")


def _palette(data: Any, band: int) -> tuple[float, ...]:
    if data.colorinterp[band - 1] != ColorInterp.palette:
        return ()
    return grey_palette(data.colormap(band))


def require_palette(encoding: Encoding, values: npt.NDArray[Any], name: str) -> None:
    """Raise MosaicError for stored values (B, H, W) that have data but no entry in the palette."""
    value = encoding.outside_palette(values)
    if value is not None:
        raise MosaicError(
            f"{name} has pixels of value {value}, but its palette has only "
            f"{len(encoding.palette)} entries; save it as grey."
        )


def _special_pixels(data: Any, dtype: str) -> tuple[tuple[float, float], tuple[float, float]]:
    """Range of valid values, and of those that mean saturation."""
    nothing = (math.inf, -math.inf)
    used = bits_in_use(data)
    if used is not None and np.dtype(dtype).kind == "u" and used < 8 * np.dtype(dtype).itemsize:
        return (-math.inf, 2.0**used - 1.0), nothing  # more is a flag in the upper bits
    valid, bright = (-math.inf, math.inf), nothing
    cube = data.driver in ("ISIS3", "ISIS2") or (data.driver == "VRT" and _made_of_cubes(data))
    if cube or (dtype == "int16" and data.nodatavals[0] == ISIS_NULL_INT16):
        valid, bright = ISIS_VALID.get(dtype, valid), ISIS_SATURATED.get(dtype, nothing)
    elif np.dtype(dtype).kind == "f":  # converted from ISIS or PDS, or an undeclared fill value
        valid = ISIS_VALID[dtype]
        bright = ISIS_SATURATED[dtype] if data.driver == "PDS" else nothing
    low, high = valid_limits(data, dtype)
    return (max(low, valid[0]), min(high, valid[1])), bright


def _made_of_cubes(data: Any) -> bool:
    return any(str(file).lower().endswith(".cub") for file in data.files)
