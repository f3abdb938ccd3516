"""Convert outlines of regions to rings on the sphere, for tools whose map has no edge.

The equal-area cylinder of `sphere_polygons` cuts regions at ±180° and at the poles. Here those
artificial edges are taken out again and the rest is joined.
"""

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from lunar_models.arrays import Float64Array
from lunar_models.degradation.sphere_polygons import STEP_DEG

_EDGE = 1e-9
_SAME = 1e-6
_GAP_DEG = 1e-6
"""Between the quarters of a region that must be cut: 3 cm."""
_GAP_SINE = 1e-8
_HEMISPHERE = 2 * np.pi


def sphere_rings(shape: BaseGeometry) -> list[tuple[bool, Float64Array]]:
    """Closed rings on the sphere: whether it is an outer one, and (V, 2) degrees.

    Outer rings hold less than a hemisphere, holes follow all outer rings. A region that cannot be
    bounded so, such as a band around the Moon, is cut into quarters 3 cm apart.
    """
    rings = [(_left_area(ring) <= _HEMISPHERE, ring) for ring in _stitched(shape)]
    total = shape.area * np.radians(1.0)
    told = sum(_left_area(r) if outer else _left_area(r) - 2 * _HEMISPHERE for outer, r in rings)
    if not rings or abs(told - total) > 1e-6 * total:
        rings = [(True, ring) for piece in quarters(shape) for ring in _stitched(piece)]
    rings.sort(key=lambda one: not one[0])
    return [(outer, _degrees(ring)) for outer, ring in rings]


def joined(shape: BaseGeometry) -> BaseGeometry:
    """Join parts on both sides of ±180°, with longitudes up to 540; sines as in `shape`."""
    parts = list(getattr(shape, "geoms", [shape]))
    western = [part.bounds[0] <= -180 + _EDGE and part.bounds[2] < 180 - _EDGE for part in parts]
    if all(western) or not any(part.bounds[2] >= 180 - _EDGE for part in parts):
        return shape
    return shapely.union_all([
        shapely.transform(part, lambda p: p + np.array([360.0, 0.0])) if west else part
        for part, west in zip(parts, western, strict=True)
    ])  # fmt: skip


def quarters(shape: BaseGeometry) -> list[BaseGeometry]:
    """Cut a region into quarters of each hemisphere, 3 cm apart."""
    pieces: list[BaseGeometry] = []
    for west in (-180.0, -90.0, 0.0, 90.0):
        for south in (-1.0, 0.0):
            box = shapely.box(
                west + _GAP_DEG, south + _GAP_SINE, west + 90 - _GAP_DEG, south + 1 - _GAP_SINE
            )
            piece = shapely.intersection(shape, shapely.segmentize(box, STEP_DEG))
            pieces += [p for p in shapely.get_parts(piece) if p.area > 0]
    return pieces


def _stitched(shape: BaseGeometry) -> list[Float64Array]:
    """Closed rings, (V, 2) unwrapped longitude and sine, with the region on their left."""
    closed: list[Float64Array] = []
    chains: list[Float64Array] = []
    for polygon in getattr(shape, "geoms", [shape]):
        if polygon.geom_type != "Polygon" or polygon.is_empty:
            continue
        oriented = shapely.geometry.polygon.orient(polygon)
        for ring in (oriented.exterior, *oriented.interiors):
            points = np.asarray(ring.coords)
            open_chains = _without_cuts(points)
            if open_chains is None:
                closed.append(points)
            else:
                chains += open_chains
    while chains:
        chain = chains.pop()
        while not _same(chain[-1], chain[0]):
            follower = next((i for i, c in enumerate(chains) if _same(chain[-1], c[0])), None)
            if follower is None:
                break  # ends at a pole
            rest = chains.pop(follower)
            rest = rest + np.array([360.0 * np.round((chain[-1, 0] - rest[0, 0]) / 360.0), 0.0])
            chain = np.vstack((chain, rest[1:]))
        closed.append(chain)
    return closed


def _without_cuts(points: Float64Array) -> list[Float64Array] | None:
    """The chains left of a ring without its artificial edges; None if it has none."""
    side = np.abs(points[:, 0]) >= 180 - _EDGE
    pole = np.abs(points[:, 1]) >= 1 - 1e-12
    cut = (side[:-1] & side[1:]) | (pole[:-1] & pole[1:])
    if not cut.any():
        return None
    start = int(cut.argmax())
    cut = np.roll(cut, -start)
    vertices = np.vstack((points[start:-1], points[: start + 1]))
    chains, first = [], None
    for i, is_cut in enumerate([*cut, True]):
        if is_cut and first is not None:
            chains.append(vertices[first : i + 1])
            first = None
        elif not is_cut and first is None:
            first = i
    return chains


def _same(a: Float64Array, b: Float64Array) -> bool:
    turn = (a[0] - b[0]) / 360.0
    return bool(abs(turn - np.round(turn)) < _SAME and abs(a[1] - b[1]) < _SAME)


def _left_area(ring: Float64Array) -> float:
    """Area in steradians on the left of a ring on the unit sphere."""
    longitude, sine = np.radians(ring[:, 0]), ring[:, 1]
    area = -float((np.diff(longitude) * (sine[:-1] + sine[1:]) / 2).sum())
    if round((longitude[-1] - longitude[0]) / (2 * np.pi)):
        area += _HEMISPHERE
    return area if area >= 0 else area + 2 * _HEMISPHERE


def _degrees(ring: Float64Array) -> Float64Array:
    longitude = ring[:, 0] - 360.0 * np.ceil((ring[:, 0] - 180.0) / 360.0)
    return np.column_stack((longitude, np.degrees(np.arcsin(np.clip(ring[:, 1], -1, 1)))))
