"""Parse numbers of catalogues: hemispheres, degrees and minutes, decimal commas, thousands."""

import re
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
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
_FORTRAN = r"^([-+]?\d*\.\d*)[dD]([-+]?\d{1,2})$"
_SIGNS = str.maketrans(dict.fromkeys("\u2212\u2013\u2010\u2011\uff0d\ufe63", "-"))
_ANGLE = re.compile(
    r"(?P<before>N|S|E|W|North|South|East|West)?\s*(?P<degrees>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:[°d:]|deg)?\s*"
    r"(?:(?P<minutes>\d+(?:\.\d+)?)\s*['′:m]\s*)?(?:(?P<seconds>\d+(?:\.\d+)?)\s*(?:\"|″|''|s)?\s*)?"
    r"(?P<after>N|S|E|W|North|South|East|West)?",
    re.IGNORECASE,
)
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
        CatalogueError: commas may be decimal or separate thousands.
    """
    texts = {key: _text(values) for key, values in columns.items() if not _is_number(values)}
    convention = _comma_convention(texts, name)
    result = {}
    for key, values in columns.items():
        if key not in texts:
            result[key] = pd.to_numeric(values, errors="coerce").to_numpy(np.float64)
        elif key.startswith(("longitude", "latitude")):
            result[key] = _angles(_plain_numbers(texts[key], convention))
        else:
            result[key] = _lengths(key, _plain_numbers(texts[key], convention), name)
    return result


def carry_units(values: "pd.Series[Any]") -> bool:
    """Whether cells of a column of sizes name their units."""
    return not _is_number(values) and bool(_text(values).str.contains(r"(?i)\dk?m$|\sk?m$").any())


def carry_directions(values: "pd.Series[Any]") -> bool:
    """Whether the cells of a column of longitudes say E or W.

    Raises:
        CatalogueError: some do and others do not.
    """
    if _is_number(values):
        return False
    text = _text(values)
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


def _is_number(values: "pd.Series[Any]") -> bool:
    kind = pd.api.types
    return bool(kind.is_numeric_dtype(values) and not kind.is_bool_dtype(values))


def _text(values: "pd.Series[Any]") -> "pd.Series[str]":
    text = values.astype("str").str.strip().str.translate(_SIGNS)
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


def _angles(text: "pd.Series[str]") -> Float64Array:
    """Degrees of texts such as ``-12.3``, ``12.3 W``, ``S 12°30'``."""
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(np.float64).copy()
    for n in np.flatnonzero(np.isnan(numbers) & (text != "").to_numpy()):
        match = _ANGLE.fullmatch(text.iloc[n])
        if match is None or (match["before"] and match["after"]):
            continue
        value = float(match["degrees"])
        part = float(match["minutes"] or 0.0) / 60.0 + float(match["seconds"] or 0.0) / 3600.0
        if match["seconds"] and not match["minutes"]:
            continue
        if max(float(match["minutes"] or 0.0), float(match["seconds"] or 0.0)) >= 60.0:
            continue
        value = value - part if match["degrees"].startswith("-") else value + part
        side = (match["before"] or match["after"] or "").lower()
        if side[:1] in ("w", "s"):
            value = -value if not match["degrees"].startswith("-") else np.nan
        numbers[n] = value
    return numbers


def hemisphere_signs(values: "pd.Series[Any]", axis: str) -> Float64Array | None:
    """Return +1 or -1 of a column of directions, NaN where empty; None for any other column.

    Args:
        values: of any type.
        axis: ``longitude`` (E, W) or ``latitude`` (N, S).

    Raises:
        CatalogueError: O may mean east (German) or west (French, Spanish, Italian): beside W it is
            the former, beside E the latter.
    """
    if _is_number(values):
        return None
    words = _text(values).str.lower().str.rstrip(".")
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
    numbers: Float64Array, signs: Float64Array, name: str, column: str
) -> Float64Array:
    """Apply the sign of the hemisphere given in another column.

    Raises:
        CatalogueError: a sign contradicts its hemisphere.
    """
    against = (numbers < 0.0) & (signs > 0.0)
    if against.any():
        row = int(np.flatnonzero(against)[0])
        raise CatalogueError(
            f"{name}: row {row + 1} has {numbers[row]:g}, but {column} says the positive "
            "hemisphere of longitude or latitude; leave out the column or the sign."
        )
    signed: Float64Array = np.where(np.isnan(signs), np.nan, np.abs(numbers) * signs)
    return signed
