"""Decide on column names that a shapefile cut to 10 letters."""

from lunar_models.catalogue.column_names import SIZES
from lunar_models.errors import CatalogueError


def settle_cut_names(found: dict[str, str], *, by_geometry: bool) -> None:
    """Decide on names such as `longitude_` and `diameter_i`, which may be cut from several.

    Raises:
        CatalogueError: a longitude may count eastward or westward, and there is no geometry.
    """
    places = [found[key] for key in ("longitude_deg", "latitude_deg") if key in found]
    for key in [key for key in found if key.endswith(("_unit", "_hemisphere"))]:
        if found[key] in places or any(found[key] == found.get(size) for size in SIZES):
            del found[key]
    if found.get("longitude_west") in places:
        if not by_geometry:
            name = found["longitude_west"]
            raise CatalogueError(
                f"Column {name!r} may be cut from a name of eastward or of westward longitudes. "
                f"Say columns=longitude_deg={name},… or columns=longitude_west={name},…"
            )
        del found["longitude_west"]  # if it was, the geometry contradicts it
    for kind in ("diameter", "radius"):
        fields = [key for key in SIZES if key.startswith(kind) and key in found]
        for name in {found[key] for key in fields}:
            same = [key for key in fields if found[key] == name]
            if len(same) > 1:  # its unit was cut away
                for key in same:
                    del found[key]
                found.setdefault(kind, name)
    sun = [key for key in ("sub_solar_longitude_deg", "sub_solar_latitude_deg") if key in found]
    if len({found[key] for key in sun}) < len(sun):
        for key in sun:
            del found[key]
