"""Write the shapefile pair of CraterTools and OpenCraterTool.

Kneissl, van Gasselt & Neukum (2011, doi 10.1016/j.pss.2010.03.015); Heyer et al. (2023, doi
10.1016/j.pss.2023.105687). ``CRATER_name`` has a circle per crater and the fields Diam_km, x_coord,
y_coord and tag; ``AREA_name`` the polygons of the counting area with its area (km²) and area_name.
CraterStats reads the pair, too.
"""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from lunar_models.degradation import sphere_polygons as sphere
from lunar_models.degradation.areas import CountingArea
from lunar_models.degradation.sphere_rings import joined, quarters, sphere_rings
from lunar_models.moon import LUNAR_GEOGRAPHIC, MOON_RADIUS_KM

_VERTICES = 72
_WIDEST_DEG = 300.0


def write_shapefiles(
    folder: Path, name: str, craters: pd.DataFrame, area: CountingArea
) -> tuple[Path, Path]:
    """Write ``CRATER_<name>.shp`` and ``AREA_<name>.shp``.

    Args:
        folder: where.
        name: of the pair, without blanks.
        craters: longitude_deg, latitude_deg and diameter_km; state where known.
        area: the counting area.

    Returns:
        The two files.
    """
    columns = {
        "Diam_km": craters["diameter_km"].to_numpy(),
        "x_coord": craters["longitude_deg"].to_numpy(),
        "y_coord": craters["latitude_deg"].to_numpy(),
        "tag": "standard",
    }
    if "state" in craters:
        columns["state"] = craters["state"].fillna(0).astype("int32").to_numpy()
    crs = _crs(area)
    rims = gpd.GeoDataFrame(columns, geometry=_rims(craters), crs=LUNAR_GEOGRAPHIC).to_crs(crs)
    pieces = _pieces(area, crs)
    outlines = gpd.GeoDataFrame(
        {"area": area.area_km2, "area_name": [f"Area_{n + 1}" for n in range(len(pieces))]},
        geometry=pieces,
        crs=crs,
    )
    files = folder / f"CRATER_{name}.shp", folder / f"AREA_{name}.shp"
    for file, frame in zip(files, (rims, outlines), strict=True):
        frame.to_file(file, driver="ESRI Shapefile")
    return files


def area_polygons(area: CountingArea) -> shapely.Geometry:
    """Return the area in degrees of longitude and latitude, cut at ±180°."""
    return _in_degrees(area.shape)


def _in_degrees(shape: shapely.Geometry) -> shapely.Geometry:
    return shapely.transform(
        shape,
        lambda p: np.column_stack((p[:, 0], np.degrees(np.arcsin(np.clip(p[:, 1], -1, 1))))),
    )


def _crs(area: CountingArea) -> str:
    """Polar stereographic where the area holds a pole, which no ring of degrees goes around."""
    _, south, _, north = area.shape.bounds
    if north >= 1 - 1e-12 and south > 0:
        return "IAU_2015:30130"
    if south <= -1 + 1e-12 and north < 0:
        return "IAU_2015:30135"
    return LUNAR_GEOGRAPHIC


def _pieces(area: CountingArea, crs: str) -> list[shapely.Geometry]:
    """Polygons without common edges, which readers that work on the sphere refuse."""
    if crs != LUNAR_GEOGRAPHIC:
        rings = sphere_rings(area.shape)
        planes = gpd.GeoSeries([shapely.Polygon(ring) for _, ring in rings], crs=LUNAR_GEOGRAPHIC)
        plane = list(zip([outer for outer, _ in rings], planes.to_crs(crs), strict=True))
        solid = shapely.union_all([p for outer, p in plane if outer])
        holes = shapely.union_all([p for outer, p in plane if not outer])
        return list(shapely.get_parts(shapely.difference(solid, holes)))
    shape = joined(area.shape)
    west, _, east, _ = shape.bounds
    parts = shapely.get_parts(shape) if east - west < _WIDEST_DEG else quarters(area.shape)
    return [_in_degrees(part) for part in parts]


def _rims(craters: pd.DataFrame) -> list[shapely.Polygon]:
    """Circles in degrees; across ±180° longitudes run on, so that each is one ring."""
    turn = 2 * np.pi / _VERTICES
    # Slightly wider than inscribed, so that the polygon has the area of the circle.
    scale = 0.5 / MOON_RADIUS_KM / np.sqrt(np.sin(turn) / turn)
    bearing = np.asarray(-np.arange(_VERTICES + 1) % _VERTICES * turn, np.float64)
    rims = []
    for x, y, d in zip(
        craters["longitude_deg"], craters["latitude_deg"], craters["diameter_km"], strict=True
    ):
        longitude, latitude = sphere.destination(x, y, d * scale, bearing)
        longitude = sphere.unwrap(longitude)
        longitude += 360.0 * np.round((x - longitude.mean()) / 360.0)
        rims.append(shapely.Polygon(np.column_stack((longitude, latitude))))
    return rims
