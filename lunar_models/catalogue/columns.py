"""Match the columns of a crater table to our fields, by the names in published catalogues."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lunar_models.errors import CatalogueError

FIELDS = (
    "crater_id", "longitude_deg", "latitude_deg", "diameter_km", "diameter_m", "radius_km",
    "radius_m", "x_px", "y_px", "diameter_px", "radius_px", "x_min_px", "y_min_px", "x_max_px",
    "y_max_px", "diameter_unit", "image", "sun_azimuth_deg", "sub_solar_longitude_deg",
    "sub_solar_latitude_deg", "incidence_deg", "longitude_hemisphere", "latitude_hemisphere",
)  # fmt: skip
"""What `columns=` may name."""

ALIASES: dict[str, tuple[str, ...]] = {
    "crater_id": (
        "crater_id", "craterid", "id", "feature_id", "feature_name", "clean_name", "crater_name",
        "crater", "name", "", "unnamed:0", "index", "fid",
    ),
    "longitude_deg": (
        "longitude_deg",
        "LON_CIRC_IMG",  # Robbins 2018
        "Longitude(degree)",  # LU1319373
        "Longitude",
        "center_longitude",  # IAU gazetteer, table
        "center_lon",  # IAU gazetteer, shapefile
        "Long",  # Povilaitis 2018, table
        "Lon",  # Head 2010
        "lon0",  # Salamuniccar 2011
        "x_coord",  # Head and Povilaitis, shapefile
        "longitude_e", "east_longitude", "lon_e", "lon_deg", "long_deg", "lng", "lon_center",
        "centre_longitude", "crater_lon",
    ),
    "longitude_west": (
        "longitude_w", "west_longitude", "lon_w", "long_w", "longitude_west", "wlon",
        "positive_west_longitude", "lonw",
    ),
    "latitude_deg": (
        "latitude_deg", "LAT_CIRC_IMG", "Latitude(degree)", "Latitude", "center_latitude",
        "center_lat", "Lat", "lat0", "y_coord", "latitude_n", "lat_n", "lat_deg", "lat_center",
        "centre_latitude", "crater_lat",
    ),
    "diameter_km": (
        "diameter_km",
        "DIAM_CIRC_IMG",  # Robbins 2018
        "DIAM_C_IM",  # Robbins 2018, shapefile (coordinates in the geometry)
        "Diam_km",  # Head, Povilaitis, LPI
        "d_km", "dia_km", "diameter_kms", "diameter_kilometers", "diameter_kilometres",
        "diameter_in_km", "crater_diameter_km", "diamkm",
    ),
    "diameter_m": (
        "diameter_m",  # LU1319373, LU1319381
        "diam_m", "d_m", "dia_m", "diameter_meters", "diameter_metres", "diameter_in_m",
        "crater_diameter_m",
    ),
    "radius_km": ("radius_km", "rad_km", "r_km", "radius_in_km", "radius_kilometers"),
    "radius_m": ("radius_m", "rad_m", "r_m", "radius_in_m", "radius_meters", "radius_metres"),
    "diameter": ("diameter", "diam", "dia", "d", "crater_diameter"),  # IAU: km
    "radius": ("radius", "rad", "crater_radius"),
    "x_px": ("x_px", "x_center_px", "center_x_px", "column_px"),
    "y_px": ("y_px", "y_center_px", "center_y_px", "row_px"),
    "diameter_px": ("diameter_px", "diam_px", "d_px"),
    "radius_px": ("radius_px", "r_px"),
    "x_min_px": ("x_min_px", "x_min", "xmin"),
    "y_min_px": ("y_min_px", "y_min", "ymin"),
    "x_max_px": ("x_max_px", "x_max", "xmax"),
    "y_max_px": ("y_max_px", "y_max", "ymax"),
    "image": ("image", "image_name", "image_id", "filename", "file_name", "file"),
    "sun_azimuth_deg": ("sun_azimuth_deg",),
    "sub_solar_longitude_deg": ("sub_solar_longitude_deg", "SUB_SOLAR_LONGITUDE"),  # PDS
    "sub_solar_latitude_deg": ("sub_solar_latitude_deg", "SUB_SOLAR_LATITUDE"),
    "incidence_deg": ("incidence_deg", "INCIDENCE_ANGLE"),
    "diameter_unit": ("diameter_unit", "diam_unit", "size_unit", "unit", "units"),
    "body": ("target", "target_name", "body"),
    "feature_type": ("feature_type", "type_of_feature"),
    "coordinate_system": ("coordinate_system",),
    "longitude_hemisphere": (
        "ew", "e/w", "e_w", "we", "w/e", "lon_dir", "long_dir", "longitude_direction", "lon_ew",
        "longitude_hemisphere", "lon_hemisphere", "lon_hemi", "londirection",
    ),
    "latitude_hemisphere": (
        "ns", "n/s", "n_s", "sn", "lat_dir", "latitude_direction", "lat_ns", "latitude_hemisphere",
        "lat_hemisphere", "lat_hemi", "latdirection",
    ),
}  # fmt: skip
"""Names by which catalogues call what we look for, best first; see `plain_name`."""

SUN_COLUMNS = (
    "sun_azimuth_deg",
    "sub_solar_longitude_deg",
    "sub_solar_latitude_deg",
    "incidence_deg",
)
"""Taken where a catalogue has them; what else it has is left behind."""

NUMBERS = (
    "longitude_deg", "longitude_west", "latitude_deg", "diameter_km", "diameter_m", "radius_km",
    "radius_m", "diameter", "radius", "x_px", "y_px", "diameter_px", "radius_px", "x_min_px",
    "y_min_px", "x_max_px", "y_max_px", *SUN_COLUMNS,
)  # fmt: skip

SIZES = ("diameter_km", "diameter_m", "diameter", "radius_km", "radius_m", "radius")
"""Best first: what says a unit comes before what does not."""

BOX = ("x_min_px", "y_min_px", "x_max_px", "y_max_px")
_DBF_LETTERS = 10


@dataclass(frozen=True)
class Columns:
    """The column of each field."""

    found: dict[str, str]
    """Field -> the table's name."""
    identifiers: tuple[str, ...]
    """Columns that may name craters, best first."""
    rivals: dict[str, str] = field(default_factory=dict)
    """Further columns of a place or size -> the field that they may be, too."""

    @property
    def pixels(self) -> bool:
        """Craters are given in pixels of an image."""
        return not {"longitude_deg", "longitude_west"} & self.found.keys() and (
            "x_px" in self.found or set(BOX) <= self.found.keys()
        )

    @property
    def size(self) -> str | None:
        """Field of the craters' size."""
        names = ("diameter_px", "radius_px") if self.pixels else SIZES
        return next((name for name in names if name in self.found), None)


