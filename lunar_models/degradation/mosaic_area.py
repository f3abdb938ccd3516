"""Compute the counting area that mosaics cover."""

from collections.abc import Sequence

import numpy as np
import rasterio.features
import shapely
from shapely.geometry.base import BaseGeometry

from lunar_models.arrays import Float64Array
from lunar_models.degradation import sphere_polygons as sphere
from lunar_models.degradation.areas import CountingArea, union_area
from lunar_models.degradation.outlines import divide
from lunar_models.degradation.sphere_polygons import RingError
from lunar_models.errors import AreaError
from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.mosaic.raster import Mosaic

_MOST_PX = 2000


def mosaic_area(mosaics: Sequence[Mosaic]) -> CountingArea:
    """Outline the pixels with data of one or more mosaics.

    A mosaic with more than 2,000 columns or rows is read coarsely, so its outline is right within
    one coarse pixel.

    Raises:
        AreaError: a mosaic has no valid pixel.
        MosaicError: a file cannot be read.
    """
    shapes = [shape for mosaic in mosaics for shape in _valid_shapes(mosaic)]
    names = [mosaic.path.rsplit("/", 1)[-1] for mosaic in mosaics]
    return union_area(shapes, " and ".join(names), overlaps=True)


def pixel_size_m(mosaic: Mosaic) -> float:
    """Side of a mosaic's pixel in metres, where its projection is true."""
    latitude = 90.0 * mosaic.projection.pole
    return MOON_RADIUS_KM * 1000.0 / float(mosaic.projection.scale_px(latitude)[1])


def _valid_shapes(mosaic: Mosaic) -> list[BaseGeometry]:
    shrink = max(1.0, max(mosaic.width, mosaic.height) / _MOST_PX)
    rows, columns = (max(1, round(side / shrink)) for side in (mosaic.height, mosaic.width))
    valid = ~np.isnan(mosaic.thin((rows, columns)))
    if not valid.any():
        raise AreaError(f"{mosaic.path} has no valid pixel, so no area to count on.")
    scale = np.array([mosaic.width / columns, mosaic.height / rows])
    outlines = rasterio.features.shapes(valid.astype(np.uint8), mask=valid)
    return [_place(mosaic, shapely.geometry.shape(outline), scale) for outline, _ in outlines]


def _place(mosaic: Mosaic, outline: shapely.Polygon, scale: Float64Array) -> BaseGeometry:
    """An outline in coarse pixels on the equal-area cylinder."""
    x, y = mosaic.projection.to_pixels(
        longitude_deg=0.0, latitude_deg=90.0 * mosaic.projection.pole
    )
    pole = np.array([float(x) + 0.5, float(y) + 0.5])
    shell, *holes = (
        _ring(mosaic, np.asarray(ring.coords) * scale, pole)
        for ring in (outline.exterior, *outline.interiors)
    )
    return shapely.difference(shell, shapely.union_all(holes))


def _ring(mosaic: Mosaic, corners: Float64Array, pole: Float64Array) -> BaseGeometry:
    kind = mosaic.projection.pole
    step = float(mosaic.projection.scale_px(90.0 * kind)[1]) * np.radians(sphere.STEP_DEG)
    column, row = divide(corners, step).T - 0.5  # from corners to centres of pixels
    longitude, latitude = mosaic.projection.to_degrees(column_px=column, row_px=row)
    inside = bool(kind) and bool(shapely.contains_xy(shapely.Polygon(corners), *pole))
    try:
        return sphere.region(longitude, np.clip(latitude, -90, 90), pole=kind if inside else None)
    except RingError as error:
        raise AreaError(
            f"The valid pixels of {mosaic.path} have an outline that {error}."
        ) from error
