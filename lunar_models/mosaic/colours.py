"""Doubt mosaics whose colours stand for another quantity than brightness."""

import numpy as np

from lunar_models.crops.colour_codes import COLOUR_CODE, is_colour_code
from lunar_models.mosaic.gdal import gdal_environment, open_raster
from lunar_models.mosaic.raster import Mosaic

_THIN = (256, 256)


def colour_doubt(mosaic: Mosaic) -> str | None:
    """Return a warning if the colours or the palette of a mosaic look like a code; else None."""
    encoding = mosaic.encoding
    if len(encoding.bands) < 3 and not encoding.palette:
        return None
    shape = (min(mosaic.height, _THIN[0]), min(mosaic.width, _THIN[1]))
    bands = list(encoding.bands)
    with gdal_environment(mosaic.path), open_raster(mosaic.path) as data:
        values = data.read(bands, out_shape=(len(bands), *shape))
        palette = data.colormap(bands[0]) if encoding.palette else {}
    values = values[:, np.isfinite(mosaic.thin(shape))]
    if palette:
        table = np.zeros((max(palette) + 1, 3))
        for index, colour in palette.items():
            table[index] = colour[:3]
        values = table[values[0]].T
    if not is_colour_code(values):
        return None
    return f"the colours of {mosaic.path}: {COLOUR_CODE}; use a mosaic of grey"
