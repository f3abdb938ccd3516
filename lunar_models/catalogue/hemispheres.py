"""Apply the hemispheres that columns beside coordinates, or names such as `lon_w`, say."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.values import carry_directions, cell_text, is_number
from lunar_models.errors import CatalogueError

_EAST, _WEST = (
    frozenset({"e", "east", "ost", "est", "este", "leste"}),
    frozenset({"w", "west", "ouest", "oeste", "ovest"}),
)
_NORTH, _SOUTH = (
    frozenset({"n", "north", "nord", "norte"}),
    frozenset({"s", "south", "sued", "süd", "sud", "sur", "sul"}),
)
_EAST_OR_WEST = "o"
"""Ost in German, ouest in French, oeste in Spanish, ovest in Italian."""
DIRECTIONS = _EAST | _WEST | _NORTH | _SOUTH | {_EAST_OR_WEST}
"""What cells of a column of hemispheres hold, in lower case."""
QUADRANTS = frozenset({"ne", "nw", "se", "sw"})
SIGN_NAME = re.compile(r"quadrant|^(?:lon|lat)\w*sign$|^sign")
"""Plain names of columns of signs and quadrants, which are asked about, not applied."""
_NAMED = {
    "longitude": re.compile(r"hem|dir|^(?:e[-/]?w|w[-/]?e|lon|east-?west)"),
    "latitude": re.compile(r"hem|dir|^(?:n[-/]?s|s[-/]?n|lat|north-?south)"),
}
"""Plain names of columns that hold directions; others may hold types or classes (W, E; N, S)."""
_SHORT_NAME = 2
_APART_DEG = 0.05
_MANY = 0.01
"""Part of the rows that must contradict before a catalogue is refused."""


def hemisphere_signs(values: "pd.Series[Any]", axis: str) -> Float64Array | None:
    """Return +1 or -1 of a column of directions, NaN where empty; None for any other column.

    Args:
        values: of any type.
        axis: ``longitude`` (E, W) or ``latitude`` (N, S).

    Raises:
        CatalogueError: O may mean east (German) or west (French, Spanish, Italian): beside W it is
            the former, beside E the latter.
    """
    if is_number(values):
        return None
    words = cell_text(values).str.lower().str.rstrip(".")
    positive, negative = (_EAST, _WEST) if axis == "longitude" else (_NORTH, _SOUTH)
    if axis == "longitude" and (words == _EAST_OR_WEST).any():
        beside = words.isin(_EAST).any(), words.isin(_WEST).any()
        if (words.isin([_EAST_OR_WEST, ""])).all() or all(beside):
            raise CatalogueError(
                f"Column {values.name!r} holds O, which may be Ost (east) or ouest, oeste (west). "
                "Write E and W."
            )
        words = words.replace(_EAST_OR_WEST, "w" if beside[0] else "e")
    if (words == "").all() or not words.isin(positive | negative | {""}).all():
        return None
    signs = np.where(words.isin(list(negative)), -1.0, 1.0)
    return np.where(words == "", np.nan, signs)


def apply_hemisphere(
    numbers: Float64Array, signs: Float64Array, axis: str, name: str, column: str
) -> Float64Array:
    """Apply the sign of the hemisphere given in another column.

    Raises:
        CatalogueError: a sign contradicts its hemisphere.
    """
    if axis == "longitude" and (signs > 0.0).any() and ((numbers > 180.0) & (signs < 0.0)).any():
        raise CatalogueError(
            f"{name}: column {column} says W of longitudes beyond 180 deg and E of others. If they "
            "are eastward, 0 to 360 deg, say columns=longitude_deg=…,latitude_deg=…,diameter_km=… "
            f"without {column}; else write longitudes up to 180 deg."
        )
    against = (numbers < 0.0) & (signs > 0.0)
    if against.any():
        row = int(np.flatnonzero(against)[0])
        raise CatalogueError(
            f"{name}: row {row + 1} has {numbers[row]:g}, but {column} says the positive "
            "hemisphere of longitude or latitude; leave out the column or the sign."
        )
    signed: Float64Array = np.where(np.isnan(signs), np.nan, np.abs(numbers) * signs)
    return np.where(signed < -180.0, signed + 360.0, signed) if axis == "longitude" else signed


def eastward(west: Float64Array) -> Float64Array:
    """East positive longitudes of west positive ones in [-180, 360]."""
    return np.where(west > 180.0, 360.0 - west, -west)


def check_west(
    east: Float64Array,
    numbers: Mapping[str, Float64Array],
    table: pd.DataFrame,
    matched: Columns,
    path: Path,
) -> None:
    """Make sure that a column of westward longitudes agrees with that of eastward ones.

    Args:
        east: (N,) longitudes as understood, degrees.
        numbers: field -> (N,) as read.
        table: the cells.
        matched: which column holds what.
        path: of the file, for messages.

    Raises:
        CatalogueError: they contradict each other; asks which is meant.
    """
    if not {"longitude_deg", "longitude_west"} <= matched.found.keys():
        return
    first, second = matched.found["longitude_deg"], matched.found["longitude_west"]
    west = numbers["longitude_west"]
    other = west if carry_directions(table[second]) else -west
    apart = np.abs((other - east + 180.0) % 360.0 - 180.0)
    apart = apart[np.isfinite(apart)]
    if apart.size and (apart > _APART_DEG).mean() > _MANY:
        raise CatalogueError(
            f"{path}: column {first!r} and column {second!r}, which counts westward by its name, "
            f"lie up to {apart.max():.2f} deg apart. Say which is meant: "
            f"columns=longitude_deg={first},… or columns=longitude_west={second},…"
        )


def hemisphere_column(
    axis: str, values: Float64Array, table: pd.DataFrame, matched: Columns, path: Path
) -> tuple[str, Float64Array] | None:
    """Find the column of directions (E, W or N, S) that signs unsigned coordinates.

    Returns:
        its name and signs (+1, -1, NaN); None without one.

    Raises:
        CatalogueError: it does not hold directions, or a column may be one, or of types.
    """
    named = matched.found.get(f"{axis}_hemisphere")
    if named is not None:
        signs = hemisphere_signs(table[named], axis)
        if signs is None:
            raise CatalogueError(
                f"{path}: column {named} should hold directions such as E and W or N and S, but "
                f"holds {table[named].iloc[0]!r}. Rename it, or give columns=."
            )
        return named, signs
    if (values < 0.0).any() or axis in matched.geometry:
        return None
    _check_quadrants(axis, table, matched, path)
    names = [str(c) for c in table.columns if c not in matched.found.values()]
    if matched.mapped:  # what may be a column of types was left out of columns=
        names = [name for name in names if _NAMED[axis].search(plain_name(name))]
    found = [(c, s) for c in names if (s := hemisphere_signs(table[c], axis)) is not None]
    if len(found) > 1:
        raise CatalogueError(
            f"{path}: columns {' and '.join(name for name, _ in found)} may each be the hemisphere "
            f"of the {axis}; say which with columns={axis}_hemisphere=NAME,…"
        )
    if not found:
        return None
    name, signs = found[0]
    if _clearly_directions(axis, name, table, matched):
        return name, signs
    if (signs > 0.0).all():
        return None  # whatever it holds, the coordinates are the same
    letter = cell_text(table[name])[signs < 0.0].iloc[0]
    raise CatalogueError(
        f"{path}: column {name!r} holds {letter!r}, which may be the hemisphere of the {axis}, or "
        f"a type. If it is the hemisphere: columns=…,{axis}_hemisphere={name}; if not, say "
        f"columns=longitude_deg=…,latitude_deg=…,diameter_km=… without it, or remove it."
    )


def _check_quadrants(axis: str, table: pd.DataFrame, matched: Columns, path: Path) -> None:
    """Raise CatalogueError for quadrants and signs beside coordinates without signs."""
    for column in () if matched.mapped else table.columns:
        if column in matched.found.values() or column in matched.identifiers:
            continue
        words = set(table[column].astype("str").str.strip().str.lower()) - {"", "nan", "none"}
        if len(words) > 1 and (words <= QUADRANTS or SIGN_NAME.search(plain_name(str(column)))):
            raise CatalogueError(
                f"{path}: column {column!r} may give the signs of the {axis}, whose numbers have "
                f"none. Write signed degrees, or if it does not: columns=longitude_deg=…,"
                "latitude_deg=…,diameter_km=… without it."
            )


def _clearly_directions(axis: str, name: str, table: pd.DataFrame, matched: Columns) -> bool:
    """By its name, or right behind the coordinate under a name too short to mean a type."""
    if _NAMED[axis].search(plain_name(name)):
        return True
    columns = [str(column) for column in table.columns]
    own = matched.found.get(f"{axis}_deg", matched.found.get(f"{axis}_west"))
    before = columns[columns.index(name) - 1] if columns.index(name) else None
    return before == own and len(plain_name(name)) <= _SHORT_NAME
