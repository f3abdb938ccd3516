"""Read the columns that say the unit of a size or an angle in the column beside them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.unit_names import LENGTHS, OTHER_LENGTHS
from lunar_models.catalogue.units import plain_unit, remedy
from lunar_models.catalogue.values import carry_units, cell_text
from lunar_models.errors import CatalogueError

_MAY_BE_GEOLOGICAL = ("unit", "units")


def stated_beside(table: pd.DataFrame, matched: Columns, path: Path) -> dict[str, str]:
    """Find the units of longitudes and latitudes that columns such as `lon_unit` hold.

    Returns:
        column of angles -> its unit, for `units.apply_units`.

    Raises:
        CatalogueError: such a column holds several units, or leaves some out.
    """
    stated = {}
    for axis in ("longitude", "latitude"):
        beside = matched.found.get(f"{axis}_unit")
        fields = [f for f in (f"{axis}_deg", f"{axis}_west") if f in matched.found]
        if beside is None or not fields:
            continue
        given = cell_text(table[beside]).map(plain_unit)
        kinds = sorted(given.unique())
        if kinds not in ([""], []):
            if len(kinds) > 1:
                raise CatalogueError(
                    f"{path}: column {beside!r} holds several units or none in some cells "
                    f"({', '.join(map(repr, kinds[:4]))}). Write one unit in all, or remove it "
                    "if all are degrees."
                )
            stated[matched.found[fields[0]]] = kinds[0]
    return stated


def apply_units_beside(
    table: pd.DataFrame,
    matched: Columns,
    numbers: dict[str, Float64Array],
    notes: list[str],
    path: Path,
) -> Columns:
    """Bring sizes to km by the units in their cells, or in a column beside them.

    Raises:
        CatalogueError: that column contradicts the name, or holds what is no unit that we know.
    """
    size = matched.size
    assert size is not None
    name = matched.found[size]
    kind, own = size.split("_")[0], (*size.split("_"), None)[1]
    beside = _unit_column(matched.found, kind)
    factor = None if beside is None else _kilometres(table, beside, numbers[size], matched, path)
    if (
        factor is not None
        and own is not None
        and (factor[np.isfinite(factor)] != LENGTHS[own]).any()
    ):
        raise CatalogueError(
            f"{path}: column {beside!r} says other units than the name of {name!r}. Correct one, "
            f"or rename {beside!r}."
        )
    in_cells = carry_units(table[name])
    if factor is not None and in_cells:
        _check_cells(table[name], factor, beside, path)
        factor = None
    if own is not None or (factor is None and not in_cells):
        return matched
    if factor is not None:
        _check_complete(factor, numbers[size], f"{beside!r} gives the unit of {name!r}", path)
        numbers[size] = numbers[size] * factor
        notes.append(f"column {beside!r} gives the unit of {name!r}")
    numbers[f"{kind}_km"] = numbers.pop(size)
    found = {field: column for field, column in matched.found.items() if field != size}
    return replace(matched, found={**found, f"{kind}_km": name})


def _check_complete(factor: Float64Array, sizes: Float64Array, says: str, path: Path) -> None:
    empty = np.isnan(factor) & np.isfinite(sizes)
    if empty.any():
        raise CatalogueError(
            f"{path}: column {says}, but is empty in {int(empty.sum())} rows, first in row "
            f"{int(np.flatnonzero(empty)[0]) + 1}. Write the unit in all."
        )


def _check_cells(
    sizes: "pd.Series[str]", factor: Float64Array, beside: str | None, path: Path
) -> None:
    """Raise CatalogueError where the unit in a cell, such as `5 m`, is not that beside it."""
    unit = cell_text(sizes).str.extract(r"(?i)\d\s*(km|m)$")[0].str.lower()
    own = unit.map(LENGTHS).to_numpy()
    apart = np.isfinite(own) & np.isfinite(factor) & (own != factor)
    if apart.any():
        row = int(np.flatnonzero(apart)[0])
        raise CatalogueError(
            f"{path}: row {row + 1} has {sizes.iloc[row]!r}, but column {beside!r} says another "
            "unit. Correct one."
        )


def _unit_column(found: Mapping[str, str], kind: str) -> str | None:
    """The column of units of the diameters or radii; `diameter_unit` is the diameters' own."""
    if kind == "radius" and "radius_unit" in found:
        return found["radius_unit"]
    of_another = kind == "radius" and "diameter" in found
    return None if of_another else found.get("diameter_unit")


def _kilometres(
    table: pd.DataFrame, beside: str, sizes: Float64Array, matched: Columns, path: Path
) -> Float64Array | None:
    """Kilometres of the unit in each cell, NaN where it is empty; None for geological units.

    Raises:
        CatalogueError: a cell of a row with a size holds what is no unit that we know.
    """
    units = cell_text(table[beside]).map(plain_unit)
    said = units[(units != "") & np.isfinite(sizes)]
    strict = matched.mapped or plain_name(beside) not in _MAY_BE_GEOLOGICAL
    if said.empty or (not strict and not said.isin([*LENGTHS, *OTHER_LENGTHS]).any()):
        return None
    unknown = said[~said.isin([*LENGTHS])]
    if len(unknown):
        unit = unknown.iloc[0]
        cell = str(table[beside].loc[unknown.index[0]])
        what = remedy(unit) if unit in OTHER_LENGTHS else "Write km or m"
        geological = "" if strict else f", or rename {beside!r} if it holds geological units"
        raise CatalogueError(
            f"{path}: column {beside!r} gives the unit {cell!r} in row {unknown.index[0] + 1}, "
            f"which is not read. {what}{geological}."
        )
    return np.asarray(units.map(LENGTHS), np.float64)
