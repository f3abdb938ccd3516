"""The part of the Moon that a mosaic shows, as a counting area."""

from pathlib import Path

import numpy as np
import rasterio
import rasterio.features
import shapely
from rasterio.errors import RasterioError

from lunar_models.degradation.areas import CountingArea, union_area
from lunar_models.degradation.outlines import place_polygon, require_lunar_crs
from lunar_models.errors import AreaError
from lunar_models.moon import MOON_RADIUS_KM

_MOST_PX = 2000


def mosaic_area(paths: tuple[str | Path, ...]) -> CountingArea:
    """Outline the pixels with data of one or more mosaics.

    A mosaic with more than 2,000 columns or rows is read coarsely, so its outline is right within
    one coarse pixel.

    Args:
        paths: rasters GDAL opens, with a lunar reference system.

    Raises:
        AreaError: a mosaic cannot be read, is not of the Moon, or has no valid pixel.
    """
    shapes = [shape for path in paths for shape in _valid_shapes(Path(path))]
    return union_area(shapes, " and ".join(Path(path).name for path in paths), overlaps=True)


def pixel_size_m(path: str | Path) -> float:
    """Side of a mosaic's pixel in metres, where its projection is true.

    Raises:
        AreaError: the mosaic cannot be read or is not of the Moon.
    """
    try:
        with rasterio.open(path) as mosaic:
            side, crs = abs(float(mosaic.transform.a)), mosaic.crs
    except RasterioError as error:
        raise AreaError(f"{path} cannot be read as a mosaic ({error}).") from error
    reference = require_lunar_crs(crs and crs.to_wkt(), Path(path))
    if reference.is_geographic:
        return float(np.radians(side)) * MOON_RADIUS_KM * 1000.0
    return side * float(reference.axis_info[0].unit_conversion_factor)


def _valid_shapes(path: Path) -> list[shapely.Geometry]:
    try:
        with rasterio.open(path) as mosaic:
            shrink = max(1.0, max(mosaic.width, mosaic.height) / _MOST_PX)
            shape = (max(1, round(mosaic.height / shrink)), max(1, round(mosaic.width / shrink)))
            mask = mosaic.dataset_mask(out_shape=shape)
            transform = mosaic.transform * rasterio.Affine.scale(
                mosaic.width / shape[1], mosaic.height / shape[0]
            )
            crs = mosaic.crs
    except RasterioError as error:
        raise AreaError(f"{path} cannot be read as a mosaic ({error}).") from error
    if not mask.any():
        raise AreaError(f"{path} has no valid pixel, so no area to count on.")
    valid = np.asarray(mask > 0, np.uint8)
    outlines = rasterio.features.shapes(valid, mask=valid > 0, transform=transform)
    reference = require_lunar_crs(crs and crs.to_wkt(), path)
    return [
        place_polygon(shapely.geometry.shape(outline), reference, str(path))
        for outline, _ in outlines
    ]