def plain_name(name: str) -> str:
    """Normalise a column name: no case, spaces, brackets, degree or comment signs."""
    name = name.lower().strip().lstrip("#%;").strip()
    return re.sub(r"[ _()\[\]{}°.\ufeff<>\"']", "", name)


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
    found = {}
    for key, aliases in ALIASES.items() if columns is None else ():
        name = _first(known, aliases, truncated)
        if name is not None and key != "crater_id":
            found[key] = name
    for key, name in (columns or {}).items():
        if plain_name(name) in known:
            found[key] = known[plain_name(name)]
    if columns is None:
        identifiers = [known[p] for p in map(plain_name, ALIASES["crater_id"]) if p in known]
    else:
        identifiers = [found.pop("crater_id")] if "crater_id" in found else []
    rivals = _rivals(names, found) if columns is None else {}
    matched = Columns(found, tuple(dict.fromkeys(identifiers)), rivals)
    missing = list(_missing(matched, columns or {}, geometry, outlines))
    if missing:
        raise CatalogueError(
            f"The catalogue has no column for {', '.join(dict.fromkeys(missing))}; its columns are "
            f"{', '.join(names) or '(none)'}. Rename them, or say which they are, such as "
            "columns=longitude_deg=LON,latitude_deg=LAT,diameter_km=D."
        )
    return matched


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
        if len(name) == _DBF_LETTERS:
            cut = name.lower()
            for alias in aliases:
                if len(alias) > _DBF_LETTERS and alias.lower().startswith(cut):
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
