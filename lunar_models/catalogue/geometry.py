"""Bring the geometry of vector files to longitudes and latitudes on the lunar sphere."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from pyproj import CRS

from lunar_models.errors import CatalogueError
from lunar_models.moon import LUNAR_GEOGRAPHIC, MOON_RADIUS_M

_RADIUS_TOLERANCE_M = 5_000.0
_FLATTENING_TOLERANCE_M = 1.0
_USUAL_AXES = ("east", "north", "up")
_REVERSED = re.compile(r'AXIS\s*\[\s*"[^"]*"\s*,\s*(?:WEST|SOUTH)\s*\]', re.IGNORECASE)


def in_lunar_degrees(shapes: Any, path: Path, *, needed: bool) -> tuple[Any, list[str]]:
    """Turn geometry to degrees on the lunar sphere, east and north positive.

    Args:
        shapes: GeoSeries in any reference system.
        path: of the file, for messages.
        needed: columns do not say the same.

    Returns:
        the shapes, None where they cannot be placed and are not needed; and remarks.

    Raises:
        CatalogueError: the reference system has reversed axes, or is needed and not the Moon's.
    """
    if shapes.crs is None:
        return shapes, ["no reference system: coordinates are taken as degrees on the Moon"]
    crs = CRS.from_user_input(shapes.crs)
    _check_axes(crs, path)
    if crs.is_geographic and np.isclose(crs.axis_info[0].unit_conversion_factor, 1.0):
        # pyproj takes and gives degrees where a reference system counts in radians
        shapes = shapes.affine_transform([np.degrees(1.0), 0.0, 0.0, np.degrees(1.0), 0.0, 0.0])
    radius = crs.ellipsoid.semi_major_metre if crs.ellipsoid else 0.0
    if abs(radius - MOON_RADIUS_M) <= _RADIUS_TOLERANCE_M:
        polar = crs.ellipsoid.semi_minor_metre if crs.ellipsoid else radius
        if abs(radius - polar) > _FLATTENING_TOLERANCE_M:
            raise CatalogueError(
                f"{path}: its reference system {crs.name!r} is on an ellipsoid of "
                f"{radius / 1000:.1f} by {polar / 1000:.1f} km, whose latitudes are up to "
                f"{np.degrees(1.0 - polar / radius):.3f} deg from those on the lunar sphere. If "
                f"they are planetocentric, say so: ogr2ogr -a_srs {LUNAR_GEOGRAPHIC} OUT.gpkg IN."
            )
        return shapes.to_crs(LUNAR_GEOGRAPHIC), []
    fault = f"its reference system {crs.name!r} is of a body of {radius / 1000:.1f} km radius"
    if crs.is_geographic:
        return shapes, [f"{fault}; its degrees are taken as the Moon's"]
    if not needed:
        return None, [f"{fault}; its columns are taken, not its geometry"]
    raise CatalogueError(
        f"{path}: {fault}, so its coordinates cannot be placed on the Moon. Assign the right one, "
        f"such as ogr2ogr -a_srs {LUNAR_GEOGRAPHIC} OUT.gpkg IN."
    )


def check_prj(path: Path) -> None:
    """Make sure that a shapefile's ``.prj`` has no reversed axes, which GDAL passes over.

    Raises:
        CatalogueError: it has.
    """
    prj = path.with_suffix(".prj")
    text = prj.read_text(errors="ignore") if prj.is_file() else ""
    if text.lstrip().upper().startswith("GEOG") and (found := _REVERSED.search(text)):
        raise CatalogueError(
            f"{prj}: its {found[0]} reverses an axis, which GDAL passes over. Write coordinates "
            f"that count east and north, and a .prj without it (ogr2ogr -a_srs {LUNAR_GEOGRAPHIC})."
        )


def _check_axes(crs: CRS, path: Path) -> None:
    """Raise CatalogueError for longitudes that count westward, latitudes that count southward."""
    axes = crs.axis_info if crs.is_geographic else ()
    odd = [axis for axis in axes if axis.direction.lower() not in _USUAL_AXES]
    if odd:
        raise CatalogueError(
            f"{path}: the axis {odd[0].name!r} of its reference system {crs.name!r} points "
            f"{odd[0].direction}, which programs heed or ignore. Write coordinates that count "
            f"east and north, in {LUNAR_GEOGRAPHIC}."
        )
