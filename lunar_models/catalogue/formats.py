"""Read the four columns of a crater catalogue from whatever file it comes in.

Finds the columns by the names the published catalogues use; `catalogue.py` validates the rows.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from lunar_models.errors import CatalogueError
from lunar_models.moon import LUNAR_GEOGRAPHIC

ALIASES: dict[str, tuple[str, ...]] = {
    "crater_id": ("crater_id", "id", "feature_id", "feature_name", "clean_name", "name"),
    "longitude_deg": (
        "longitude_deg",
        "LON_CIRC_IMG",  # Robbins 2018
        "Longitude(degree)",  # LU1319373
        "Longitude",
        "center_longitude",  # IAU gazetteer, table
        "center_lon",  # IAU gazetteer, shapefile
        "Long",  # Povilaitis 2018, table
        "Lon",  # Head 2010
        "x_coord",  # Head and Povilaitis, shapefile
    ),
    "latitude_deg": (
        "latitude_deg",
        "LAT_CIRC_IMG",
        "Latitude(degree)",
        "Latitude",
        "center_latitude",
        "center_lat",
        "Lat",
        "y_coord",
    ),
    "diameter_km": (
        "diameter_km",
        "DIAM_CIRC_IMG",  # Robbins 2018
        "DIAM_C_IM",  # Robbins 2018, shapefile (coordinates in the geometry)
        "Diam_km",  # Head, Povilaitis
        "Diameter(km)",
        "diameter",  # IAU gazetteer
    ),
    "diameter_m": ("diameter_m", "Diameter(m)"),  # LU1319373
    "sun_azimuth_deg": ("sun_azimuth_deg",),
    "sub_solar_longitude_deg": ("sub_solar_longitude_deg", "SUB_SOLAR_LONGITUDE"),  # PDS
    "sub_solar_latitude_deg": ("sub_solar_latitude_deg", "SUB_SOLAR_LATITUDE"),
    "incidence_deg": ("incidence_deg", "INCIDENCE_ANGLE"),
}
"""Names by which catalogues call our columns, best first; case, spaces and ``_()`` are ignored."""

SUN_COLUMNS = (
    "sun_azimuth_deg",
    "sub_solar_longitude_deg",
    "sub_solar_latitude_deg",
    "incidence_deg",
)
"""Taken where a catalogue has them; what else it has is left behind."""

DELIMITERS = (",", "\t", ";", "|")
HEADER_SEARCH_LINES = 64
"""LU1319373 has 16 lines of notes above its header."""


@dataclass(frozen=True)
class TextLayout:
    """Where the header of a delimited text file is."""

    header_line: int
    delimiter: str
    names: list[str]


def read_columns(path: Path, columns: Mapping[str, str] | None) -> pd.DataFrame:
    """The catalogue's rows, unchecked.

    Args:
        path: CSV or other delimited text, Parquet, GeoParquet, or what GDAL's vector drivers open.
        columns: our name -> the file's name, replacing the search by known names.

    Returns:
        crater_id (str, "" if missing; the row number if there is no such column) and
        longitude_deg, latitude_deg, diameter_km (float64, NaN if missing or not a number).

    Raises:
        CatalogueError: the file cannot be read or lacks a column.
    """
    if not path.is_file():
        raise CatalogueError(f"There is no catalogue file {path}; check the path.")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty; give a catalogue with at least one crater.")
    suffix = path.suffix.lower()
    try:
        if suffix in (".csv", ".txt", ".tsv", ".tab"):
            return _read_text(path, columns)
        if suffix in (".parquet", ".geoparquet"):
            return _read_parquet(path, columns)
        return _read_vector(path, columns)
    except CatalogueError:
        raise
    except Exception as error:  # each reader raises its own kinds
        raise CatalogueError(
            f"{path} cannot be read as a crater catalogue ({error}). Give a CSV, Parquet, "
            "GeoParquet, GeoPackage or Shapefile."
        ) from error


def match_columns(
    names: list[str], columns: Mapping[str, str] | None, *, has_points: bool = False
) -> dict[str, str]:
    """Our column name -> the file's.

    Args:
        names: the file's column names.
        columns: explicit mapping; its names must exist.
        has_points: coordinates may come from the geometry instead.

    Raises:
        CatalogueError: a column is missing; names the columns found.
    """
    known = {_plain(name): name for name in reversed(names)}
    wanted = ALIASES if columns is None else {key: (name,) for key, name in columns.items()}
    if unknown := set(wanted) - set(ALIASES):
        raise CatalogueError(
            f"Unknown column name {', '.join(sorted(unknown))} in the mapping; "
            f"use {', '.join(ALIASES)}."
        )
    found = {
        key: next((known[_plain(name)] for name in choices if _plain(name) in known), None)
        for key, choices in wanted.items()
    }
    matched = {key: name for key, name in found.items() if name is not None}
    explicit = columns or {}
    needed = [*_needed(matched, has_points), *explicit]
    missing = [explicit.get(key, key) for key in dict.fromkeys(needed) if key not in matched]
    if missing:
        raise CatalogueError(
            f"The catalogue has no column for {', '.join(missing)}; its columns are "
            f"{', '.join(names) or '(none)'}. Rename them, or say which they are, such as "
            "columns=longitude_deg=LON,latitude_deg=LAT,diameter_km=D."
        )
    return matched


def _needed(matched: Mapping[str, str], has_points: bool) -> list[str]:
    diameter = "diameter_m" if "diameter_m" in matched else "diameter_km"
    return [diameter] if has_points else ["longitude_deg", "latitude_deg", diameter]


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c not in " _()\ufeff")


def _read_text(path: Path, columns: Mapping[str, str] | None) -> pd.DataFrame:
    layout = _find_header(path, columns)
    matched = match_columns(layout.names, columns)
    numbers = [name for key, name in matched.items() if key != "crater_id"]
    types = dict.fromkeys(numbers, pa.float64())
    try:
        table = _read_delimited(path, layout, matched, types)
    except pa.ArrowInvalid:  # a number that is none: read as text, so that only its row suffers
        table = _read_delimited(path, layout, matched, dict.fromkeys(numbers, pa.string()))
    return _standardise(table.to_pandas(), matched)


def _read_delimited(
    path: Path, layout: TextLayout, matched: Mapping[str, str], types: dict[str, pa.DataType]
) -> pa.Table:
    if "crater_id" in matched:
        types = types | {matched["crater_id"]: pa.string()}
    return pa_csv.read_csv(
        path,
        read_options=pa_csv.ReadOptions(
            skip_rows=layout.header_line + 1, column_names=layout.names
        ),
        parse_options=pa_csv.ParseOptions(delimiter=layout.delimiter),
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(types), column_types=types, strings_can_be_null=True
        ),
    )


def _find_header(path: Path, columns: Mapping[str, str] | None) -> TextLayout:
    """The first line that names the columns we need; else the first line, to complain about."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = [line for _, line in zip(range(HEADER_SEARCH_LINES), file, strict=False)]
    for number, line in enumerate(lines):
        for delimiter in DELIMITERS:
            names = _split(line, delimiter)
            try:
                match_columns(names, columns)
            except CatalogueError:
                continue
            return TextLayout(number, delimiter, names)
    delimiter = max(DELIMITERS, key=lambda d: lines[0].count(d)) if lines else ","
    return TextLayout(0, delimiter, _split(lines[0], delimiter) if lines else [])


