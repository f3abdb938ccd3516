"""Represent counting areas: where on the Moon craters were counted, and how large that is.

Areas are exact on the sphere of 1,737.4 km (see `sphere_polygons`). `area_files` reads them from
polygon files, `mosaic_area` from the valid pixels of a mosaic.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from scipy.spatial import cKDTree
from shapely.geometry.base import BaseGeometry

from lunar_models.arrays import Float64Array
from lunar_models.degradation import sphere_polygons as sphere
from lunar_models.degradation.outlines import divide
from lunar_models.degradation.sphere_rings import sphere_rings
from lunar_models.errors import AreaError
from lunar_models.moon import MOON_RADIUS_KM, chord_to_km, unit_vectors

_VERTEX_STEP_KM = 4.0
"""More than `sphere_polygons.STEP_DEG`, to which outlines are divided to find craters near."""
_MOON_KM2 = 4 * np.pi * MOON_RADIUS_KM**2


@dataclass(frozen=True)
class CountingArea:
    """A region of the Moon."""

    shape: BaseGeometry
    """On the equal-area cylinder, see `sphere_polygons`."""
    source: str
    """Where it comes from, for tables and captions."""
    notes: tuple[str, ...] = ()
    """What the reader should know, such as overlapping polygons."""

    @property
    def area_km2(self) -> float:
        """Area on the sphere."""
        return sphere.area_km2(self.shape)

    @property
    def perimeter_km(self) -> float:
        """Length of its outline."""
        return sphere.perimeter_km(self.shape)

    def contains(self, craters: pd.DataFrame) -> "pd.Series[bool]":
        """Return which craters have their centre inside; columns longitude_deg, latitude_deg."""
        inside = sphere.contains(
            self.shape, craters["longitude_deg"].to_numpy(), craters["latitude_deg"].to_numpy()
        )
        return pd.Series(inside, index=craters.index)

    def touched(self, craters: pd.DataFrame) -> "pd.Series[bool]":
        """Return which craters reach the area with their rim; columns as above and diameter_km."""
        reached = np.array(self.contains(craters))
        dense = np.vstack(
            [
                divide(np.column_stack((sphere.unwrap(ring[:, 0]), ring[:, 1])), sphere.STEP_DEG)
                for _, ring in sphere_rings(self.shape)
            ]
        )
        outline = cKDTree(unit_vectors(longitude_deg=dense[:, 0], latitude_deg=dense[:, 1]))
        away = outline.query(
            unit_vectors(
                longitude_deg=craters["longitude_deg"], latitude_deg=craters["latitude_deg"]
            )
        )[0]
        radius_km = craters["diameter_km"].to_numpy() / 2.0
        near = (chord_to_km(away) <= radius_km + _VERTEX_STEP_KM) & ~reached
        circles = _circles(craters[near])
        reached[near] = [bool(shapely.intersects(circle, self.shape)) for circle in circles]
        return pd.Series(reached, index=craters.index)

    def buffered_km2(self, diameter_km: Float64Array) -> Float64Array:
        """Area on which craters of each diameter are counted if their rim need only reach it.

        Fassett & Head (2008, Icarus 195, 61-89): the area widened by the radius.
        Steiner's formula on the sphere, exact for convex outlines; where an outline is concave
        within a crater's radius the true area is smaller.
        """
        reach = np.asarray(diameter_km, np.float64) / 2.0 / MOON_RADIUS_KM
        rings = sphere_rings(self.shape)
        parts = sum(1 if outer else -1 for outer, _ in rings)
        wider = self.area_km2 * np.cos(reach)
        wider = wider + self.perimeter_km * MOON_RADIUS_KM * np.sin(reach)
        caps = 2 * np.pi * MOON_RADIUS_KM**2 * parts * (1 - np.cos(reach))
        return np.asarray(np.clip(wider + caps, self.area_km2, _MOON_KM2))

    def fractions(self, craters: pd.DataFrame) -> Float64Array:
        """Return (N,) which part of each crater lies inside; columns as above and diameter_km."""
        return np.array([
            shapely.intersection(circle, self.shape).area / circle.area
            for circle in _circles(craters)
        ])  # fmt: skip

    def intersection(self, other: "CountingArea") -> "CountingArea":
        """Return what both areas have in common.

        Raises:
            AreaError: nothing.
        """
        shape = only_polygons(shapely.intersection(self.shape, other.shape))
        source = f"{self.source} within {other.source}"
        if shape.is_empty:
            raise AreaError(
                f"{self.source} and {other.source} have nothing in common; check their longitudes."
            )
        return CountingArea(shape, source, (*self.notes, *other.notes))


def bounds_area(west: float, south: float, east: float, north: float) -> CountingArea:
    """Return the region between two meridians and two parallels (deg); west > east spans ±180°.

    Raises:
        AreaError: it is empty or outside the Moon.
    """
    if not (-90 <= south < north <= 90 and -180 <= west <= 360 and -180 <= east <= 360):
        raise AreaError(
            f"bounds={west:g},{south:g},{east:g},{north:g} are not the western, southern, eastern "
            "and northern limit in degrees."
        )
    width = east - west if east > west else east - west + 360.0
    if not 0 < width <= 360:
        raise AreaError(
            f"bounds from {west:g} to {east:g}° longitude span more than the Moon; give 360° at "
            "most."
        )
    sines = np.sin(np.radians([south, north]))
    box = shapely.box(west, sines[0], west + width, sines[1])
    # With vertices along the parallels, which are no great circles.
    shape = sphere.into_frame(shapely.segmentize(box, sphere.STEP_DEG))
    name = f"longitude {west:g} to {east:g}°, latitude {south:g} to {north:g}°"
    return CountingArea(shape, name)


def union_area(shapes: list[BaseGeometry], source: str, *, overlaps: bool = False) -> CountingArea:
    """Return the union of shapes on the equal-area cylinder; overlaps are noted unless expected."""
    union = only_polygons(shapely.union_all(shapes))
    overlap = sum(shape.area for shape in shapes) / union.area - 1.0
    if overlaps or overlap < 1e-6:
        return CountingArea(union, source)
    note = f"Polygons of {source} overlap ({overlap:.2%} of the area); overlaps count once."
    return CountingArea(union, source, (note,))


def only_polygons(shape: BaseGeometry) -> BaseGeometry:
    """Leave out points and lines, such as where polygons only touch."""
    parts = [
        p for p in getattr(shape, "geoms", [shape]) if p.geom_type in ("Polygon", "MultiPolygon")
    ]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def _circles(craters: pd.DataFrame) -> list[BaseGeometry]:
    return sphere.circles(
        craters["longitude_deg"].to_numpy(),
        craters["latitude_deg"].to_numpy(),
        craters["diameter_km"].to_numpy() / 2.0,
    )
