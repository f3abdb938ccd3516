"""Look up azimuths of the Sun in a raster, or in polygons such as image footprints."""

from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.errors import MosaicError
from lunar_models.moon import LUNAR_GEOGRAPHIC

COLUMN = "sun_azimuth_deg"

_VECTOR_SUFFIXES = (".gpkg", ".geojson", ".json", ".shp", ".parquet", ".geoparquet", ".fgb")
_MOST_PIXELS = 1 << 28


def azimuths_from_map(path: Path, craters: pd.DataFrame) -> Float64Array:
    """Look up the Sun's azimuth at the centres of craters.

    Args:
        path: a raster of degrees clockwise from north, or polygons with a column
            ``sun_azimuth_deg``, of which the first that holds a crater counts.
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
            projection = Mosaic.open(path).projection
            values = data.read(1, masked=True).astype(np.float64).filled(np.nan)
            values = values * data.scales[0] + data.offsets[0]
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
    places = geopandas.points_from_xy(craters["longitude_deg"], craters["latitude_deg"])
    points = geopandas.GeoDataFrame(geometry=places, crs=LUNAR_GEOGRAPHIC)
    try:
        points = points.to_crs(polygons.crs)
    except ProjError as error:
        raise MosaicError(
            f"{path} has the reference system {polygons.crs.name!r}, not the Moon's; give it the "
            f"right one with ogr2ogr -a_srs {LUNAR_GEOGRAPHIC}."
        ) from error
    joined = points.sjoin(polygons[[COLUMN, polygons.geometry.name]], how="left")
    first = joined[~joined.index.duplicated()].sort_index()
    azimuth = pd.to_numeric(first[COLUMN], errors="coerce")
    return np.asarray(azimuth, np.float64)