def _split(line: str, delimiter: str) -> list[str]:
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _read_parquet(path: Path, columns: Mapping[str, str] | None) -> pd.DataFrame:
    schema = pa_parquet.read_schema(path)
    if b"geo" in (schema.metadata or {}):
        import geopandas

        return _from_geometry(geopandas.read_parquet(path), columns)
    matched = match_columns(schema.names, columns)
    table = pa_parquet.read_table(path, columns=list(matched.values()))
    return _standardise(table.to_pandas(), matched)


def _read_vector(path: Path, columns: Mapping[str, str] | None) -> pd.DataFrame:
    import geopandas

    return _from_geometry(geopandas.read_file(path, engine="pyogrio"), columns)


def _from_geometry(frame: "pd.DataFrame", columns: Mapping[str, str] | None) -> pd.DataFrame:
    """Columns where the table has them; else the coordinates of its points."""
    points = frame.geometry
    has_points = len(points) > 0 and bool((points.geom_type.dropna() == "Point").all())
    names = [str(name) for name in frame.columns if name != points.name]
    matched = match_columns(names, columns, has_points=has_points)
    table = pd.DataFrame(frame.drop(columns=points.name))
    if not {"longitude_deg", "latitude_deg"} <= matched.keys():
        if points.crs is not None and points.crs.is_projected:
            points = points.to_crs(LUNAR_GEOGRAPHIC)
        table["longitude_deg"], table["latitude_deg"] = points.x, points.y
        matched |= {"longitude_deg": "longitude_deg", "latitude_deg": "latitude_deg"}
    return _standardise(table, matched)


def _standardise(table: pd.DataFrame, matched: Mapping[str, str]) -> pd.DataFrame:
    result = pd.DataFrame(index=pd.RangeIndex(len(table)))
    if "crater_id" in matched:
        identifiers = table[matched["crater_id"]].astype("str").fillna("")
        result["crater_id"] = identifiers.str.strip().to_numpy()
    else:
        result["crater_id"] = [f"row-{row:07d}" for row in range(1, len(table) + 1)]
    for key in ("longitude_deg", "latitude_deg"):
        result[key] = _numbers(table[matched[key]])
    if "diameter_km" in matched:
        result["diameter_km"] = _numbers(table[matched["diameter_km"]])
    else:
        result["diameter_km"] = _numbers(table[matched["diameter_m"]]) / 1000.0
    for key in SUN_COLUMNS:
        if key in matched:
            result[key] = _numbers(table[matched[key]])
    return result


def _numbers(column: pd.Series) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
