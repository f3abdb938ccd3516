"""Find the units that a table states beside its columns: in a row of units, or in Parquet metadata.

Parquet has no units of its own; `field` metadata and pandas' `attrs` hold them by custom, under the
names of the Climate and Forecast conventions.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.catalogue.angles import read_angles
from lunar_models.catalogue.column_names import NUMBERS
from lunar_models.catalogue.columns import Columns
from lunar_models.catalogue.unit_names import (
    KILOMETRES,
    LENGTHS,
    METRES,
    OTHER_ANGLES,
    OTHER_LENGTHS,
)
from lunar_models.catalogue.values import cell_text, is_number
from lunar_models.errors import CatalogueError

_WEST = ("degw", "degrees_west", "degree_west", "degrees_w", "°w")
_EAST = ("dege", "degrees_east", "degree_east", "degrees_e", "°e")
_NORTH = ("degn", "degrees_north", "degree_north", "degrees_n", "°n")
_DEGREES = ("deg", "degree", "degrees", "°", "degs")
_ECSV_COLUMN = re.compile(r"-\s*\{name:\s*([^,}]+),.*\bunit:\s*([^,}]+)[,}]")
_WORD = (
    r"(?i)^(?!(?:north|south|east|west|nord|sud|unknown|tbd|nodata|missing)\b)"
    r"[^\d]*[^\W\d][^\d]*$|^[^\W\d]{3,}_?\w*$"
)
_NONE = ("", "-", "nan", "none", "<na>")


def split_units_row(table: pd.DataFrame, matched: Columns) -> tuple[pd.DataFrame, dict[str, str]]:
    """Part a row of units under the header from the rows of craters.

    Returns:
        the table without it, and column -> unit; both as they were where there is no such row.
    """
    columns = [name for field, name in matched.found.items() if field in NUMBERS]
    if table.empty:
        return table, {}
    stated = _only_units({name: str(table[name].iloc[0]) for name in columns})
    return (table.iloc[1:].reset_index(drop=True), stated) if stated else (table, {})


def check_word_rows(table: pd.DataFrame, matched: Columns, path: Path) -> None:
    """Make sure that no row holds words where numbers should be.

    Raises:
        CatalogueError: a row does, such as units that are not known, or the header of a second
            table that has other columns.
    """
    fields = {name: field for field, name in matched.found.items() if field in NUMBERS}
    texts = {name: cell_text(table[name]) for name in fields if not is_number(table[name])}
    if not texts or len(table) < 2:
        return
    words = pd.DataFrame({name: text.str.contains(_WORD) for name, text in texts.items()})
    empty = pd.DataFrame({name: text == "" for name, text in texts.items()})
    only = (words.sum(axis=1) > 1) & (words | empty).all(axis=1) & (len(texts) == len(fields))
    start = pd.Series([text.iloc[0] for text in texts.values()])
    first = bool(
        words.iloc[0].any() and len(texts) == len(fields) and np.isnan(read_angles(start)).all()
    )
    for row in [0] if first else [int(n) for n in only.to_numpy().nonzero()[0]]:
        cells = {name: text.iloc[row] for name, text in texts.items() if words[name].iloc[row]}
        if all(name == cell for name, cell in cells.items()):
            continue  # the same header once more: the row is rejected
        where = "the row under the header" if row == 0 else f"row {row + 1}"
        raise CatalogueError(
            f"{path}: {where} holds words where numbers should be "
            f"({', '.join(list(cells.values())[:4])}). If these are units, put them into the names "
            "of the columns, such as lon_w or diameter_m, and remove the row; if a second table "
            "begins there, give each as a file of its own."
        )


def units_in_notes(lines: Iterable[str], matched: Columns, names: list[str]) -> dict[str, str]:
    """Column -> unit, by a comment that has a unit for each column, or by an ECSV header."""
    columns = {name for field, name in matched.found.items() if field in NUMBERS}
    lines = list(lines)
    listed = [found for line in lines if (found := _ECSV_COLUMN.search(line))]
    if stated := {found[1].strip("'\""): found[2].strip("'\"") for found in listed}:
        return {name: unit for name, unit in stated.items() if name in columns}
    for line in lines:
        fields = re.split(r"\s*[,;|\t]\s*|\s+", line.strip().lstrip("#% "))
        if len(fields) == len(names):
            cells = dict(zip(names, fields, strict=True))
            if stated := _only_units({name: cells[name] for name in columns}):
                return stated
    return {}


def plain_unit(cell: str) -> str:
    """Return a unit without case, brackets, full stop and, before a direction, blanks."""
    unit = cell.strip(" ()[]{}<>.").lower()
    return re.sub(r"^(deg|degrees?|°)[ .]*(east|west|north|[ewn])$", _direction, unit)


def _direction(found: "re.Match[str]") -> str:
    return f"deg{found[2][0]}"


def _only_units(cells: dict[str, str]) -> dict[str, str]:
    units = {name: plain_unit(cell) for name, cell in cells.items()}
    known = {*LENGTHS, *OTHER_LENGTHS, *OTHER_ANGLES, *_WEST, *_EAST, *_NORTH, *_DEGREES, *_NONE}
    if not set(units.values()) <= known:
        return {}
    return {name: unit for name, unit in units.items() if unit not in _NONE}


def stated_units(schema: Any) -> dict[str, str]:
    """Column -> unit, as the metadata of a Parquet file's columns or pandas' attrs state it."""
    units = {}
    for field in schema:
        for key in (b"unit", b"units"):
            if key in (field.metadata or {}):
                units[field.name] = plain_unit(field.metadata[key].decode(errors="replace"))
    attributes = json.loads((schema.metadata or {}).get(b"PANDAS_ATTRS", b"{}"))
    for word in ("unit", "units"):
        given = attributes.get(word) if isinstance(attributes, dict) else None
        for name, unit in given.items() if isinstance(given, dict) else ():
            units[str(name)] = plain_unit(str(unit))
    return units


def apply_units(
    matched: Columns, units: Mapping[str, str], path: Path
) -> tuple[Columns, list[str]]:
    """Name the fields by the units that the table states.

    Raises:
        CatalogueError: a unit contradicts a column's name, or is none that we know.
    """
    found, rivals, notes = dict(matched.found), dict(matched.rivals), []
    for field, name in matched.found.items():
        unit = units.get(name)
        if unit is None or field not in NUMBERS:
            continue
        if field.startswith(("diameter", "radius")) and not field.endswith("_px"):
            kind = "km" if unit in KILOMETRES else "m" if unit in METRES else None
            new = f"{field.split('_')[0]}_{kind}"
            wrong = kind is None or ("_" in field and field != new)
        elif field.startswith("longitude") and unit in _WEST:
            new, wrong = "longitude_west", False
        elif field.endswith("_px"):
            continue
        else:
            towards = [*(_EAST if field.endswith("longitude_deg") else ()),
                       *(_NORTH if field.endswith("latitude_deg") else ())]  # fmt: skip
            new, wrong = field, unit not in (*_DEGREES, *towards)
        if wrong:
            raise CatalogueError(
                f"{path}: the unit {unit!r} of column {name!r} does not fit {field}. "
                f"{remedy(unit)}, or correct the unit."
            )
        del found[field]
        if new in found:  # such as `diameter` in km beside `diameter_km`
            rivals[name] = new
        else:
            found[new] = name
        notes.append(f"column {name!r} is in {unit}")
    return replace(matched, found=found, rivals=rivals), notes


def remedy(unit: str) -> str:
    """Say how to bring numbers of a unit to km or degrees."""
    if unit in OTHER_LENGTHS:
        return f"Multiply by {OTHER_LENGTHS[unit]:g} for km"
    return f"Multiply {OTHER_ANGLES[unit]} for degrees" if unit in OTHER_ANGLES else "Correct it"
