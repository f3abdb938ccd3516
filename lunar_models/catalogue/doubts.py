"""Find what contradicts the reading of a catalogue: rival columns, swapped axes, odd units."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.column_names import BOX, SIZES
from lunar_models.catalogue.columns import DBF_LETTERS, Columns
from lunar_models.catalogue.values import read_numbers
from lunar_models.errors import CatalogueError

_MANY = 0.01
"""Part of the rows that must contradict before a catalogue is refused rather than the rows."""
_MANY_LATITUDES = 0.25
_APART_DEG = 0.05
_APART_FACTOR = 1.1
_LEAST_ROWS = 3
_SMALL_M = 100.0
_LARGE_KM = 300.0
"""Few craters of the Moon are larger."""
_GAP_FACTOR = 4.0
"""Between sizes in kilometres and in metres of one column."""
_LEAST_DECIMALS = 15
"""Different ones; so many are all below 60 once in 2,000 catalogues for each coordinate."""
_ELONGATED = 1.5
_SUMMARY = re.compile(
    r"(?:(?:grand |sub-?)?(?:means?|averages?|avg|medians?|totals?|sums?|std|stdev|minimum|maximum)"
    r"(?!-?\w).*|min|max|n ?= ?\d+|[σ∑].*)"
)
_CRATERS = ("crater", "satellite")

_KM = {"diameter_km": 1.0, "diameter_m": 1e-3, "radius_km": 2.0, "radius_m": 2e-3}
_ANGLES = {"longitude_deg": 360.0, "longitude_west": 360.0, "latitude_deg": 90.0}


def check_rivals(
    table: pd.DataFrame, matched: Columns, numbers: Mapping[str, Float64Array], path: Path
) -> None:
    """Make sure that columns which may each be the same field say the same.

    Raises:
        CatalogueError: they do not; asks which is meant.
    """
    for name, field in matched.rivals.items():
        other = read_numbers({field: table[name]}, str(path))[field]
        here = numbers[field]
        if field in _ANGLES:
            if not (np.abs(other[np.isfinite(other)]) <= _ANGLES[field]).all():
                continue  # metres of a map
            apart = np.abs((other - here + 180.0) % 360.0 - 180.0) > _APART_DEG
        else:
            apart = _differ(other, here)
        _refuse(apart, other, here, matched.found[field], name, field, path)
    sizes = [field for field in SIZES if field in matched.found and field in _KM]
    for field in sizes[1:]:
        here, other = numbers[sizes[0]] * _KM[sizes[0]], numbers[field] * _KM[field]
        names = matched.found[sizes[0]], matched.found[field]
        _refuse(_differ(other, here), other, here, *names, sizes[0], path)
    if sizes and sizes[0].startswith("radius") and "diameter" in numbers:
        here, other = numbers[sizes[0]] * _KM[sizes[0]], numbers["diameter"]
        apart = min((_differ(other * km, here) for km in (1.0, 1e-3)), key=np.sum)
        names = matched.found[sizes[0]], matched.found["diameter"]
        _refuse(apart, other, here, *names, sizes[0], path)


def _differ(one: Float64Array, other: Float64Array) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.abs(np.log(one / other)) > np.log(_APART_FACTOR)


def _refuse(
    apart: Any,
    one: Float64Array,
    other: Float64Array,
    first: str,
    second: str,
    field: str,
    path: Path,
) -> None:
    both = np.isfinite(one) & np.isfinite(other)
    if both.any() and apart[both].mean() > _MANY:
        row = int(np.flatnonzero(both & apart)[0])
        raise CatalogueError(
            f"{path}: columns {first!r} and {second!r} may both be {field}, but differ in "
            f"{int(apart[both].sum())} of {len(one)} rows, first in row {row + 1}. Say which is "
            f"meant: columns=…,{field}={first},… (or rename the other)."
        )


def check_latitudes(latitude: Float64Array, longitude: Float64Array, path: Path) -> None:
    """Make sure that latitudes are neither longitudes nor counted from a pole.

    Raises:
        CatalogueError: many of them lie beyond 90 degrees.
    """
    beyond = (np.abs(latitude) > 90.0) & (np.abs(latitude) <= 360.0)
    if beyond.sum() < _LEAST_ROWS or beyond.mean() < _MANY_LATITUDES:
        return
    finite = latitude[np.isfinite(latitude)]
    if (finite >= 0.0).all() and finite.max() <= 180.0:
        guess = "they may be counted from a pole; write 90 minus them"
    elif (np.abs(longitude[np.isfinite(longitude)]) <= 90.0).all():
        guess = "they and the longitudes may be exchanged; say which is which with columns="
    else:
        guess = "say which column holds them with columns="
    raise CatalogueError(
        f"{path}: {int(beyond.sum())} of {len(latitude)} latitudes lie beyond 90 deg "
        f"({latitude[beyond][0]:g} first); {guess}."
    )


def doubtful_units(
    numbers: Mapping[str, Float64Array], rows: pd.DataFrame, matched: Columns, path: Path
) -> list[str]:
    """Remarks on values that another unit would explain as well.

    Raises:
        CatalogueError: the unit is that of a name that may have been cut, such as `diameter_m`.
    """
    notes, size = [], matched.size
    latitude, longitude = rows["latitude_deg"].abs().max(), rows["longitude_deg"].abs().max()
    if len(rows) >= _LEAST_ROWS and 1.0 < latitude <= np.pi / 2.0 and longitude <= 2.0 * np.pi:
        notes.append("all coordinates are so small that they may be radians; degrees are taken")
    for key, turn in (("incidence_deg", 0.5 * np.pi), ("sun_azimuth_deg", 2.0 * np.pi)):
        values = numbers.get(key, np.empty(0))
        known = values[np.isfinite(values)]
        if known.size >= _LEAST_ROWS and 0.0 < known.max() <= turn and known.min() >= 0.0:
            notes.append(f"all {key} are so small that they may be radians; degrees are taken")
    if size in ("diameter_m", "radius_m"):
        largest = np.nanmax(numbers[size], initial=0.0)
        name = matched.found[size]
        if 0.0 < largest <= _SMALL_M and matched.truncated and len(name) == DBF_LETTERS:
            raise CatalogueError(
                f"{path}: the name of column {name!r} may have been cut (from {name}ean_km, …), "
                f"and its largest value is {largest:g}. Say the unit: columns=…,{size}={name} "
                f"or columns=…,{size[:-1]}km={name}."
            )
        if 0.0 < largest <= _SMALL_M:
            notes.append(
                f"the largest {size.split('_')[0]} is {largest:g} m; if the column holds "
                f"kilometres, say {size[:-1]}km=NAME in columns="
            )
    return [*notes, *_mixed_units(rows["diameter_km"].to_numpy(), matched)]


def unknown_places(rows: pd.DataFrame) -> list[str]:
    """Remark on craters at longitude and latitude 0, which spreadsheets make of empty cells."""
    count = int(((rows["latitude_deg"] == 0.0) & (rows["longitude_deg"] == 0.0)).sum())
    text = f"{count} craters lie at exactly 0, 0, which may stand for unknown places"
    return [text] if count >= _LEAST_ROWS else []


def minutes_as_decimals(rows: pd.DataFrame) -> list[str]:
    """Remark on coordinates whose two decimals are below 60 throughout, as minutes are."""
    places = rows[["longitude_deg", "latitude_deg"]].abs().dropna().to_numpy()
    hundredths = np.round(places * 100.0)
    written = bool((np.abs(places * 100.0 - hundredths) < 1e-6).all())
    different = [len(np.unique(column)) for column in hundredths.T % 100.0]
    if not written or min(different) < _LEAST_DECIMALS or (hundredths % 100.0 >= 60.0).any():
        return []
    return ["no decimals of the coordinates exceed 59; if they are minutes, write decimal degrees"]


def _mixed_units(diameter_km: Float64Array, matched: Columns) -> list[str]:
    """Remark on sizes that part into two groups, which are alike if one is metres."""
    known = np.sort(diameter_km[diameter_km > 0.0])
    if len(known) < 2 * _LEAST_ROWS:
        return []
    steps = known[1:] / known[:-1]
    cut = int(np.argmax(steps)) + 1
    small, large = known[:cut], known[cut:]
    metres = (matched.size or "").endswith("_m")
    odd = small[-1] < _SMALL_M / 1e3 if metres else large[0] > _LARGE_KM
    middle = float(np.median(large)) / 1e3
    alike = small[0] / _GAP_FACTOR < middle < small[-1] * _GAP_FACTOR
    if min(cut, len(large)) < _LEAST_ROWS or steps[cut - 1] < _GAP_FACTOR or not (odd and alike):
        return []
    unit, factor = ("m", 1e3) if metres else ("km", 1.0)
    return [
        f"{cut} sizes are at most {small[-1] * factor:g} {unit} and {len(large)} at least "
        f"{large[0] * factor:g} {unit}; the column may mix metres and kilometres"
    ]


def check_pixels(boxes: Mapping[str, Float64Array], path: Path) -> None:
    """Make sure that pixels are no degrees, nor parts of the image's width and height as in YOLO.

    Args:
        boxes: x_px, y_px and diameter_px, (n,) each.
        path: of the file, for messages.

    Raises:
        CatalogueError: all of them are 1 at most, or many centres or sizes are below 0.
    """
    below = np.any([boxes[name] < 0.0 for name in ("x_px", "y_px", "diameter_px")], axis=0)
    if below.sum() >= _LEAST_ROWS and below.mean() > _MANY_LATITUDES:
        raise CatalogueError(
            f"{path}: {int(below.sum())} of {len(below)} craters in pixels have a centre or size "
            "below 0. If these are degrees or metres of a map, give longitude_deg, latitude_deg "
            "and diameter_km; pixels count rightward and downward from the upper left corner."
        )
    values = np.concatenate([boxes[name] for name in ("x_px", "y_px", "diameter_px")])
    values = values[np.isfinite(values)]
    if values.size and (np.abs(values) <= 1.0).all():
        raise CatalogueError(
            f"{path}: all pixels are {values.max():g} at most, which looks like fractions of "
            "the image's width and height (YOLO). Multiply x by its width, y by its height."
        )


def elongated_boxes(numbers: Mapping[str, Float64Array]) -> list[str]:
    """Remark on boxes that are no squares, whose craters an edge or a fault may have cut."""
    if not set(BOX) <= numbers.keys():
        return []
    left, top, right, bottom = (numbers[name] for name in BOX)
    with np.errstate(divide="ignore", invalid="ignore"):
        shape = np.abs(np.log((right - left) / (bottom - top)))
    count = int((shape > np.log(_ELONGATED)).sum())
    text = f"{count} boxes are over {_ELONGATED} times as long as wide; the mean is their diameter"
    return [text] if count else []


def foreign_rows(table: pd.DataFrame, matched: Columns, ids: "pd.Series[str]") -> Any:
    """Why rows are not craters of the Moon: other bodies, other features, means and totals."""
    fault = pd.Series("", index=table.index, dtype="object")
    summary = ids.astype("str").str.strip(" :").str.lower().str.fullmatch(_SUMMARY).to_numpy()
    fault[summary] = "sums up other rows by its name"
    if "body" in matched.found:
        body = table[matched.found["body"]].astype("str").str.strip()
        other = ~body.str.lower().isin(["moon", "luna", "", "nan", "none", "<na>"])
        fault[other] = "is of " + body[other] + ", not of the Moon"
    if "feature_type" in matched.found:
        kind = table[matched.found["feature_type"]].astype("str").str.strip()
        other = ~kind.str.lower().str.contains("|".join(_CRATERS)) & (kind.str.lower() != "nan")
        other &= kind != ""
        fault[other & (fault == "")] = "is " + kind[other] + ", not a crater"
    return fault.to_numpy()
