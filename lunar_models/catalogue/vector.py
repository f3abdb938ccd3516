"""Read craters from vector files: points, or outlines to which circles are fitted."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
import shapely

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.column_names import ALIASES
from lunar_models.catalogue.columns import Columns, match_columns, plain_name
from lunar_models.catalogue.geometry import check_prj, in_lunar_degrees
from lunar_models.catalogue.geometry_checks import GEOMETRY_AXES, OUTLINE_DIAMETER
from lunar_models.catalogue.layer_remarks import layer_remarks
from lunar_models.catalogue.note_columns import notes_in_columns
from lunar_models.catalogue.outlines import fitted_circles
from lunar_models.catalogue.statements import apply_statements
from lunar_models.catalogue.units import apply_units, stated_units
from lunar_models.catalogue.values import is_number
from lunar_models.errors import CatalogueError

PARQUET = (".parquet", ".geoparquet")
SUFFIXES = (".shp", ".dbf", ".gpkg", ".geojson", ".json", ".gml", ".kml", ".kmz", ".zip", ".fgb",
            ".sqlite", ".mif", ".gdb", ".dxf", ".gpx", ".topojson")  # fmt: skip
"""Vector formats that are never taken for a delimited text."""
_WORDS = (b"comment", b"comments", b"description", b"note", b"notes", b"long_name", b"title")
_PREVIEW_ROWS = 500
_MOST_DEGREES = 720.0
_MANY_BEYOND = 0.01
_NO_SCHEMA = pa.schema([])


def read_vector(
    path: Path, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Read a vector file of GDAL's: points or outlines with their attributes.

    Raises:
        CatalogueError: no column for what is needed, or coordinates that are not the Moon's.
    """
    import geopandas

    source = f"zip://{path}" if path.suffix.lower() == ".zip" else path
    _check_source(source, path)
    frame = geopandas.read_file(source, engine="pyogrio")
    truncated = path.suffix.lower() in (".shp", ".dbf", ".zip")
    remarks = layer_remarks(source, path)
    return _from_frame(frame, columns, path, truncated=truncated, remarks=remarks)


def _check_source(source: Any, path: Path) -> None:
    """Raise CatalogueError for several layers, of which GDAL reads the first, and for GML."""
    import pyogrio

    if path.suffix.lower() == ".gml":
        raise CatalogueError(
            f"{path}: GML in a lunar reference system may give latitude first, and the file does "
            "not say; convert it to GeoPackage with the program that wrote it."
        )
    check_prj(path)
    layers = [name for name, kind in pyogrio.list_layers(source) if kind is not None]
    if len(layers) > 1:
        raise CatalogueError(
            f"{path} has several layers ({', '.join(layers[:6])}); export the one that is meant: "
            f"ogr2ogr OUT.gpkg {path.name} {layers[0]}."
        )


