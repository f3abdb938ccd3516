"""Recognise a raster of heights, which unlit would be taken for a photograph, and the reverse."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

import numpy as np

from lunar_models.crops.height_terms import says_heights
from lunar_models.errors import MosaicError
from lunar_models.mosaic.brightness import Encoding
from lunar_models.mosaic.hillshade import HOW_TO_LIGHT, Sun
from lunar_models.mosaic.planetary_label import height_unit_m, label_items

_BAND_TAGS = ("long_name", "standard_name", "name", "bandname", "description", "layer_type",
              "netcdf_varname")  # fmt: skip
_LABEL_WORDS = ("NAME", "PRODUCT_SET_ID", "PRODUCT_TYPE")
_FILE_TAGS = ("title", "tifftag_imagedescription", "tifftag_documentname", "product_id")
_MOST_RATIO, _LEAST_RATIO = 2.0, -0.1
"""Floats within are reflectances, whatever the file is called."""
_THIN_PX = 256


def check_heights(data: Any, encoding: Encoding, sun: Sun | None, path: str) -> None:
    """Raise MosaicError for a raster of heights without a light, and for another one with a light.

    Args:
        data: an open rasterio dataset.
        encoding: of it.
        sun: that lights it, maybe with the unit of the heights; None for brightness.
        path: for messages.
    """
    if sun is None:
        _refuse_heights(data, encoding, path)
    else:
        _require_heights(data, encoding, sun, path)


def _refuse_heights(data: Any, encoding: Encoding, path: str) -> None:
    """Raise MosaicError for a raster whose unit, band, label or name says that it is heights.

    A unit that is no length says that it is not. What only the file is called counts where the
    values are neither 8 bits nor reflectances.
    """
    if height_unit_m(data) is not None:
        raise MosaicError(f"{path} holds heights, not brightness. {HOW_TO_LIGHT}")
    if any(data.units[band - 1] for band in encoding.bands):
        return
    found = next(_saying_heights(_band_texts(data, encoding)), None)
    if found is None and encoding.dtype != "uint8":
        found = next(_saying_heights(_file_texts(data, path)), None)
        if found is not None and _may_be_reflectance(data, encoding):
            found = None
    if found is not None:
        raise MosaicError(
            f"{path} holds heights, not brightness, as {found!r} says. {HOW_TO_LIGHT} If it is "
            f"brightness after all, state its unit: gdal_edit.py -units DN {path}."
        )


def _require_heights(data: Any, encoding: Encoding, sun: Sun, path: str) -> None:
    """Raise MosaicError for a raster that is to be lit and cannot hold heights."""
    unit_m = height_unit_m(data)
    units = [data.units[band - 1] for band in encoding.bands if data.units[band - 1]]
    if len(encoding.bands) > 1 or encoding.palette:
        doubt = "has colours"
    elif unit_m is None and units:
        doubt = f"counts in {units[0]!r}, which is no length"
    elif None not in (unit_m, sun.unit_m) and unit_m != sun.unit_m:
        doubt = f"says that a unit is {unit_m:g} m, and shade= says {sun.unit_m:g} m"
    elif encoding.eight_bit and unit_m is None and sun.unit_m is None:
        doubt = "has 8 bits and no unit, like a photograph"
    else:
        return
    raise MosaicError(
        f"{path} {doubt}, so it is not lit as heights. Leave shade= out if it is brightness; if it "
        "holds heights, correct its unit (gdal_edit.py -units m), or say it where the file does "
        "not: shade=90,65,m."
    )


def _saying_heights(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        if says_heights(text):
            yield text


def _band_texts(data: Any, encoding: Encoding) -> Iterator[str]:
    for band in encoding.bands:
        yield data.descriptions[band - 1] or ""
        for key, value in data.tags(band).items():
            if key.lower() in _BAND_TAGS:
                yield value
    for key, value in label_items(data):
        if key.upper() in _LABEL_WORDS:
            yield str(value).strip('"')


def _file_texts(data: Any, path: str) -> Iterator[str]:
    for file in (path, *data.files):
        yield PurePath(file).name
    for key, value in data.tags().items():
        if key.lower() in _FILE_TAGS:
            yield value


def _may_be_reflectance(data: Any, encoding: Encoding) -> bool:
    if not encoding.physical:
        return False
    shape = (min(data.height, _THIN_PX), min(data.width, _THIN_PX))
    bands = list(encoding.bands)
    values = encoding.to_brightness(data.read(bands, out_shape=(len(bands), *shape)))
    values = values[np.isfinite(values)]
    if not values.size:
        return True
    low, high = np.percentile(values, (1, 99))
    return bool(low >= _LEAST_RATIO and high <= _MOST_RATIO)
