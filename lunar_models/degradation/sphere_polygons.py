"""Represent polygons on the sphere as polygons of the equal-area cylinder.

A place is (longitude in degrees, sine of the latitude): Lambert's cylindrical equal-area
projection (Snyder 1987, 10-1 and 10-2). A planar area there is exactly proportional to that on the
sphere, so planar geometry (shapely) finds areas, unions and craters inside. All regions lie in
[-180, 180] × [-1, 1]; what crosses ±180° is cut there, and what holds a pole reaches the edge.
Edges must be short (`STEP_DEG`), because a straight line here is no great circle.
"""

import numpy as np
import numpy.typing as npt
import shapely
from shapely.geometry.base import BaseGeometry

from lunar_models.arrays import Float64Array
from lunar_models.moon import MOON_RADIUS_KM

AREA_KM2 = np.radians(1.0) * MOON_RADIUS_KM**2
"""km² on the Moon of one unit of area here."""
STEP_DEG = 0.1
"""Longest edge: 3 km, whose sagitta is a metre."""
_TURN = 360.0
_NEAR_EQUATOR_DEG = 5.0


class RingError(ValueError):
    """A ring does not bound one region; the text says why."""


def unwrap(longitude_deg: Float64Array) -> Float64Array:
    """Longitudes along a closed ring without jumps: each step is the shorter way round."""
    turns = np.rint(np.diff(longitude_deg) / _TURN)
    return np.asarray(longitude_deg - _TURN * np.r_[0.0, np.cumsum(turns)])


def region(
    longitude_deg: Float64Array, latitude_deg: Float64Array, *, pole: int | None = None
) -> BaseGeometry:
    """Return the region inside a ring.

    A ring that does not wind around a pole bounds the side with neither pole. One that does bounds
    the side with the nearer pole, or with `pole`.

    Args:
        longitude_deg: (V,) vertices, the first repeated as the last; steps take the shorter way.
        latitude_deg: (V,).
        pole: 1 the north, -1 the south pole; None: the nearer one.

    Raises:
        RingError: the ring crosses itself, winds more than once around a pole, or lies so near the
            equator that `pole` must be given.
    """
    longitude = unwrap(longitude_deg)
    points = np.column_stack((longitude, np.sin(np.radians(latitude_deg))))
    turns = round((longitude[-1] - longitude[0]) / _TURN)
    if abs(turns) > 1:
        raise RingError("winds around the Moon more than once")
    if turns:
        mean = float(np.mean(latitude_deg))
        if pole is None and abs(mean) < _NEAR_EQUATOR_DEG:
            raise RingError("winds around the Moon near the equator, so either side may be meant")
        end = float(pole or np.sign(mean))
        points = np.vstack((points, [(longitude[-1], end), (longitude[0], end), points[0]]))
    shape = shapely.Polygon(points)
    if not shape.is_valid:
        raise RingError(_explain(shape))
    return into_frame(shape)


def into_frame(shape: BaseGeometry) -> BaseGeometry:
    """Bring a shape of any longitudes into [-180, 180], cut at ±180°."""
    west, _, east, _ = shape.bounds
    first, last = (int(np.floor((x + 180.0) / _TURN)) for x in (west, east))
    parts = []
    for turn in range(first, last + 1):
        frame = shapely.box(-180 + turn * _TURN, -1, 180 + turn * _TURN, 1)
        piece = _eastward(shapely.intersection(shape, frame), -turn * _TURN)
        parts += [p for p in getattr(piece, "geoms", [piece]) if p.geom_type == "Polygon"]
    return shapely.union_all(parts)


