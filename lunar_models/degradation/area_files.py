"""Read counting areas from files: GeoPackage, GeoJSON, shapefile, CraterStats ``.scc``."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from shapely.geometry.base import BaseGeometry

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.craterstats import CraterCount, read_craterstats
from lunar_models.degradation.areas import CountingArea, only_polygons, union_area
from lunar_models.degradation.outlines import (
    GEOGRAPHIC,
    place_polygon,
    place_ring,
    require_lunar_crs,
)
from lunar_models.errors import AreaError

MOST_BYTES = 2**30
MOST_VERTICES = 2_000_000
_STATED_TOLERANCE = 0.01


def read_area(path: str | Path, *, crs: str | None = None) -> CountingArea:
    """Read a counting area: all polygons of a file together.

    Args:
        path: GeoPackage, GeoJSON, shapefile, or any other vector file GDAL opens; or the ``.scc``
            of CraterStats, whose outline is taken.
        crs: the reference system, where the file has none or a wrong one.

    Returns:
        The union of its polygons; overlaps count once and are noted.

    Raises:
        AreaError: no file, nothing in it, not polygons, not the Moon, coordinates that are no
            longitudes and latitudes, a ring that crosses itself, or more than `MOST_VERTICES`.
            Names the feature.
    """
    path = Path(path)
    if not path.is_file():
        raise AreaError(f"There is no polygon file {path}; check the path.")
    if path.suffix.lower() == ".scc":
        return scc_area(read_craterstats(path))
    frame = _read_frame(path)
    lunar_crs = require_lunar_crs(frame.crs if crs is None else crs, path)
    shapes = [
        place_polygon(geometry, lunar_crs, f"{path}, feature {number}")
        for number, geometry in enumerate(frame.geometry, start=1)
    ]
    return union_area(shapes, path.name)


def scc_area(count: CraterCount) -> CountingArea:
    """Read the outline in a CraterStats file; rings tagged ``int`` are holes.

    Raises:
        AreaError: it has none, or the count is of another body.
    """
    boundary = count.boundary
    if boundary.empty:
        raise AreaError(f"{count.path} has no unit_boundary table; give the area as polygons.")
    try:
        count.require_moon()
    except ValueError as error:
        raise AreaError(str(error)) from error
    shape: BaseGeometry = shapely.Polygon()
    # In the order of the file: an outer ring inside a hole fills it again.
    for number, ring in boundary.groupby("sub_area", sort=True):
        where = f"{count.path}, sub-area {number}"
        piece = place_ring(
            _closed(ring[["longitude_deg", "latitude_deg"]].to_numpy()), GEOGRAPHIC, where
        )
        hole = ring["tag"].iloc[0] == "int"
        shape = shapely.difference(shape, piece) if hole else shapely.union(shape, piece)
    if shape.is_empty:
        raise AreaError(f"{count.path} has an outline without area; correct its unit_boundary.")
    area = CountingArea(only_polygons(shape), count.path.name)
    stated = count.area_km2
    if stated is None or abs(stated / area.area_km2 - 1.0) < _STATED_TOLERANCE:
        return area
    note = (
        f"{count.path.name} states an area of {stated:,.6g} km², but its outline holds "
        f"{area.area_km2:,.6g} km²; the outline is used."
    )
    return CountingArea(area.shape, area.source, (note,))


def _read_frame(path: Path) -> gpd.GeoDataFrame:
    if path.stat().st_size > MOST_BYTES:
        raise AreaError(f"{path} has more than {MOST_BYTES:,} bytes; simplify its polygons.")
    try:
        frame = gpd.read_file(path, engine="pyogrio", layer=_layer(path))
    except AreaError:
        raise
    except Exception as error:  # each driver raises its own kinds
        raise AreaError(
            f"{path} cannot be read as polygons ({error}). Give a GeoPackage, GeoJSON or shapefile."
        ) from error
    if not isinstance(frame, gpd.GeoDataFrame) or frame.empty:
        raise AreaError(f"{path} has no features; draw at least one polygon.")
    blank = frame.geometry.isna() | frame.geometry.is_empty
    if blank.any():
        raise AreaError(
            f"{path}, feature {int(blank.to_numpy().argmax()) + 1} has an empty geometry; "
            "delete it or draw its polygon."
        )
    other = ~frame.geom_type.isin(["Polygon", "MultiPolygon"])
    if other.any():
        row = int(other.to_numpy().argmax())
        raise AreaError(
            f"{path}, feature {row + 1} is a {frame.geom_type.iloc[row]}, not a polygon; "
            "give the outline of the counting area as polygons."
        )
    vertices = int(shapely.get_num_coordinates(frame.geometry.to_numpy()).sum())
    if vertices > MOST_VERTICES:
        raise AreaError(
            f"{path} has {vertices:,} vertices, more than the {MOST_VERTICES:,} that are read; "
            "simplify its polygons."
        )
    return frame


def _layer(path: Path) -> str:
    """The layer with polygons; the first if none has any, so that what it holds is named.

    Raises:
        AreaError: several layers may hold the area.
    """
    kinds = {str(name): str(kind) for name, kind in pyogrio.list_layers(path) if kind is not None}
    # "Unknown" is a layer of mixed kinds.
    polygons = [n for n, kind in kinds.items() if "Polygon" in kind or kind == "Unknown"]
    if len(polygons) > 1:
        raise AreaError(
            f"{path} has several layers of polygons ({', '.join(polygons[:6])}); export the one "
            f"that is meant: ogr2ogr OUT.gpkg {path.name} {polygons[0]}."
        )
    return next(iter(polygons or kinds or [str(pyogrio.list_layers(path)[0][0])]))


def _closed(vertices: Float64Array) -> Float64Array:
    return (
        vertices if np.allclose(vertices[0], vertices[-1]) else np.vstack((vertices, vertices[:1]))
    )
