"""Find the units that a table states beside its columns: in a row of units, or in Parquet metadata.

Parquet has no units of its own; `field` metadata and pandas' `attrs` hold them by custom, under the
names of the Climate and Forecast conventions.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from lunar_models.catalogue.column_names import NUMBERS
from lunar_models.catalogue.columns import Columns
from lunar_models.errors import CatalogueError

_METRES = ("m", "meter", "meters", "metre", "metres")
_KILOMETRES = ("km", "kilometer", "kilometers", "kilometre", "kilometres")
LENGTHS = dict.fromkeys(_KILOMETRES, 1.0) | dict.fromkeys(_METRES, 1e-3)
"""Unit -> kilometres."""
_WEST = ("degw", "degrees_west", "degree_west", "degrees_w", "°w")
_DEGREES = ("deg", "degree", "degrees", "°", "dege", "degn", "degrees_east", "degrees_north",
            "degree_east", "degree_north", "degrees_e", "degrees_n", "°e", "°n")  # fmt: skip
_NONE = ("", "-", "nan", "none", "<na>")


def split_units_row(table: pd.DataFrame, matched: Columns) -> tuple[pd.DataFrame, dict[str, str]]:
    """Part a row of units under the header from the rows of craters.

    Returns:
        the table without it, and column -> unit; both as they were where there is no such row.
    """
    columns = [name for field, name in matched.found.items() if field in NUMBERS]
    if table.empty:
        return table, {}
    units = {name: str(table[name].iloc[0]).strip(" ()[]").lower() for name in columns}
    known = {*LENGTHS, *_WEST, *_DEGREES, *_NONE}
    if not set(units.values()) <= known or set(units.values()) <= set(_NONE):
        return table, {}
    stated = {name: unit for name, unit in units.items() if unit not in _NONE}
    return table.iloc[1:].reset_index(drop=True), stated


def stated_units(schema: Any) -> dict[str, str]:
    """Column -> unit, as the metadata of a Parquet file's columns or pandas' attrs state it."""
    units = {}
    for field in schema:
        for key in (b"unit", b"units"):
            if key in (field.metadata or {}):
                units[field.name] = field.metadata[key].decode(errors="replace").strip().lower()
    attributes = json.loads((schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    for word in ("unit", "units"):
        given = attributes.get(word) if isinstance(attributes, dict) else None
        for name, unit in given.items() if isinstance(given, dict) else ():
            units[str(name)] = str(unit).strip().lower()
    return units


def apply_units(
    matched: Columns, units: Mapping[str, str], path: Path
) -> tuple[Columns, list[str]]:
    """Name the fields by the units that the table states.

    Raises:
        CatalogueError: a unit contradicts a column's name, or is none that we know.
    """
    found, notes = dict(matched.found), []
    for field, name in matched.found.items():
        unit = units.get(name)
        if unit is None or field not in NUMBERS:
            continue
        if field.startswith(("diameter", "radius")) and not field.endswith("_px"):
            kind = "km" if unit in _KILOMETRES else "m" if unit in _METRES else None
            new = f"{field.split('_')[0]}_{kind}"
            wrong = kind is None or ("_" in field and field != new)
        elif field.startswith("longitude") and unit in _WEST:
            new, wrong = "longitude_west", False
        elif field.endswith("_px"):
            continue
        else:
            new, wrong = field, unit not in _DEGREES
        if wrong:
            raise CatalogueError(
                f"{path}: the unit {unit!r} of column {name!r} does not fit {field}. Correct it, "
                "or say what the column holds, such as columns=…,diameter_m=NAME."
            )
        del found[field]
        found[new] = name
        notes.append(f"column {name!r} is in {unit}")
    return replace(matched, found=found), notes
