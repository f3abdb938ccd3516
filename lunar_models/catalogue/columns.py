"""Match the columns of a crater table to our fields, by the names in published catalogues."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lunar_models.catalogue.column_names import ALIASES, BOX, FIELDS, SIZES
from lunar_models.catalogue.cut_names import settle_cut_names
from lunar_models.catalogue.unusual import is_planetographic, unusual_columns
from lunar_models.errors import CatalogueError

DBF_LETTERS = 10
"""A shapefile's names are cut to this length."""
_PART_OF_ANGLE = re.compile(r"(lon|lat)(?:g|gitude|itude)?(?:arc)?(?:m|mn|(?:min|sec)\w*)")
"""Names of minutes and seconds of arc beside whole degrees."""


_MARKS_OF_MINUTES = ("'", '"', "′", "″", "’", "”", "''")


@dataclass(frozen=True)
class Columns:
    """The column of each field."""

    found: dict[str, str]
    """Field -> the table's name."""
    identifiers: tuple[str, ...]
    """Columns that may name craters, best first."""
    rivals: dict[str, str] = field(default_factory=dict)
    """Further columns of a place or size -> the field that they may be, too."""
    geometry: tuple[str, ...] = ()
    """The axes, longitude or latitude, that come from the geometry."""
    mapped: bool = False
    """The fields are those of `columns=`, not found by known names."""
    truncated: bool = False
    """Names of `DBF_LETTERS` letters may have been cut."""

    @property
    def pixels(self) -> bool:
        """Craters are given in pixels of an image."""
        return not {"longitude_deg", "longitude_west"} & self.found.keys() and (
            "x_px" in self.found or set(BOX) <= self.found.keys()
        )

    def has_axis(self, axis: str) -> bool:
        """Whether a column gives the longitudes or latitudes."""
        return not {f"{axis}_deg", f"{axis}_west"}.isdisjoint(self.found)

    @property
    def size(self) -> str | None:
        """Field of the craters' size."""
        names = ("diameter_px", "radius_px") if self.pixels else SIZES
        return next((name for name in names if name in self.found), None)


def plain_name(name: str) -> str:
    """Normalise a column name: no case, spaces, brackets, degree or comment signs."""
    name = name.lower().strip().lstrip("#%;").strip()
    # `dia_m` is in metres; without its sign it would be `diam`, a diameter without a unit.
    name = re.sub(r"^dia(?=[ ,_(\[{.<]+m\b)", "diameter", name)
    return re.sub(r"[ ,_()\[\]{}°.\ufeff<>\"']", "", name)


def match_columns(
    names: list[str],
    columns: Mapping[str, str] | None,
    *,
    geometry: bool = False,
    outlines: bool = False,
    truncated: bool = False,
) -> Columns:
    """Find the column of each field.

    Args:
        names: the table's column names.
        columns: our name -> the table's, in place of the search by known names; must exist.
        geometry: coordinates may come from the geometry instead.
        outlines: and diameters too.
        truncated: names may be cut to 10 letters, as in a shapefile.

    Raises:
        CatalogueError: a column is missing; names the columns found.
    """
    known = {plain_name(name): name for name in reversed(names)}
    if columns is not None and (unknown := set(columns) - set(FIELDS)):
        raise CatalogueError(
            f"Unknown column name {', '.join(sorted(unknown))} in the mapping; use "
            f"{', '.join(FIELDS)}."
        )
    found = _known(known, truncated) if columns is None else {}
    for key, name in (columns or {}).items():
        if plain_name(name) in known:
            found[key] = known[plain_name(name)]
    if truncated and columns is None:
        settle_cut_names(found, by_geometry=geometry)
    if geometry and columns is None:  # extents in degrees, as GIS programs write them
        found = {key: name for key, name in found.items() if not key.endswith("_px")}
    _check_meaning(found, known)
    if columns is None:
        identifiers = [known[p] for p in map(plain_name, ALIASES["crater_id"]) if p in known]
    else:
        identifiers = [found.pop("crater_id")] if "crater_id" in found else []
    rivals = _rivals(names, found) if columns is None else {}
    matched = Columns(
        found,
        tuple(dict.fromkeys(identifiers)),
        rivals,
        mapped=columns is not None,
        truncated=truncated and columns is None,
    )
    missing = list(dict.fromkeys(_missing(matched, columns or {}, geometry, outlines)))
    if missing:
        raise CatalogueError(_lacking(missing, names, known))
    return matched


def _known(known: Mapping[str, str], truncated: bool) -> dict[str, str]:
    """Field -> the first column that bears one of its known names, ids left out."""
    first = {key: _first(known, aliases, truncated) for key, aliases in ALIASES.items()}
    return {key: name for key, name in first.items() if name is not None and key != "crater_id"}


