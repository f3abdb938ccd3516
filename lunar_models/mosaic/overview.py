"""Read a decimated overview of a mosaic in longitude and latitude, for maps."""

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.mosaic.raster import Mosaic

_COARSE = (2048, 4096)
"""Rows and columns that are read of a larger mosaic."""


def read_overview(
    mosaic: Mosaic, *, width_px: int = 2000
) -> tuple[npt.NDArray[np.uint8], tuple[float, float, float, float]]:
    """Read a decimated mosaic without reading all of it.

    GDAL takes the mosaic's own overviews where there are any, else every n-th pixel.

    Args:
        mosaic: an open mosaic.
        width_px: columns of the result; the rows follow from the mosaic's extent.

    Returns:
        (H, W) uint8, north up, stretched between the 0.5 and 99.5 % brightness, 0 without data;
        and its west, east, south and north edge in degrees.

    Raises:
        MosaicError: the file cannot be read.
    """
    west, east, south, north = extent_deg(mosaic)
    height_px = max(1, round(width_px * (north - south) / (east - west)))
    longitude = west + (np.arange(width_px) + 0.5) * (east - west) / width_px
    latitude = north - (np.arange(height_px) + 0.5) * (north - south) / height_px
    column, row = mosaic.projection.to_pixels(
        longitude_deg=longitude[None, :], latitude_deg=latitude[:, None]
    )
    if not mosaic.projection.pole:
        column = (column + 0.5) % mosaic.projection.turn_px - 0.5
    coarse = mosaic.thin((min(mosaic.height, _COARSE[0]), min(mosaic.width, _COARSE[1])))
    inside = (column >= -0.5) & (column < mosaic.width - 0.5)
    inside = inside & (row >= -0.5) & (row < mosaic.height - 0.5)
    j = ((np.where(inside, row, 0.0) + 0.5) * coarse.shape[0] / mosaic.height).astype(np.int64)
    i = ((np.where(inside, column, 0.0) + 0.5) * coarse.shape[1] / mosaic.width).astype(np.int64)
    return _stretch(np.where(inside, coarse[j, i], np.nan)), (west, east, south, north)


def extent_deg(mosaic: Mosaic) -> tuple[float, float, float, float]:
    """West, east, south and north edge; west in [-180, 180), east beyond 180 across that meridian.

    A polar mosaic goes all around, to the latitude of its corners.
    """
    edges = [np.linspace(-0.5, n - 0.5, 65) for n in (mosaic.width, mosaic.height)]
    columns, rows = np.meshgrid(*edges)
    longitude, latitude = mosaic.projection.to_degrees(column_px=columns, row_px=rows)
    south, north = float(latitude.min()), float(latitude.max())
    if mosaic.wraps or mosaic.projection.pole:
        pole = mosaic.projection.pole
        return -180.0, 180.0, -90.0 if pole < 0 else south, 90.0 if pole > 0 else north
    span = mosaic.width * 360.0 / mosaic.projection.turn_px
    west = float(longitude[0, 0] if mosaic.projection.kx > 0 else longitude[0, -1])
    return west, west + span, south, north


def _stretch(values: Float64Array) -> npt.NDArray[np.uint8]:
    valid = values[np.isfinite(values)]
    if valid.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(valid, (0.5, 99.5))
    scaled = (np.nan_to_num(values, nan=low, posinf=high) - low) * (255.0 / max(high - low, 1e-30))
    stretched: npt.NDArray[np.uint8] = scaled.clip(0, 255).astype(np.uint8)
    return stretched
