"""Project the outlines of a file to the equal-area cylinder of `sphere_polygons`.

An edge is straight in the reference system of its file, as a GIS draws it, and is divided before
it is transformed. In degrees an edge across ±180° may be written from 175 to -175.
"""

from functools import lru_cache
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from lunar_models.arrays import Float64Array
from lunar_models.degradation import sphere_polygons as sphere
from lunar_models.degradation.sphere_polygons import RingError
from lunar_models.errors import AreaError
from lunar_models.moon import MOON_RADIUS_KM, MOON_RADIUS_M

GEOGRAPHIC = CRS(f"+proj=longlat +R={MOON_RADIUS_M} +no_defs")
"""Longitude and latitude on the sphere."""

_RADIUS_TOLERANCE_KM = 5.0
_MOST_VERTICES = 2_000_000
_ACROSS_DEG = 60.0
_REMEDY = "Give it a lunar one, such as IAU_2015:30100, or name the right one with area_crs."


def require_lunar_crs(crs: object, path: Path) -> CRS:
    """Return the reference system, if it is of the Moon.

    Raises:
        AreaError: it is missing, unreadable, or of another body.
    """
    if crs is None:
        raise AreaError(f"{path} has no coordinate reference system. {_REMEDY}")
    try:
        reference = CRS.from_user_input(crs)
    except CRSError as error:
        raise AreaError(
            f"{path} has the reference system {crs!r}, which is not one. {_REMEDY}"
        ) from error
    ellipsoid = reference.ellipsoid
    radius = ellipsoid.semi_major_metre / 1000.0 if ellipsoid else np.nan
    if not abs(radius - MOON_RADIUS_KM) <= _RADIUS_TOLERANCE_KM:
        raise AreaError(
            f"{path} has the reference system {reference.name!r} on a body of {radius:,.1f} km "
            f"radius; the Moon's is {MOON_RADIUS_KM} km. (GeoJSON without a crs member is on the "
            f"Earth.) {_REMEDY}"
        )
    return reference


def place_polygon(geometry: BaseGeometry, reference: CRS, where: str) -> BaseGeometry:
    """Bring a (multi)polygon to the equal-area cylinder.

    Args:
        geometry: in the units of `reference`.
        reference: geographic or projected.
        where: how errors call it.

    Raises:
        AreaError: it bounds no region, or lies outside the Moon.
    """
    parts = []
    for polygon in getattr(geometry, "geoms", [geometry]):
        if not polygon.is_valid and reference.is_projected:
            raise AreaError(f"{where} {_fault(polygon)}; correct the outline.")
        shell = place_ring(np.asarray(polygon.exterior.coords)[:, :2], reference, where)
        holes = [
            place_ring(np.asarray(ring.coords)[:, :2], reference, f"{where}, hole")
            for ring in polygon.interiors
        ]
        if any(not shapely.covers(shapely.buffer(shell, 1e-7), hole) for hole in holes):
            raise AreaError(f"{where} has a hole that is not inside it; correct the outline.")
        parts.append(shapely.difference(shell, shapely.union_all(holes)))
    return shapely.union_all(parts)


def place_ring(vertices: Float64Array, reference: CRS, where: str) -> BaseGeometry:
    """Return the region inside one ring, (V, 2) in the units of `reference`."""
    if not np.isfinite(vertices).all():
        raise AreaError(f"{where} has a vertex that is not a number; correct the outline.")
    to_degrees = _to_degrees(reference)
    if reference.is_geographic:
        _check_degrees(vertices, where)
        dense = divide(_short_way(vertices, where), sphere.STEP_DEG)
    else:
        unit = reference.axis_info[0].unit_conversion_factor
        dense = divide(vertices, np.radians(sphere.STEP_DEG) * MOON_RADIUS_KM * 1000.0 / unit)
    longitude, latitude = to_degrees.transform(*dense.T)
    again = to_degrees.transform(longitude, latitude, direction="INVERSE")[1]
    outside = ~(np.isfinite(longitude) & np.isclose(again, dense[:, 1], rtol=1e-6, atol=1e-3))
    if outside.any():
        raise AreaError(
            f"{where} has the vertex {dense[int(outside.argmax())].tolist()} outside its "
            f"projection {reference.name!r}; check that the coordinates belong to that system."
        )
    try:
        shape = sphere.region(longitude, latitude, pole=_pole(vertices, reference))
    except RingError as error:
        raise AreaError(f"{where} {error}; correct the outline.") from error
    if shape.area == 0:
        raise AreaError(f"{where} has no area; correct the outline.")
    return shape