def _lacking(missing: Sequence[str], names: list[str], known: Mapping[str, str]) -> str:
    """What to say of fields without a column."""
    lacks = f"The catalogue has no column for {', '.join(missing)}; "
    said = [
        f"column {known[plain]!r} {what}"
        for plain, (kind, what) in unusual_columns(known).items()
        if any(field.startswith((kind, "diameter" if kind == "radius" else kind))
               for field in missing)
    ]  # fmt: skip
    west = [name for name in names if "longitude_deg" in missing and _says_west(name)]
    said += [f"column {name!r} counts westward by its name: columns=longitude_west={name},…"
             for name in west]  # fmt: skip
    if said:
        return f"{lacks}{'. '.join(dict.fromkeys(said))}."
    return (
        f"{lacks}its columns are {', '.join(names) or '(none)'}. Rename them, or say which "
        "they are, such as columns=longitude_deg=LON,latitude_deg=LAT,diameter_km=D."
    )


def _says_west(name: str) -> bool:
    """Whether a name of longitudes, known or not, says W or west, and not E or east."""
    lower = name.lower()
    west, east = (re.search(rf"{w}|(?<![a-z]){w[0]}(?![a-z])", lower) for w in ("west", "east"))
    return bool("lon" in lower and west and not east)


def _check_meaning(found: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Raise CatalogueError for names that say west or another unit, and for minutes of arc."""
    west = map(plain_name, ALIASES["longitude_west"])
    longitude = found.get("longitude_deg")
    if longitude is not None and (plain_name(longitude) in west or _says_west(longitude)):
        raise CatalogueError(
            f"Longitudes in {longitude!r} count westward by their name; say "
            f"columns=longitude_west={longitude},… (or rename it)."
        )
    named = {plain_name(name): (field, name) for field, name in found.items()}
    planetographic = {plain for plain in named if is_planetographic(plain)}  # so by columns=
    for plain, (_, what) in unusual_columns(named.keys() - planetographic).items():
        field, name = named[plain]
        raise CatalogueError(f"Column {name!r}, to be {field}, {what}; or rename it.")
    axes = {field[:3] for field in found}
    minutes = [
        name
        for plain, name in known.items()
        if (part := _PART_OF_ANGLE.fullmatch(plain)) and part[1] in axes
        and not ("min" in plain and plain.replace("min", "max") in known)  # bounds of an outline
    ]  # fmt: skip
    minutes += [name for name in known.values() if name.strip() in _MARKS_OF_MINUTES]
    if minutes:
        raise CatalogueError(
            f"Column {minutes[0]!r} looks like minutes of arc beside whole degrees; write decimal "
            "degrees, or rename it if it is not."
        )


def _rivals(names: list[str], found: Mapping[str, str]) -> dict[str, str]:
    """Columns besides those found that may be a place or size, by their names."""
    rivals = {}
    for key in ("longitude_deg", "longitude_west", "latitude_deg", *SIZES):
        aliases = {plain_name(alias) for alias in ALIASES[key]}
        for name in names if key in found else ():
            plain = plain_name(re.sub(r"\.\d+$", "", name))  # a repeated name is numbered
            if plain in aliases and name not in found.values():
                rivals[name] = key
    return rivals


def _first(known: Mapping[str, str], aliases: Iterable[str], truncated: bool) -> str | None:
    plain = [plain_name(alias) for alias in aliases]
    for alias in plain:
        if alias in known:
            return known[alias]
    for name in known.values() if truncated else ():
        if len(name) == DBF_LETTERS:
            cut = name.lower()
            for alias in aliases:
                if len(alias) > DBF_LETTERS and alias.lower().startswith(cut):
                    return name
    return None


def _missing(
    columns: Columns, explicit: Mapping[str, str], geometry: bool, outlines: bool
) -> Iterable[str]:
    found = columns.found
    unmatched = [name for key, name in explicit.items() if key not in found]
    if columns.identifiers and "crater_id" in explicit:
        unmatched.remove(explicit["crater_id"])
    if unmatched:
        yield from unmatched
        return
    if columns.pixels:
        if set(BOX) <= found.keys():
            return
        yield from (key for key in ("x_px", "y_px") if key not in found)
        if columns.size is None:
            yield "diameter_px"
        return
    if not geometry:
        if not {"longitude_deg", "longitude_west"} & found.keys():
            yield "longitude_deg"
        if "latitude_deg" not in found:
            yield "latitude_deg"
    if columns.size is None and not outlines:
        yield "diameter_km"
