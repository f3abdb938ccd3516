"""A small picture of a whole mosaic in plain longitude and latitude, for maps."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds

from lunar_models.errors import MosaicError
from lunar_models.moon import LUNAR_GEOGRAPHIC


def read_overview(
    path: str | Path, *, width_px: int = 2000
) -> tuple[npt.NDArray[np.uint8], tuple[float, float, float, float]]:
    """Read a decimated mosaic without reading all of it.

    GDAL takes the mosaic's own overviews where there are any, else every n-th pixel.

    Args:
        path: any mosaic rasterio opens.
        width_px: columns of the result; the rows follow from the mosaic's extent.

    Returns:
        (H, W) uint8, north up, stretched between the 0.5 and 99.5 % brightness; and its west,
        east, south and north edge in degrees.

    Raises:
        MosaicError: unreadable, or without a coordinate reference system.
    """
    try:
        with rasterio.open(path) as mosaic:
            if mosaic.crs is None:
                raise MosaicError(f"{path} has no coordinate reference system; assign a lunar one.")
            west, south, east, north = transform_bounds(
                mosaic.crs, CRS.from_user_input(LUNAR_GEOGRAPHIC), *mosaic.bounds
            )
            height_px = max(1, math.ceil(width_px * (north - south) / (east - west)))
            grid = rasterio.transform.from_bounds(west, south, east, north, width_px, height_px)
            with WarpedVRT(
                mosaic,
                crs=CRS.from_user_input(LUNAR_GEOGRAPHIC),
                transform=grid,
                width=width_px,
                height=height_px,
                resampling=Resampling.bilinear,
            ) as view:
                values = view.read(1, masked=True)
    except RasterioError as error:
        raise MosaicError(f"{path} cannot be read as a mosaic: {error}.") from error
    return _stretch(values), (west, east, south, north)


def _stretch(values: Any) -> npt.NDArray[np.uint8]:
    valid = values.compressed()
    if valid.size == 0:
        return np.zeros(values.shape, np.uint8)
    low, high = np.percentile(valid, (0.5, 99.5))
    scaled = (values.filled(low).astype(np.float32) - low) * (255.0 / max(high - low, 1e-6))
    stretched: npt.NDArray[np.uint8] = scaled.clip(0, 255).astype(np.uint8)
    return stretched
