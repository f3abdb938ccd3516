"""Interpret the columns of a catalogue as ids, coordinates and diameters, and report how.

Ambiguous input is refused with a question, never guessed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.column_names import BOX, NUMBERS, SUN_COLUMNS
from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.doubts import (
    check_latitudes,
    check_pixels,
    check_rivals,
    doubtful_units,
    elongated_boxes,
    foreign_rows,
    minutes_as_decimals,
    unknown_places,
)
from lunar_models.catalogue.geometry_checks import check_geometry, check_outlines
from lunar_models.catalogue.hemispheres import (
    apply_hemisphere,
    check_west,
    eastward,
    hemisphere_column,
)
from lunar_models.catalogue.times import sub_solar_columns
from lunar_models.catalogue.unit_columns import apply_units_beside, stated_beside
from lunar_models.catalogue.units import apply_units, check_word_rows, split_units_row
from lunar_models.catalogue.values import carry_directions, read_numbers
from lunar_models.errors import CatalogueError
from lunar_models.moon import MOON_RADIUS_KM

_OWN_IDS = ("crater_id", "craterid", "id", "feature_id")
"""Columns that name each crater; others do only where no value is empty or repeated."""

_TO_KM = {"diameter_km": 1.0, "diameter_m": 1e-3, "radius_km": 2.0, "radius_m": 2e-3,
          "diameter": 1.0, "radius": 2.0}  # fmt: skip
_LARGE_KM = 60.0
"""Half of a catalogue's craters are not larger than this, so such numbers are a question."""


@dataclass(frozen=True)
class CatalogueReading:
    """The rows of a catalogue before validation, and how they were interpreted."""

    rows: pd.DataFrame
    """crater_id (str), longitude_deg, latitude_deg, diameter_km (float64, NaN where there is no
    number), or x_px, y_px, diameter_px and image (str) of a catalogue in pixels; and fault (str)
    where a row is no crater of the Moon."""
    columns: dict[str, str]
    """Field -> the column that it was taken from."""
    notes: list[str] = field(default_factory=list)
    """Remarks, each a sentence without its full stop."""

    @property
    def pixels(self) -> bool:
        """Craters are given in pixels of an image."""
        return "x_px" in self.rows


def standardise(
    table: pd.DataFrame, matched: Columns, notes: list[str], path: Path
) -> CatalogueReading:
    """Turn a table into the fields of `CatalogueReading`.

    Args:
        table: the file's rows and columns.
        matched: which column holds what.
        notes: remarks made while reading.
        path: of the file, for messages.

    Raises:
        CatalogueError: units, signs or decimal commas may mean several things.
    """
    table, units = split_units_row(table, matched)
    check_word_rows(table, matched, path)
    matched, said = apply_units(matched, units, path)
    matched, more = apply_units(matched, stated_beside(table, matched, path), path)
    notes = [*notes, *said, *more]
    numbers = read_numbers(
        {key: table[name] for key, name in matched.found.items() if key in NUMBERS}, str(path)
    )
    check_rivals(table, matched, numbers, path)
    rows, taken = pd.DataFrame(index=pd.RangeIndex(len(table))), dict(matched.found)
    rows["crater_id"], column, said = _identifiers(table, matched)
    notes = [*notes, *said]
    if column is not None:
        taken = {"crater_id": column, **taken}
    if matched.pixels:
        boxes = _boxes(numbers, matched)
        check_pixels(boxes, path)
        notes += elongated_boxes(numbers)
        rows = rows.assign(**boxes)
        if "image" in matched.found:
            rows["image"] = table[matched.found["image"]].astype("str").str.strip().to_numpy()
    else:
        for axis in ("longitude", "latitude"):
            rows[f"{axis}_deg"] = _coordinate(axis, numbers, table, matched, taken, notes, path)
        check_west(rows["longitude_deg"].to_numpy(), numbers, table, matched, path)
        check_geometry(rows, table, matched, taken, path)
        check_latitudes(rows["latitude_deg"].to_numpy(), rows["longitude_deg"].to_numpy(), path)
        matched = apply_units_beside(table, matched, numbers, notes, path)
        rows["diameter_km"] = _diameters(numbers, matched, notes, path)
        size = matched.size or ""
        notes += check_outlines(rows, table, matched.size, matched.found[size], path)
        notes += doubtful_units(numbers, rows, matched, path)
        notes += unknown_places(rows) + minutes_as_decimals(rows)
    computed, said = sub_solar_columns(table, matched)
    notes += said
    sun = {key: numbers[key] for key in SUN_COLUMNS if key in numbers}
    rows = rows.assign(**computed, **sun)
    rows["fault"] = foreign_rows(table, matched, rows["crater_id"])
    return CatalogueReading(rows, taken, notes)


