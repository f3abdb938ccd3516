"""Read crater counts in the formats of CraterStats: ``.scc`` and ``.diam``.

Michael & Neukum (2010, doi 10.1016/j.epsl.2009.12.041) and the samples that come with CraterStats.
A ``.scc`` (spatial crater count, also written by CraterTools and OpenCraterTool) holds the outline
of the counting area and the place of each crater; a ``.diam`` needs neither. Both are lines of
``name = value`` and tables ``name = {column, column …`` that end with ``}``; ``#`` and ``;`` begin
comments. Numbers may have decimal commas throughout. The area is the one the file states: nothing
checks it against the outline here (`lunar_models.degradation.areas` measures outlines).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.catalogue.craterstats_numbers import NUMBER, number, table_number
from lunar_models.errors import CatalogueError
from lunar_models.moon import MOON_RADIUS_KM

SUFFIXES = (".scc", ".diam")
MOST_BYTES = 2**28
RADIUS_TOLERANCE_KM = 5.0

_CRATER_COLUMNS = {
    "diam": "diameter_km",
    "diameter": "diameter_km",
    "fraction": "fraction",
    "lon": "longitude_deg",
    "lat": "latitude_deg",
    "reference_area": "reference_area_km2",
}
"""Columns of the crater table in the file -> ours; others are left out."""
_VALUE = re.compile(r"^\s*([\w.\- ]+?)\s*=\s*(.*)$")


@dataclass(frozen=True)
class CraterCount:
    """One file of CraterStats.

    Raises:
        CatalogueError: `require_moon` or `require_places`, see there.
    """

    path: Path
    craters: pd.DataFrame
    """diameter_km, fraction (1 where the file has none), longitude_deg, latitude_deg and
    reference_area_km2 (NaN where the file has none), float64, in the order of the file."""
    area_km2: float | None
    """Area as the file states it."""
    perimeter_km: float | None
    radius_km: float | None
    """Radius of the body; None where the file does not say, as in a ``.diam``."""
    boundary: pd.DataFrame
    """sub_area (int), tag (``ext`` or ``int``), longitude_deg, latitude_deg: a row per vertex."""

    def require_moon(self) -> None:
        """Refuse a count made on another body."""
        radius = self.radius_km
        if radius is not None and abs(radius - MOON_RADIUS_KM) > RADIUS_TOLERANCE_KM:
            raise CatalogueError(
                f"{self.path} counts craters on a body of {radius:g} km radius; the Moon's is "
                f"{MOON_RADIUS_KM} km. Give a count made on the Moon."
            )

    def require_places(self) -> None:
        """Refuse a count that does not say where its craters are."""
        if self.craters[["longitude_deg", "latitude_deg"]].isna().any(axis=None):
            raise CatalogueError(
                f"{self.path} gives diameters without longitude and latitude, so its craters "
                "cannot be found in a mosaic. Give the .scc of the same count, or a .diam whose "
                "table begins 'crater = {diameter, fraction, lon, lat'."
            )


def read_craterstats(path: str | Path) -> CraterCount:
    """Read a ``.scc`` or ``.diam`` file.

    Args:
        path: the file; text in UTF-8 or Latin-1, at most 256 MiB.

    Raises:
        CatalogueError: not such a file, no crater table, two tables of one name, a value that is no
            number, a diameter that is not positive, a fraction outside (0, 1], or a ring that is
            neither an outer one nor a hole.
    """
    path = Path(path)
    values, tables = _parse(path, _read_lines(path))
    _refuse_mixed_commas(path, values, tables)
    if (number(values.get("prime_meridian", "0"), path, "prime_meridian")) != 0.0:
        raise CatalogueError(
            f"{path}: prime_meridian = {values['prime_meridian']}; write longitudes from the mean "
            "meridian of the near side, and 0."
        )
    craters = _crater_table(path, tables)
    _check(path, craters)
    return CraterCount(
        path=path,
        craters=craters,
        area_km2=_first(path, values, ("total_area", "area")),
        perimeter_km=_first(path, values, ("total_perimeter", "perimeter")),
        radius_km=_first(path, values, ("a_axis_radius", "a-axis radius")),
        boundary=_boundary(path, tables),
    )


def _read_lines(path: Path) -> list[str]:
    if path.suffix.lower() not in SUFFIXES:
        raise CatalogueError(f"{path} is not a CraterStats file; give a .scc or .diam.")
    if not path.is_file():
        raise CatalogueError(f"There is no file {path}; check the path.")
    if path.stat().st_size > MOST_BYTES:
        raise CatalogueError(f"{path} has more than {MOST_BYTES:,} bytes; split the count.")
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = (line.split(";")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _parse(path: Path, lines: list[str]) -> tuple[dict[str, str], dict[str, pd.DataFrame]]:
    """``name = value`` lines, and the tables, each cell still text; names in lower case."""
    values: dict[str, str] = {}
    tables: dict[str, pd.DataFrame] = {}
    rest = iter(lines)
    for line in rest:
        found = _VALUE.match(line)
        if found is None:
            continue
        name, value = found[1].strip().lower(), found[2].strip()
        if not value.startswith("{"):
            values[name] = value
            continue
        if name in tables:
            raise CatalogueError(
                f"{path} has two tables {name!r}; keep the one that is meant, or split the file."
            )
        columns = [c.strip().lower() for c in re.split(r"[,\s]+", value.strip("{} ")) if c.strip()]
        tables[name] = _table(path, name, columns, rest)
    return values, tables


def _table(path: Path, name: str, columns: list[str], rest: Iterator[str]) -> pd.DataFrame:
    rows: list[list[str]] = []
    for line in rest:
        if line.startswith("}"):
            return pd.DataFrame(rows, columns=columns, dtype="str")
        body = line.rstrip("}").strip()
        cells = re.split(r",\s+|\s+", body)
        if len(cells) == 1 and len(columns) > 1:
            cells = body.split(",")
        more = cells[len(columns) :]
        if len(cells) < len(columns) or (more and not more[0].startswith("#")):
            raise CatalogueError(
                f"{path}: table {name!r} has {len(columns)} columns ({', '.join(columns)}), but "
                f"{line!r} has {len(cells)}. Correct that row."
            )
        rows.append(cells[: len(columns)])
        if line.endswith("}"):
            return pd.DataFrame(rows, columns=columns, dtype="str")
    raise CatalogueError(f"{path} ends inside table {name!r}; the closing '}}' is missing.")


def _refuse_mixed_commas(
    path: Path, values: dict[str, str], tables: dict[str, pd.DataFrame]
) -> None:
    """A comma is a decimal comma only where no number of the file has a decimal point."""
    areas = [values[name] for name in ("total_area", "area") if name in values]
    cells = [cell for table in tables.values() for cell in table.to_numpy().ravel()] + areas
    numbers = [found[1] for found in map(NUMBER.match, cells) if found]
    comma = next((n for n in numbers if "," in n), None)
    point = next((n for n in numbers if "." in n), None)
    if comma and point:
        raise CatalogueError(
            f"{path} has both {point!r} and {comma!r}: the comma may be a decimal comma or group "
            "thousands. Write all numbers with decimal points."
        )


def _crater_table(path: Path, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    table = tables.get("crater")
    if table is None or not {"diam", "diameter"} & set(table.columns):
        raise CatalogueError(
            f"{path} has no crater table with diameters; it should begin 'crater = {{diam, …'."
        )
    result = pd.DataFrame({"diameter_km": np.nan, "fraction": 1.0}, index=table.index)
    for name in ("longitude_deg", "latitude_deg", "reference_area_km2"):
        result[name] = np.nan
    for name, ours in _CRATER_COLUMNS.items():
        if name in table.columns:
            result[ours] = [table_number(cell, path, name) for cell in table[name]]
    return result.astype("float64")


def _check(path: Path, craters: pd.DataFrame) -> None:
    if not craters["diameter_km"].gt(0).all():
        row = int(craters["diameter_km"].le(0).to_numpy().argmax())
        raise CatalogueError(
            f"{path} has the diameter {craters['diameter_km'].iloc[row]:g} in crater row "
            f"{row + 1}; diameters are positive, in km."
        )
    share = craters["fraction"]
    if not (share.gt(0) & share.le(1)).all():
        row = int((~(share.gt(0) & share.le(1))).to_numpy().argmax())
        raise CatalogueError(
            f"{path} has the fraction {share.iloc[row]:g} in crater row {row + 1}; the part of a "
            "crater inside the area is above 0 and at most 1."
        )


def _boundary(path: Path, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    names = ["sub_area", "tag", "longitude_deg", "latitude_deg"]
    table = tables.get("unit_boundary")
    if table is None or not {"sub_area", "tag", "lon", "lat"} <= set(table.columns):
        return pd.DataFrame({name: [] for name in names})
    tags = table["tag"].str.lower().str.strip("\"'")
    tags_of_ring = tags.groupby(table["sub_area"]).nunique()
    if not tags.isin(("ext", "int")).all() or (tags_of_ring > 1).any():
        raise CatalogueError(
            f"{path}: the tag of each sub-area of unit_boundary is ext, for an outer ring, or int, "
            f"for a hole, but they are {', '.join(sorted(set(tags)))}, or differ within one ring."
        )
    return pd.DataFrame(
        {
            "sub_area": [int(number(cell, path, "sub_area")) for cell in table["sub_area"]],
            "tag": tags.to_numpy(),
            "longitude_deg": [number(cell, path, "lon") for cell in table["lon"]],
            "latitude_deg": [number(cell, path, "lat") for cell in table["lat"]],
        }
    )


def _first(path: Path, values: dict[str, str], names: tuple[str, ...]) -> float | None:
    return next((number(values[n], path, n) for n in names if n in values), None)
