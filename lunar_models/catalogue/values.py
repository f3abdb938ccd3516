"""Parse numbers of catalogues: hemispheres, degrees and minutes, decimal commas, thousands."""

from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.angles import check_axis, read_angles, sun_angles
from lunar_models.catalogue.column_names import SUN_COLUMNS
from lunar_models.errors import CatalogueError

_FORTRAN = r"^([-+]?\d*\.\d*)[dD]([-+]?\d{1,2})$"
_SIGNS = str.maketrans(dict.fromkeys("\u2212\u2013\u2010\u2011\uff0d\ufe63", "-"))
_GROUPED = r"[^.,\d]*\d{1,3}(?:\.\d{3})+(?:,\d+)?[^.,\d]*"
"""Thousands grouped by points, beside a decimal comma."""
_UNITS = {"km": {"km": 1.0, "m": 1e-3}, "m": {"km": 1e3, "m": 1.0}, "px": {"px": 1.0}}
"""Of a field -> of a value -> factor."""
_MISSING = ("", "nan", "na", "n/a", "null", "none", "-", "--")


def read_numbers(columns: dict[str, "pd.Series[Any]"], name: str) -> dict[str, Float64Array]:
    """Read columns of numbers, or of text with numbers, by one convention for all of them.

    Args:
        columns: field -> values; longitudes and latitudes may carry N, S, E, W and minutes.
        name: how error messages call the table.

    Returns:
        field -> float64, NaN where there is no number.

    Raises:
        CatalogueError: commas may be decimal or separate thousands; a longitude says N or S, or
            a latitude E or W; a cell of the Sun's columns is no angle.
    """
    texts = {key: cell_text(values) for key, values in columns.items() if not is_number(values)}
    convention = _comma_convention(texts, name)
    result = {}
    for key, values in columns.items():
        if key not in texts:
            result[key] = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
        elif key.startswith(("longitude", "latitude")):
            check_axis(key, texts[key], values.name, name)
            result[key] = read_angles(_plain_numbers(texts[key], convention))
        elif key in SUN_COLUMNS:
            result[key] = sun_angles(key, _plain_numbers(texts[key], convention), values, name)
        else:
            result[key] = _lengths(key, _plain_numbers(texts[key], convention), name)
    return result


def carry_units(values: "pd.Series[Any]") -> bool:
    """Whether cells of a column of sizes name their units."""
    return not is_number(values) and bool(
        cell_text(values).str.contains(r"(?i)\dk?m$|\sk?m$").any()
    )


def carry_directions(values: "pd.Series[Any]") -> bool:
    """Whether the cells of a column of longitudes say E or W.

    Raises:
        CatalogueError: some do and others do not.
    """
    if is_number(values):
        return False
    text = cell_text(values)
    text = text[text != ""]
    named = text.str.contains(r"(?i)^(?:[ew]|east|west)\b|(?:[ew]|east|west)$")
    if named.any() and not named.all():
        raise CatalogueError(
            f"Column {values.name!r} says east or west in some cells, such as "
            f"{text[named].iloc[0]!r}, and not in others, such as {text[~named].iloc[0]!r}. Write "
            "it in all."
        )
    return bool(named.any())


def _lengths(key: str, text: "pd.Series[str]", name: str) -> Float64Array:
    """Numbers that may carry their unit, in the unit of their field (kilometres if it has none).

    Raises:
        CatalogueError: some carry a unit and others do not, nor does the field.
    """
    parts = text.str.extract(r"(?i)^(?P<number>.*?)\s*(?P<unit>km|m|px)?$")
    unit = parts["unit"].str.lower()
    if key in ("diameter", "radius") and unit.notna().any() and (unit.isna() & (text != "")).any():
        raise CatalogueError(
            f"{name}: some sizes carry a unit, such as {text[unit.notna()].iloc[0]!r}, and others "
            f"do not, such as {text[unit.isna() & (text != '')].iloc[0]!r}. Write it for all."
        )
    own = "px" if key.endswith("_px") else "m" if key.endswith("_m") else "km"
    factor = unit.map(_UNITS[own]).where(unit.notna(), 1.0).astype(np.float64)
    numbers = pd.to_numeric(parts["number"], errors="coerce").to_numpy(np.float64)
    return np.asarray(numbers * factor.to_numpy())