@lru_cache(maxsize=8)
def _to_degrees(reference: CRS) -> Transformer:
    """Kept, because to make one takes longer than to transform thousands of vertices."""
    return Transformer.from_crs(reference, GEOGRAPHIC, always_xy=True)


def _fault(polygon: BaseGeometry) -> str:
    return f"is no simple outline ({shapely.is_valid_reason(polygon)})"


def _check_degrees(vertices: Float64Array, where: str) -> None:
    x, y = vertices.T
    if (np.abs(y) > 90 + 1e-9).any() or (x < -180 - 360).any() or (x > 360 + 180).any():
        row = int((np.abs(y) > 90 + 1e-9).argmax())
        raise AreaError(
            f"{where} has the vertex {x[row]:g}, {y[row]:g}, which is no longitude and latitude in "
            "degrees. If it is in metres, name its projection with area_crs."
        )


def _short_way(vertices: Float64Array, where: str) -> Float64Array:
    """Vertices in degrees without jumps across ±180°, such as from 175 to -175.

    An edge of exactly 360° is the border of a whole map. One of more than 180° is taken the short
    way round only where that is clearly meant: see the message.
    """
    steps = np.diff(vertices[:, 0])
    wide = np.abs(steps)
    unclear = (wide > 180) & (wide < 360 - _ACROSS_DEG)
    if unclear.any():
        row = int(unclear.argmax())
        west, east = vertices[row, 0], vertices[row + 1, 0]
        raise AreaError(
            f"{where} has an edge from longitude {west:g} to {east:g}: it is unclear which way "
            "round the Moon it goes. Put a vertex between, or write longitudes beyond 180, such as "
            "190 for -170."
        )
    jump = (wide > 180) & (wide < 360)
    turns = -np.sign(steps) * jump * 360.0
    result = vertices.astype(np.float64).copy()
    result[1:, 0] += np.cumsum(turns)
    return result


def divide(vertices: Float64Array, longest: float) -> Float64Array:
    """Vertices with more between them, so that no edge is longer than `longest`."""
    length = np.linalg.norm(np.diff(vertices, axis=0), axis=1)
    pieces = np.maximum(1, np.ceil(length / longest)).astype(np.int64)
    if pieces.sum() > _MOST_VERTICES:
        raise AreaError(
            f"An outline of {pieces.sum():,} vertices is too long; simplify it to fewer than "
            f"{_MOST_VERTICES:,}."
        )
    start = np.repeat(np.arange(len(pieces)), pieces)
    part = np.arange(len(start)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    share = (part / pieces[start])[:, None]
    inner = vertices[start] * (1 - share) + vertices[start + 1] * share
    return np.vstack((inner, vertices[-1:]))


def _pole(vertices: Float64Array, reference: CRS) -> int | None:
    """The pole inside a ring of a projected system; None if neither or both."""
    if not reference.is_projected:
        return None
    to_degrees = _to_degrees(reference)
    polygon = shapely.Polygon(vertices)
    held = []
    for pole in (1, -1):
        x, y = to_degrees.transform(0.0, 90.0 * pole, direction="INVERSE")
        if np.isfinite(x) and np.isfinite(y) and shapely.contains_xy(polygon, x, y):
            held.append(pole)
    return held[0] if len(held) == 1 else None
