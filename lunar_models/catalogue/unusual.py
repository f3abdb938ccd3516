"""Explain columns whose names say a unit or a quantity that is not read."""

import re
from collections.abc import Iterable

from lunar_models.catalogue.column_names import ALIASES
from lunar_models.catalogue.unit_names import LENGTHS, OTHER_ANGLES, OTHER_LENGTHS

_BASES = {
    kind: ("".join(alias.lower().split("_")) for field in fields for alias in ALIASES[field])
    for kind, fields in {
        "longitude": ("longitude_deg", "longitude_west"),
        "latitude": ("latitude_deg",),
        "diameter": ("diameter", "diameter_km", "diameter_m"),
        "radius": ("radius", "radius_km", "radius_m"),
    }.items()
}
_NAMES = {base: kind for kind, bases in _BASES.items() for base in bases}
_ON_ELLIPSOID = r"(?:planetographic|geodetic|geographic|graphic)"
_PLANETOGRAPHIC = rf"{_ON_ELLIPSOID}lat(?:itude)?\w*|lat(?:itude)?{_ON_ELLIPSOID}\w*"


def unusual_columns(plain_names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Find columns of an axis or size in another unit, in logarithms, or counted from a pole.

    Args:
        plain_names: as `columns.plain_name` gives them.

    Returns:
        plain name -> longitude, latitude, diameter or radius; and what is wrong and to be done.
    """
    return {name: said for name in plain_names if (said := _explain(name)) is not None}


def is_planetographic(plain_name: str) -> bool:
    """Whether a name is that of planetographic (geodetic) latitudes."""
    return re.fullmatch(_PLANETOGRAPHIC, plain_name) is not None


def _explain(name: str) -> tuple[str, str] | None:
    if re.match(r"(co-?lat|polardist)", name):
        return "latitude", "counts from a pole; write 90 minus it (if from the north pole)"
    if is_planetographic(name):
        return (
            "latitude",
            "is planetographic by its name, and planetocentric latitude is needed. On a sphere of "
            "1737.4 km both are equal: if the table is on it, say columns=…,latitude_deg=NAME. "
            "Else write atan((b/a)^2 tan(latitude)), a and b the equatorial and polar radius",
        )
    log = re.fullmatch(r"(?:log10|log|ln)[-:]?(\w+)|(\w+?)-?(?:log10|log|ln)", name)
    base = _NAMES.get(log[1] or log[2]) if log else None
    if base in ("diameter", "radius"):
        return base, "holds logarithms; write the values themselves, such as 10 to that power"
    for known, kind in _NAMES.items():
        unit = name.removeprefix(known).removeprefix("in") if name.startswith(known) else ""
        if kind in ("longitude", "latitude"):
            if unit in OTHER_ANGLES:
                return kind, f"is in another unit by its name; multiply {OTHER_ANGLES[unit]}"
            if unit in LENGTHS:
                return (
                    kind,
                    "is a length on a map or part of an angle by its name; write decimal degrees",
                )
        elif unit in OTHER_LENGTHS:
            return kind, f"is in {unit} by its name; multiply by {OTHER_LENGTHS[unit]:g} for km"
    return None
