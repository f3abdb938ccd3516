"""Read angles from text: degrees and minutes, directions, angles of the Sun."""

import re
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.errors import CatalogueError

_SIDE = "N|S|E|W|North|South|East|West"
_ANGLE = re.compile(
    rf"(?P<before>{_SIDE})?\s*(?P<degrees>[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*(?:[°º˚d:]|deg)?\s*"
    r"(?:(?P<minutes>\d+(?:\.\d+)?)\s*(?:['’‘′´:]|(?P<letter>m))\s*)?"
    r"(?:(?P<seconds>\d+(?:\.\d+)?)\s*(?:\"|″|”|“|''|’’|′′|(?(letter)(?-i:s)|(?!)))?\s*)?"
    rf"(?P<after>{_SIDE})?",
    re.IGNORECASE,
)


def _says(sides: str) -> str:
    """Pattern of numbers with one of these directions before or behind them."""
    return rf"(?i)^(?:{sides})\s*[-+]?\d|[\d.°º˚'’‘′´\"″”“]\s*(?:{sides})$"


_MINUTES_BY_BLANKS = re.compile(
    rf"((?:{_SIDE})?\s*[-+]?\d+)\s+(\d+(?:\.\d+)?)(?:\s+(\d+(?:\.\d+)?))?(\s*(?:{_SIDE})?)",
    re.IGNORECASE,
)
"""``20 30 00``, or ``20 30 W``: two numbers are only an angle if a direction follows."""
_OTHER_AXIS = {
    "longitude": (_says("N|S|North|South"), "N or S", "latitude"),
    "latitude": (_says("E|W|East|West"), "E or W", "longitude"),
}
_MARKS = {
    "longitude": ("E|East", "W|West"),
    "latitude": ("N|North", "S|South"),
}
_DEGREES = r"(?i)\s*(?:[°º˚]|deg(?:ree)?s?\b\.?)"
_E = r"(?<!\d)E|E(?![-+\d])"  # of no exponent
_FOREIGN = {"EW": "(?i)[NS]", "NS": f"(?i)W|{_E}", "": f"(?i)[NSW]|{_E}"}
"""Directions that an angle along an axis cannot have."""
_UNKNOWN = ("unknown", "unk", "?", "n.a.", "<na>")


def read_angles(text: "pd.Series[str]") -> Float64Array:
    """Read degrees of texts such as ``-12.3``, ``12.3 W``, ``S 12°30'``.

    Returns:
        (N,) NaN where a text is no angle.
    """
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(np.float64).copy()
    for n in np.flatnonzero(np.isnan(numbers) & (text != "").to_numpy()):
        match = _ANGLE.fullmatch(_with_marks(text.iloc[n]))
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
            value = value + 360.0 if side[0] == "w" and value < -180.0 else value  # 339.5 W
        numbers[n] = value
    return numbers


def _with_marks(text: str) -> str:
    """An angle whose minutes are parted by blanks with their marks; others as they are."""
    match = _MINUTES_BY_BLANKS.fullmatch(text)
    if match is None:
        return text
    degrees, minutes, seconds, after = match.groups()
    if seconds is None and not (after.strip() or degrees[0].isalpha()):
        return text
    return f"{degrees}°{minutes}'{seconds or 0}\"{after}"


def check_axis(key: str, text: "pd.Series[str]", column: object, name: str) -> None:
    """Raise CatalogueError for cells of a longitude that say N or S, of a latitude E or W."""
    axis = "longitude" if key.startswith("longitude") else "latitude"
    pattern, letters, other = _OTHER_AXIS[axis]
    wrong = text[text.str.contains(pattern)]
    if len(wrong):
        raise CatalogueError(
            f"{name}: column {column!r}, taken as {axis}, has cells that say {letters}, such as "
            f"{wrong.iloc[0]!r}, which is a {other}. If the columns are exchanged, correct their "
            f"names or say columns={other}_deg={column},…; else correct the cells."
        )
    _check_marks(axis, text, column, name)


def _check_marks(axis: str, text: "pd.Series[str]", column: object, name: str) -> None:
    """Raise CatalogueError for directions that leave open what cells mean.

    E or N in some cells and nothing in others; W beyond 180 deg beside E, which may be the half in
    which a longitude of 0 to 360 deg east lies.
    """
    positive, negative = (text.str.contains(_says(sides)) for sides in _MARKS[axis])
    bare = ~(positive | negative) & (text != "") & ~text.str.startswith("-")
    bare &= pd.to_numeric(text, errors="coerce") != 0.0
    if positive.any() and bare.any():
        raise CatalogueError(
            f"{name}: column {column!r} says a direction in some cells, such as "
            f"{text[positive].iloc[0]!r}, and not in others, such as {text[bare].iloc[0]!r}. Write "
            "it in all."
        )
    number = text[negative].str.extract(r"(\d+(?:\.\d+)?)")[0].astype(float)
    beyond = number[number > 180.0]
    if axis == "longitude" and positive.any() and len(beyond):
        raise CatalogueError(
            f"{name}: column {column!r} holds {text[beyond.index[0]]!r} beside longitudes east. If "
            "the letter says the half in which an eastward longitude of 0 to 360 deg lies, remove "
            "the letters; else write it as longitude east."
        )


def sun_angles(
    key: str, text: "pd.Series[str]", values: "pd.Series[Any]", name: str
) -> Float64Array:
    """Read angles of the Sun: ``270 deg``, ``12°30'`` and, of sub-solar points, ``30 W``.

    Args:
        key: one of `column_names.SUN_COLUMNS`.
        text: N cells with decimal points, with or without units; empty where unknown.
        values: the cells as they came, for messages.
        name: how error messages call the table.

    Returns:
        (N,) degrees, NaN where unknown.

    Raises:
        CatalogueError: a cell is neither empty nor an angle of its axis.
    """
    text = text.str.replace(_DEGREES, "°", regex=True)
    axis = "EW" if "longitude" in key else "NS" if "latitude" in key else ""
    foreign = text.str.contains(_FOREIGN[axis], regex=True)
    angles = np.where(foreign, np.nan, read_angles(text))
    missing = (text == "") | values.isna() | text.str.lower().isin(_UNKNOWN)
    if len(lost := np.flatnonzero(np.isnan(angles) & ~missing.to_numpy())):
        row = int(lost[0])
        also = f", with directions {axis[0]} or {axis[1]} where they have any" if axis else ""
        raise CatalogueError(
            f"{name}: row {row + 1} of column {values.name} holds {values.iloc[row]!r}, which is "
            f"not understood as {key}. Write numbers of degrees{also}; leave unknown cells empty."
        )
    return angles