def _identifiers(table: pd.DataFrame, matched: Columns) -> tuple[Any, str | None, list[str]]:
    """Ids, the column that they come from (None: rows are numbered), and what to say of it."""
    for name in matched.identifiers:
        values = table[name]
        if pd.api.types.is_float_dtype(values) and (values.dropna() % 1.0 == 0.0).all():
            values = values.astype("Int64")  # whole numbers that a spreadsheet made floats
        texts = values.astype("str").where(values.notna(), "").str.strip()
        if len(texts) and texts.str.fullmatch(r"\d+\.0").all():
            texts = texts.str.removesuffix(".0")  # likewise, written as text
        plain = plain_name(name)
        empty = (texts == "").all() and len(matched.identifiers) > 1  # as KML's `id`
        if any(plain == plain_name(own) for own in _OWN_IDS) and not empty:
            return texts.to_numpy(), name, []
        only = len(matched.identifiers) == 1 and plain not in ("name", "crater")
        if only or ((texts != "").all() and not texts.duplicated().any()):
            return texts.to_numpy(), name, [f"ids are those of column {called(name)}"]
    numbered = np.array([f"row-{row:07d}" for row in range(1, len(table) + 1)], object)
    return (
        numbered,
        None,
        ["no column names each crater: rows are numbered row-0000001, row-0000002, …"],
    )


def called(name: str) -> str:
    """How remarks call a column, which may have no name, such as an index."""
    return repr(name) if name else "(without a name)"


def _boxes(numbers: Mapping[str, Float64Array], matched: Columns) -> dict[str, Float64Array]:
    """Centre and diameter in pixels, of circles or of boxes."""
    if "x_px" in matched.found and matched.size is not None:
        factor = 2.0 if matched.size == "radius_px" else 1.0
        return {
            "x_px": numbers["x_px"],
            "y_px": numbers["y_px"],
            "diameter_px": factor * numbers[matched.size],
        }
    left, top, right, bottom = (numbers[name] for name in BOX)
    return {
        "x_px": (left + right) / 2.0,
        "y_px": (top + bottom) / 2.0,
        "diameter_px": (right - left + bottom - top) / 2.0,
    }


def _coordinate(
    axis: str,
    numbers: Mapping[str, Float64Array],
    table: pd.DataFrame,
    matched: Columns,
    taken: dict[str, str],
    notes: list[str],
    path: Path,
) -> Float64Array:
    """Longitude (east positive) or latitude in degrees."""
    west = axis == "longitude" and "longitude_deg" not in numbers
    values = numbers["longitude_west" if west else f"{axis}_deg"]
    beside = hemisphere_column(axis, values, table, matched, path)
    if west and beside is None:
        name = matched.found["longitude_west"]
        if carry_directions(table[name]):
            notes.append(f"longitudes of {name!r} are east or west by their cells")
        else:
            values = eastward(values)
            notes.append(f"longitudes of {name!r} are positive west")
    if beside is not None:
        column, signs = beside
        values = apply_hemisphere(values, signs, axis, str(path), column)
        taken[f"{axis}_hemisphere"] = column
        notes.append(f"column {column!r} gives the sign of the {axis}")
    elif axis == "longitude" and not west and "coordinate_system" in matched.found:
        system = table[matched.found["coordinate_system"]].astype("str").str.lower()
        westward = system.str.contains(r"\+\s*west", regex=True).to_numpy()
        named = system.str.contains("east|west", regex=True).to_numpy()
        if westward.any() and not named.all():
            raise CatalogueError(
                f"{path}: column {matched.found['coordinate_system']!r} says +West in some rows "
                "and no direction in others. Write it in all."
            )
        if westward.any():
            values = np.where(westward, eastward(values), values)
            notes.append(f"{int(westward.sum())} longitudes are positive west by their system")
    return values


def _diameters(
    numbers: Mapping[str, Float64Array], matched: Columns, notes: list[str], path: Path
) -> Float64Array:
    size = matched.size
    assert size is not None
    name, km = matched.found[size], numbers[size] * _TO_KM[size]
    if size.startswith("radius"):
        notes.append(f"diameters are twice the radii of {name!r}")
    if size in ("diameter", "radius") and km.size and np.isfinite(km).any():
        largest, middle = float(np.nanmax(km)), float(np.nanmedian(km))
        if largest > 2.0 * MOON_RADIUS_KM or middle > _LARGE_KM:
            raise CatalogueError(
                f"{path}: column {name!r} names no unit, and its values (as diameters, median "
                f"{middle:g}, largest {largest:g}) are not those of craters in km. Say which unit: "
                f"columns=longitude_deg=…,latitude_deg=…,{size}_m={name} (or {size}_km={name})."
            )
        notes.append(f"{name!r} names no unit and is taken as km")
    elif np.isfinite(km).any() and np.nanmedian(km) > 2.0 * MOON_RADIUS_KM:
        raise CatalogueError(
            f"{path}: column {name!r} should be in km, but half of its values exceed the Moon's "
            f"diameter. For metres: columns=longitude_deg=…,latitude_deg=…,diameter_m={name}."
        )
    return km
