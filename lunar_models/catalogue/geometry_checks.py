"""Compare the columns of a table with its geometry."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.catalogue.columns import Columns
from lunar_models.errors import CatalogueError

_MANY = 0.01
"""Part of the rows that must contradict before a catalogue is refused rather than the rows."""
_FROM_GEOMETRY_DEG = 1.0

GEOMETRY_AXES = {
    "longitude": "longitude of the geometry",
    "latitude": "latitude of the geometry",
}
"""Axis -> the column in which a table with geometry holds it, beside those of the file."""
OUTLINE_DIAMETER = "diameter of the outline"
"""Column of the diameters (km) of outlines, beside the sizes of the file."""
_OUTLINE_FACTOR = 1.3


def check_geometry(
    rows: pd.DataFrame,
    table: pd.DataFrame,
    matched: Columns,
    taken: Mapping[str, str],
    path: Path,
) -> None:
    """Make sure that coordinates by columns are those of the geometry.

    Args:
        rows: longitude_deg and latitude_deg as understood.
        table: with the columns of `GEOMETRY_AXES`, if it has geometry.
        matched: which column holds what.
        taken: field -> column, with the columns of hemispheres.
        path: of the file, for messages.

    Raises:
        CatalogueError: many of them lie apart.
    """
    if not set(GEOMETRY_AXES.values()) <= set(table.columns):
        return
    east, north = (table[name].to_numpy(np.float64) for name in GEOMETRY_AXES.values())
    longitude, latitude = (rows[f"{axis}_deg"].to_numpy() for axis in GEOMETRY_AXES)
    away = np.abs((longitude - east + 180.0) % 360.0 - 180.0) * np.cos(np.radians(north))
    away = np.maximum(away, np.abs(latitude - north))
    away = away[np.isfinite(away)]
    if away.size and (away > _FROM_GEOMETRY_DEG).mean() > _MANY:
        own = {f"{axis}_deg" for axis in matched.geometry}
        fields = [field for field in taken if field.split("_")[0] in GEOMETRY_AXES]
        names = dict.fromkeys(taken[field] for field in fields if field not in own)
        raise CatalogueError(
            f"{path}: its column{'s'[: len(names) - 1]} {' and '.join(names)} lie up to "
            f"{away.max():.1f} deg from its geometry. To take the geometry, leave them out: "
            "columns=crater_id=…,diameter_km=…; to take the columns, save the table as CSV."
        )


def check_outlines(
    rows: pd.DataFrame, table: pd.DataFrame, size: str | None, name: str, path: Path
) -> list[str]:
    """Compare diameters with those of the outlines.

    Args:
        rows: diameter_km as understood.
        table: with `OUTLINE_DIAMETER`, if it has outlines.
        size: field of the sizes; without a unit in it, they have none.
        name: column of the sizes.
        path: of the file, for messages.

    Returns:
        remarks.

    Raises:
        CatalogueError: half of them differ, and the column names no unit.
    """
    if OUTLINE_DIAMETER not in table:
        return []
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = table[OUTLINE_DIAMETER].to_numpy(np.float64) / rows["diameter_km"].to_numpy()
    ratio = ratio[np.isfinite(ratio)]
    middle = float(np.median(ratio)) if ratio.size else 1.0
    if 1.0 / _OUTLINE_FACTOR < middle < _OUTLINE_FACTOR:
        return []
    said = f"the outlines are {middle:.3g} times as large as column {name!r} says (median)"
    if size in ("diameter", "radius"):
        raise CatalogueError(
            f"{path}: {said}, which names no unit. To take the outlines, rename it; else say what "
            f"it holds: columns=…,diameter_km={name} (or diameter_m, radius_km, radius_m)."
        )
    return [f"{said}; the column is taken"]