def read_parquet(
    path: Path, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Read Parquet (an index is a column like the others) or GeoParquet.

    Raises:
        CatalogueError: see `read_vector`.
    """
    schema = pa_parquet.read_schema(path)
    if b"geo" in (schema.metadata or {}):
        import geopandas

        frame = geopandas.read_parquet(path)
        if frame.index.name:
            frame = frame.reset_index()
        return _from_frame(frame, columns, path, schema=schema, remarks=_remarks(schema))
    matched = match_columns(schema.names, columns)
    matched, notes = apply_units(matched, stated_units(schema), path)
    first = next(pa_parquet.ParquetFile(path).iter_batches(_PREVIEW_ROWS), None)
    preview = pd.DataFrame() if first is None else first.to_pandas()
    remarks = [*_remarks(schema), *notes_in_columns(preview, matched, path)]
    matched, said = apply_statements(matched, remarks, path)
    notes += said
    wanted = [*matched.found.values(), *matched.rivals, *matched.identifiers]
    table = pa_parquet.read_table(path, columns=list(dict.fromkeys(wanted)))
    return table.to_pandas(ignore_metadata=True), matched, notes


def _remarks(schema: Any) -> list[str]:
    """What a Parquet file's metadata say in words, of the table and of columns by their names."""
    pairs = [("", schema.metadata or {})]
    pairs += [(f"{field.name}: ", field.metadata or {}) for field in schema]
    return [
        prefix + line
        for prefix, metadata in pairs
        for key, value in metadata.items()
        if key.lower() in _WORDS
        for line in value.decode(errors="ignore").splitlines()
    ]


def _from_frame(
    frame: Any,
    columns: Mapping[str, str] | None,
    path: Path,
    *,
    truncated: bool = False,
    schema: pa.Schema = _NO_SCHEMA,
    remarks: Sequence[str] = (),
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Read the columns of a table with geometry.

    Args:
        frame: the table.
        columns: as for `match_columns`.
        path: of the file, for messages.
        truncated: names may be cut to 10 letters.
        schema: of the Parquet file, which has units.
        remarks: what the file says of itself in words.
    """
    shapes = _single_parts(frame.geometry) if _has_geometry(frame) else None
    kinds = set() if shapes is None else set(shapes.geom_type.dropna())
    points = shapes is not None and kinds <= {"Point"} and len(shapes) > 0
    outlines = bool(kinds) and kinds <= {"Polygon", "MultiPolygon", "LineString", "LinearRing"}
    table = pd.DataFrame(frame if shapes is None else frame.drop(columns=shapes.name))
    maps = _map_coordinates(table) if columns is None and (points or outlines) else []
    names = [str(name) for name in table.columns if name not in maps]
    matched = match_columns(
        names, columns, geometry=points or outlines, outlines=outlines, truncated=truncated
    )
    matched, notes = apply_units(matched, stated_units(schema), path)
    remarks = [*remarks, *notes_in_columns(table, matched, path)]
    matched, said = apply_statements(matched, remarks, path)
    notes += said
    if maps:
        notes.append(f"columns {' and '.join(maps)} hold no degrees; the geometry is taken")
    if points or outlines:
        matched = _add_geometry(table, matched, shapes, notes, path, outlines=outlines)
    return table, matched, notes


def _has_geometry(frame: Any) -> bool:
    return getattr(frame, "active_geometry_name", None) is not None


def _add_geometry(
    table: pd.DataFrame,
    matched: Columns,
    shapes: Any,
    notes: list[str],
    path: Path,
    *,
    outlines: bool,
) -> Columns:
    """Add places, and of outlines sizes, to a table; compare them with what its columns say."""
    stated = matched.has_axis("longitude") and matched.has_axis("latitude")
    needed = not stated or matched.size is None
    shapes, said = in_lunar_degrees(shapes, path, needed=needed)
    notes += said
    if shapes is None:
        return matched
    if not outlines:
        return _with_geometry(table, matched, (shapes.x, shapes.y), notes)
    longitude, latitude, diameter_km, said = fitted_circles(shapes, path, needed=needed)
    notes += said
    if matched.size is None:
        table["diameter_km"] = diameter_km
        matched.found["diameter_km"] = "diameter_km"
    else:
        table[OUTLINE_DIAMETER] = diameter_km
    return _with_geometry(table, matched, (longitude, latitude), notes)


def _single_parts(shapes: Any) -> Any:
    """Points of multipoints that have one each; other shapes as they are."""
    if set(shapes.geom_type.dropna()) <= {"Point", "MultiPoint"}:
        single = (shapely.get_num_geometries(shapes.to_numpy()) == 1).all()
        return shapes.explode(index_parts=False) if single else shapes
    return shapes


def _map_coordinates(table: pd.DataFrame) -> list[str]:
    """Columns called as longitudes or latitudes whose numbers are metres or feet of a map."""
    names = {plain_name(alias) for axis in GEOMETRY_AXES for alias in ALIASES[f"{axis}_deg"]}
    return [
        str(name)
        for name, values in table.items()
        if plain_name(str(name)) in names
        and is_number(values)
        and (values.dropna().abs() > _MOST_DEGREES).mean() > _MANY_BEYOND
    ]


def _with_geometry(
    table: pd.DataFrame, matched: Columns, place: Iterable[Float64Array], notes: list[str]
) -> Columns:
    """Add longitudes and latitudes of the geometry: to compare, and for axes without a column."""
    axes = tuple(axis for axis in GEOMETRY_AXES if not matched.has_axis(axis))
    for (axis, name), values in zip(GEOMETRY_AXES.items(), place, strict=True):
        table[name] = values
        if axis in axes:
            table[f"{axis}_deg"] = values
            matched.found[f"{axis}_deg"] = f"{axis}_deg"
    if axes:
        called = "coordinates" if len(axes) > 1 else f"{axes[0]}s"
        notes.append(f"{called} are those of the geometry")
    return replace(matched, geometry=axes)
