"""Fit circles to the outlines of craters."""

from pathlib import Path
from typing import Any

import numpy as np

from lunar_models.arrays import Float64Array
from lunar_models.errors import CatalogueError
from lunar_models.moon import MOON_RADIUS_KM, unit_vectors

_LEAST_VERTICES = 5
"""Distinct ones: three are a triangle, four a box, whose corners lie outside of the rim."""
_ROUND = 0.15
"""Largest root mean square distance of the vertices from the circle, in radii."""
_SEAM_DEG = 1e-6


def fitted_circles(
    shapes: Any, path: Path, *, needed: bool
) -> tuple[Float64Array, Float64Array, Float64Array, list[str]]:
    """Fit the least-squares circle to each shape.

    The circle is fitted (Kåsa 1976, doi 10.1109/TIM.1976.6312298) to the vertices on the plane
    that touches the sphere at their middle, orthographically.

    Args:
        shapes: N polygons or lines in degrees on the lunar sphere.
        path: of the file, for messages.
        needed: columns do not say the same.

    Returns:
        longitude, latitude (degrees), diameter (km), (N,) each, NaN where there is no circle; and
        remarks.

    Raises:
        CatalogueError: the circles are needed, and half of the shapes are no circles.
    """
    fits = np.full((len(shapes), 4), np.nan)
    for n, shape in enumerate(shapes):
        if shape is not None and not shape.is_empty:
            points = _vertices(shape)
            if len(points) >= _LEAST_VERTICES:
                fits[n] = _fit_circle(*points.T)
    shown = sum(shape is not None and not shape.is_empty for shape in shapes)
    few, odd = shown - int(np.isfinite(fits[:, 3]).sum()), int((fits[:, 3] > _ROUND).sum())
    if needed and few + odd > shown / 2:
        what = (
            f"{few} of {shown} outlines have fewer than {_LEAST_VERTICES} vertices, such as boxes "
            "and triangles, whose size is not that of a circle"
            if few > odd
            else f"{odd} of {shown} outlines are no circles (their vertices deviate by over "
            f"{_ROUND:.0%} of the radius)"
        )
        raise CatalogueError(
            f"{path}: {what}. Give crater rims, or a point and a column diameter_km for each."
        )
    fits[fits[:, 3] > _ROUND, :3] = np.nan
    notes = ["circles are fitted to the outlines"] if needed else []
    if needed and few + odd:
        notes.append(f"{few + odd} outlines are no circles")
    return fits[:, 0], fits[:, 1], fits[:, 2], notes


def _vertices(shape: Any) -> Float64Array:
    """Distinct vertices, (n, 2) degrees, of the longest part, or of all parts cut at a seam.

    GIS programs cut what crosses the antimeridian; the vertices on the cut are none of the rim.
    """
    parts = list(getattr(shape, "geoms", [shape]))
    rings = [np.array(getattr(part, "exterior", part).coords)[:, :2] for part in parts]
    on_seam = [np.abs((ring[:, 0] + 90.0) % 180.0 - 90.0) < _SEAM_DEG for ring in rings]
    if sum(seam.any() for seam in on_seam) > 1:
        cut = zip(rings, on_seam, strict=True)
        points = np.concatenate([ring[~seam] for ring, seam in cut if seam.any()])
    else:
        points = max(zip(parts, rings, strict=True), key=lambda pair: pair[0].length)[1]
    return np.asarray(np.unique(points, axis=0), np.float64)


def _fit_circle(
    longitude: Float64Array, latitude: Float64Array
) -> tuple[float, float, float, float]:
    """Longitude, latitude (degrees), diameter (km), and deviation of the vertices in radii."""
    points = unit_vectors(longitude_deg=longitude, latitude_deg=latitude)
    middle = points.mean(axis=0)
    middle /= np.linalg.norm(middle)
    east = np.cross((0.0, 0.0, 1.0), middle)
    east = np.array((1.0, 0.0, 0.0)) if np.linalg.norm(east) < 1e-9 else east / np.linalg.norm(east)
    north = np.cross(middle, east)
    for _ in range(3):  # towards the circle's own centre, where it is a circle on the plane
        u, v = points @ east, points @ north
        system = np.column_stack((2.0 * u, 2.0 * v, np.ones_like(u)))
        (a, b, c), *_ = np.linalg.lstsq(system, u * u + v * v, rcond=None)
        middle = middle * np.sqrt(max(0.0, 1.0 - a * a - b * b)) + a * east + b * north
        east = east - middle * (east @ middle)
        east /= np.linalg.norm(east)
        north = np.cross(middle, east)
    radius = float(np.sqrt(max(c + a * a + b * b, 0.0)))
    away = np.hypot(u - a, v - b) / max(radius, 1e-12) - 1.0
    return (
        float(np.degrees(np.arctan2(middle[1], middle[0]))),
        float(np.degrees(np.arcsin(np.clip(middle[2], -1.0, 1.0)))),
        2.0 * MOON_RADIUS_KM * float(np.arcsin(min(radius, 1.0))),
        float(np.sqrt((away**2).mean())),
    )