def circles(
    longitude_deg: Float64Array,
    latitude_deg: Float64Array,
    radius_km: Float64Array,
    *,
    vertices: int = 96,
) -> "list[BaseGeometry]":
    """Regions inside circles on the sphere, one per centre; `radius_km` is measured on the ground.

    The polygons are drawn slightly wider, so that their areas are those of the circles.
    """
    turn = 2 * np.pi / vertices
    bearing = np.asarray(np.arange(vertices + 1) % vertices * turn, np.float64)
    inscribed = np.sqrt(np.sin(turn) / turn)
    result = []
    for longitude, latitude, radius in zip(longitude_deg, latitude_deg, radius_km, strict=True):
        ring = destination(longitude, latitude, radius / MOON_RADIUS_KM / inscribed, bearing)
        result.append(region(*ring))
    return result


def destination(
    longitude_deg: float, latitude_deg: float, distance: float, bearing: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """Longitudes and latitudes in degrees at `distance` radians in the directions `bearing`."""
    east, north = np.radians(longitude_deg), np.radians(latitude_deg)
    centre = np.array([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)])
    northward = np.array(
        [-np.sin(north) * np.cos(east), -np.sin(north) * np.sin(east), np.cos(north)]
    )
    eastward = np.array([-np.sin(east), np.cos(east), 0.0])
    direction = np.outer(np.cos(bearing), northward) + np.outer(np.sin(bearing), eastward)
    x, y, z = (centre * np.cos(distance) + direction * np.sin(distance)).T
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def area_km2(shape: BaseGeometry) -> float:
    """Area on the Moon."""
    return float(shape.area * AREA_KM2)


def contains(
    shape: BaseGeometry, longitude_deg: Float64Array, latitude_deg: Float64Array
) -> npt.NDArray[np.bool_]:
    """Return (N,) whether places lie inside `shape`."""
    shapely.prepare(shape)
    longitude = (np.asarray(longitude_deg, np.float64) + 180.0) % _TURN - 180.0
    sine = np.sin(np.radians(np.asarray(latitude_deg, np.float64)))
    return np.asarray(shapely.intersects_xy(shape, longitude, sine))


def rings(shape: BaseGeometry) -> list[tuple[bool, Float64Array, Float64Array]]:
    """Rings of the region: whether it is an outer one, longitudes, latitudes in degrees."""
    result = []
    for polygon in getattr(shape, "geoms", [shape]):
        if polygon.geom_type != "Polygon" or polygon.is_empty:
            continue
        for ring in (polygon.exterior, *polygon.interiors):
            points = np.asarray(ring.coords)
            latitude = np.degrees(np.arcsin(np.clip(points[:, 1], -1, 1)))
            result.append((ring is polygon.exterior, points[:, 0], latitude))
    return result


def perimeter_km(shape: BaseGeometry) -> float:
    """Length of the outline on the Moon; cuts at ±180° and at the poles do not count."""
    total = 0.0
    for _, longitude, latitude in rings(shape):
        cut = (np.abs(longitude[:-1]) > 180 - 1e-9) & (np.abs(longitude[1:]) > 180 - 1e-9)
        phi, step = np.radians(latitude), np.radians(np.diff(longitude))
        half = np.sin(np.diff(phi) / 2) ** 2
        half += np.cos(phi[:-1]) * np.cos(phi[1:]) * np.sin(step / 2) ** 2
        total += float((2 * np.arcsin(np.sqrt(np.clip(half, 0, 1))))[~cut].sum())
    return total * MOON_RADIUS_KM


def _eastward(shape: BaseGeometry, degrees: float) -> BaseGeometry:
    return shapely.transform(shape, lambda points: points + np.array([degrees, 0.0]))


def _explain(shape: BaseGeometry) -> str:
    reason = shapely.is_valid_reason(shape)
    kind, _, place = reason.partition("[")
    if not place:
        return str(kind).lower()
    x, y = (float(value) for value in place.rstrip("]").split())
    east = (x + 180.0) % _TURN - 180.0
    where = f"{east:.3f}° E, {np.degrees(np.arcsin(np.clip(y, -1, 1))):.3f}° N"
    return f"crosses or touches itself at {where}"