def is_number(values: "pd.Series[Any]") -> bool:
    """Whether a column is of numbers, truth values not among them."""
    kind = pd.api.types
    return bool(kind.is_numeric_dtype(values) and not kind.is_bool_dtype(values))


def cell_text(values: "pd.Series[Any]") -> "pd.Series[str]":
    """Cells as text with plain minus signs and exponents, empty where they say missing."""
    text = values.astype("str").fillna("").str.strip().str.translate(_SIGNS)
    text = text.str.replace(_FORTRAN, r"\1e\2", regex=True)
    return text.where(~text.str.lower().isin(_MISSING), "")


def _comma_convention(texts: dict[str, "pd.Series[str]"], name: str) -> str:
    """``decimal``, ``thousands`` or ``none``: what a comma means in these columns."""
    everything = pd.concat(list(texts.values())) if texts else pd.Series(dtype="str")
    convention = _meaning_of_commas(everything, texts, name)
    points = everything[everything.str.contains(".", regex=False)]
    odd = points[~points.str.fullmatch(_GROUPED)]
    if convention == "decimal" and len(odd):
        comma = everything[everything.str.contains(",", regex=False)].iloc[0]
        raise CatalogueError(
            f"{name}: {comma!r} has a decimal comma, {odd.iloc[0]!r} a decimal point. Write all "
            "numbers with decimal points."
        )
    return convention


def _meaning_of_commas(
    values: "pd.Series[str]", texts: dict[str, "pd.Series[str]"], name: str
) -> str:
    values = values[values.str.contains(",", regex=False)]
    if values.empty:
        return "none"
    if (values.str.contains(r"\..*,") | values.str.contains(r",.*,.*,")).any():
        decimal = bool(values.str.contains(r"\..*,").any())  # 1.234,5
        return "decimal" if decimal else "thousands"
    if values.str.contains(r",.*\.").any():  # 1,234.5
        return "thousands"
    if (~values.str.fullmatch(r"[^,]*\d{1,3}(?:,\d{3})+\D*")).any():
        return "decimal"
    for key in ("longitude_deg", "latitude_deg", "longitude_west"):
        if key in texts and texts[key].str.contains(",", regex=False).any():
            return "decimal"  # no longitude reaches a thousand
    others = [t for key, t in texts.items() if key.startswith(("longitude", "latitude"))]
    if any(text.str.contains(".", regex=False).any() for text in others):
        return "thousands"  # decimal points beside
    raise CatalogueError(
        f"{name}: the comma in {values.iloc[0]!r} may be decimal or separate thousands. Write such "
        "numbers without comma."
    )


def _plain_numbers(text: "pd.Series[str]", convention: str) -> "pd.Series[str]":
    """Numbers with a decimal point and without separators of thousands."""
    text = text.str.replace(r"(?<=\d)['’_\u00a0\u2009\u202f ](?=\d{3}(?:\D|$))", "", regex=True)
    if convention == "decimal":
        return text.str.replace(r"\.(?=\d{3}(?:\D|$))", "", regex=True).str.replace(",", ".")
    return text.str.replace(",", "") if convention == "thousands" else text


def read_sun_azimuths(values: "pd.Series[Any]", name: str) -> Float64Array:
    """Read azimuths in degrees from numbers or text; NaN where a cell is empty.

    Raises:
        CatalogueError: a cell is neither empty nor an angle.
    """
    return read_numbers({"sun_azimuth_deg": values}, name)["sun_azimuth_deg"]
