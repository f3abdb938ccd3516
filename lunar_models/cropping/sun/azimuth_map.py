"""Look up azimuths of the Sun in a raster, or in polygons such as image footprints."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.values import read_sun_azimuths
from lunar_models.errors import CatalogueError, MosaicError
from lunar_models.moon import LUNAR_GEOGRAPHIC

COLUMN = "sun_azimuth_deg"

_VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".parquet", ".geoparquet", ".fgb")
_DEGREES, _RADIANS = ("deg", "degree", "degrees", "°"), ("rad", "radian", "radians")
"""Units of a raster, in lower case."""
_MOST_PIXELS = 1 << 28


def azimuths_from_map(path: Path, craters: pd.DataFrame) -> Float64Array:
    """Look up the Sun's azimuth at the centres of craters.

    Args:
        path: a raster of degrees clockwise from north (or of radians, if its unit says so), or
            polygons with a column ``sun_azimuth_deg``; the first that holds a crater counts.
        craters: N rows with longitude_deg and latitude_deg.

    Returns:
        (N,) degrees; NaN outside of the map and where it has no data.

    Raises:
        MosaicError: unreadable, not on the Moon, too large, or values that are no degrees.
    """
    if not path.exists():
        raise MosaicError(f"There is no map of azimuths {path}; check sun_azimuth_map.")
    look_up = _from_polygons if path.suffix.lower() in _VECTOR_SUFFIXES else _from_raster
    azimuth = look_up(path, craters)
    wrong = (azimuth < -360.0) | (azimuth > 360.0)
    if wrong.any():
        raise MosaicError(
            f"{path} holds {azimuth[wrong][0]:g}, which is no azimuth in degrees; give degrees "
            "clockwise from north."
        )
    return azimuth


def _from_raster(path: Path, craters: pd.DataFrame) -> Float64Array:
    import rasterio
    from rasterio.errors import RasterioError

    from lunar_models.mosaic.raster import Mosaic

    try:
        with rasterio.open(path) as data:
            if data.width * data.height > _MOST_PIXELS:
                raise MosaicError(
                    f"{path} has {data.width} x {data.height} pixels; azimuths need no such "
                    "detail: coarsen it with gdal_translate -r nearest -outsize 10% 10%."
                )
            _check_band(data, path)
            projection = Mosaic.open(path).projection
            values = data.read(1, masked=True).astype(np.float64).filled(np.nan)
            values = _in_degrees(values * data.scales[0] + data.offsets[0], data.units[0], path)
    except RasterioError as error:
        raise MosaicError(
            f"{path} cannot be read as a raster ({error}); check sun_azimuth_map."
        ) from error
    place = {name: craters[name].to_numpy() for name in ("longitude_deg", "latitude_deg")}
    column, row = (np.rint(p).astype(np.int64) for p in projection.to_pixels(**place))
    if not projection.pole:
        column %= max(round(projection.turn_px), 1)
    height, width = values.shape
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    azimuth = np.full(len(craters), np.nan)
    azimuth[inside] = values[row[inside], column[inside]]
    return azimuth


def _check_band(data: Any, path: Path) -> None:
    """Raise MosaicError for several bands, and for bytes that may stand for a whole turn."""
    if data.count > 1:
        raise MosaicError(
            f"{path} has {data.count} bands; keep that of azimuths: gdal_translate -b 1."
        )
    if data.dtypes[0] == "uint8" and data.scales[0] == 1.0 and not data.units[0]:
        raise MosaicError(
            f"{path} has 8 bits, which end at 255, and no unit: do they mean degrees, or 0 to 255 "
            "a whole turn? Say it: gdal_edit.py -units deg, with -scale 1.40625 for a turn."
        )


def _in_degrees(values: Float64Array, unit: str | None, path: Path) -> Float64Array:
    """Convert the azimuths of a raster to degrees by its unit.

    Raises:
        MosaicError: another unit; or none, and all values could be radians.
    """
    word = (unit or "").strip().lower()
    if word in _RADIANS:
        return np.degrees(values)
    if word and word not in _DEGREES:
        raise MosaicError(
            f"{path} has the unit {unit!r}; give azimuths in degrees or radians, and say so with "
            "gdal_edit.py -units deg."
        )
    known = np.abs(values[np.isfinite(values)])
    if not word and known.any() and known.max() <= 2.0 * np.pi + 1e-4:
        raise MosaicError(
            f"{path} holds values up to {known.max():g} and no unit: are they radians or degrees? "
            "Say it with gdal_edit.py -units rad, or -units deg."
        )
    return values


def _from_polygons(path: Path, craters: pd.DataFrame) -> Float64Array:
    import geopandas
    from pyproj.exceptions import ProjError

    try:
        reads_parquet = path.suffix.lower() in (".parquet", ".geoparquet")
        polygons = geopandas.read_parquet(path) if reads_parquet else geopandas.read_file(path)
    except Exception as error:  # each reader raises its own kinds
        raise MosaicError(
            f"{path} cannot be read as polygons ({error}); give sun_azimuth_map as a raster, or as "
            "polygons in GeoPackage, GeoJSON or GeoParquet."
        ) from error
    if COLUMN not in polygons:
        raise MosaicError(f"{path} has no column {COLUMN}; name one of {list(polygons)} so.")
    if polygons.crs is None:
        raise MosaicError(f"{path} has no reference system; give it {LUNAR_GEOGRAPHIC}.")
    azimuth = _column(polygons[COLUMN], path)
    polygons = polygons.reset_index(drop=True)
    places = geopandas.points_from_xy(craters["longitude_deg"], craters["latitude_deg"])
    try:
        points = geopandas.GeoSeries(places, crs=LUNAR_GEOGRAPHIC).to_crs(polygons.crs)
    except ProjError as error:
        raise MosaicError(
            f"{path} has the reference system {polygons.crs.name!r}, not the Moon's; give it the "
            f"right one with ogr2ogr -a_srs {LUNAR_GEOGRAPHIC}."
        ) from error
    first = np.full(len(craters), len(polygons))
    # Longitudes of polygons may run from -180 to 180, from 0 to 360, or across either end.
    for turn_deg in (0.0, 360.0, -360.0) if polygons.crs.is_geographic else (0.0,):
        turned = geopandas.points_from_xy(points.x + turn_deg, points.y, crs=polygons.crs)
        crater, polygon = polygons.sindex.query(turned, predicate="intersects")
        np.minimum.at(first, crater, polygon)
    return np.asarray(np.append(azimuth, np.nan)[first])


def _column(values: "pd.Series[Any]", path: Path) -> Float64Array:
    try:
        return read_sun_azimuths(values, str(path))
    except CatalogueError as error:
        raise MosaicError(str(error)) from error
