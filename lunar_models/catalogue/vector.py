"""Read craters from vector files: points, or outlines to which circles are fitted."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet
from pyproj import CRS

from lunar_models.arrays import Float64Array
from lunar_models.catalogue.columns import Columns, match_columns
from lunar_models.catalogue.doubts import GEOMETRY_AXES
from lunar_models.catalogue.statements import apply_statements
from lunar_models.catalogue.units import apply_units, stated_units
from lunar_models.errors import CatalogueError
from lunar_models.moon import LUNAR_GEOGRAPHIC, MOON_RADIUS_KM, MOON_RADIUS_M, unit_vectors

PARQUET = (".parquet", ".geoparquet")
SUFFIXES = (".shp", ".dbf", ".gpkg", ".geojson", ".json", ".gml", ".kml", ".kmz", ".zip", ".fgb",
            ".sqlite", ".mif", ".gdb", ".dxf", ".gpx", ".topojson")  # fmt: skip
"""Vector formats that are never taken for a delimited text."""
_WORDS = (b"comment", b"comments", b"description", b"note", b"notes", b"long_name", b"title")
_RADIUS_TOLERANCE_M = 5_000.0
_FLATTENING_TOLERANCE_M = 1.0
_LEAST_VERTICES = 5
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
    return _from_frame(frame, columns, path, truncated=truncated)


def _check_source(source: Any, path: Path) -> None:
    """Raise CatalogueError for several layers, of which GDAL reads the first, and for GML."""
    import pyogrio

    if path.suffix.lower() == ".gml":
        raise CatalogueError(
            f"{path}: GML in a lunar reference system may give latitude first, and the file does "
            "not say; convert it to GeoPackage with the program that wrote it."
        )
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
        return _from_frame(frame, columns, path, schema=schema)
    matched = match_columns(schema.names, columns)
    matched, notes = apply_units(matched, stated_units(schema), path)
    if columns is None:
        matched, said = apply_statements(matched, _remarks(schema), path)
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
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Read the columns of a table with geometry, `schema` being that of its Parquet file."""
    if getattr(frame, "active_geometry_name", None) is None:
        names = [str(name) for name in frame.columns]
        return pd.DataFrame(frame), match_columns(names, columns, truncated=truncated), []
    shapes = frame.geometry
    kinds = set(shapes.geom_type.dropna())
    points = kinds <= {"Point"} and len(shapes) > 0
    outlines = bool(kinds) and kinds <= {"Polygon", "MultiPolygon", "LineString", "LinearRing"}
    names = [str(name) for name in frame.columns if name != shapes.name]
    matched = match_columns(
        names, columns, geometry=points or outlines, outlines=outlines, truncated=truncated
    )
    matched, said = apply_units(matched, stated_units(schema), path)
    if columns is None:
        matched, more = apply_statements(matched, _remarks(schema), path)
        said = [*said, *more]
    table = pd.DataFrame(frame.drop(columns=shapes.name))
    stated = {"longitude_deg", "latitude_deg"} <= matched.found.keys()
    if stated and matched.size is not None and not points:
        return table, matched, said
    shapes, notes = _in_lunar_degrees(shapes, path, needed=not stated or outlines)
    notes = [*said, *notes]
    if shapes is None:
        return table, matched, notes
    if points:
        place = (shapes.x.to_numpy(), shapes.y.to_numpy())
    else:
        longitude, latitude, diameter_km = _fitted_circles(shapes)
        place = (longitude, latitude)
        notes.append("circles are fitted to the outlines")
        if matched.size is None:
            table["diameter_km"] = diameter_km
            matched.found["diameter_km"] = "diameter_km"
    return table, _with_geometry(table, matched, place, notes), notes


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


def _in_lunar_degrees(shapes: Any, path: Path, *, needed: bool) -> tuple[Any, list[str]]:
    """Geometry in degrees on the lunar sphere; None where it cannot be and is not needed."""
    if shapes.crs is None:
        return shapes, ["no reference system: coordinates are taken as degrees on the Moon"]
    crs = CRS.from_user_input(shapes.crs)
    if crs.is_geographic and np.isclose(crs.axis_info[0].unit_conversion_factor, 1.0):
        # pyproj takes and gives degrees where a reference system counts in radians
        shapes = shapes.affine_transform([np.degrees(1.0), 0.0, 0.0, np.degrees(1.0), 0.0, 0.0])
    radius = crs.ellipsoid.semi_major_metre if crs.ellipsoid else 0.0
    if abs(radius - MOON_RADIUS_M) <= _RADIUS_TOLERANCE_M:
        polar = crs.ellipsoid.semi_minor_metre if crs.ellipsoid else radius
        if abs(radius - polar) > _FLATTENING_TOLERANCE_M:
            raise CatalogueError(
                f"{path}: its reference system {crs.name!r} is on an ellipsoid of "
                f"{radius / 1000:.1f} by {polar / 1000:.1f} km, whose latitudes are up to "
                f"{np.degrees(1.0 - polar / radius):.3f} deg from those on the lunar sphere. If "
                f"they are planetocentric, say so: ogr2ogr -a_srs {LUNAR_GEOGRAPHIC} OUT.gpkg IN."
            )
        return shapes.to_crs(LUNAR_GEOGRAPHIC), []
    fault = f"its reference system {crs.name!r} is of a body of {radius / 1000:.1f} km radius"
    if crs.is_geographic:
        return shapes, [f"{fault}; its degrees are taken as the Moon's"]
    if not needed:
        return None, [f"{fault}; its columns are taken, not its geometry"]
    raise CatalogueError(
        f"{path}: {fault}, so its coordinates cannot be placed on the Moon. Assign the right one, "
        f"such as ogr2ogr -a_srs {LUNAR_GEOGRAPHIC} OUT.gpkg IN."
    )


def _fitted_circles(shapes: Any) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Longitude, latitude (degrees) and diameter (km) of the least-squares circle of each shape.

    The circle is fitted (Kåsa 1976, doi 10.1109/TIM.1976.6312298) to the vertices on the plane
    that touches the sphere at their middle, orthographically.
    """
    found = np.full((len(shapes), 3), np.nan)
    for n, shape in enumerate(shapes):
        if shape is None or shape.is_empty:
            continue
        outline = max(getattr(shape, "geoms", [shape]), key=lambda part: part.length)
        ring = getattr(outline, "exterior", outline)
        longitude, latitude = np.array(ring.coords)[:, :2].T
        if len(longitude) >= _LEAST_VERTICES:
            found[n] = _fit_circle(longitude, latitude)
    return found[:, 0], found[:, 1], found[:, 2]


def _fit_circle(longitude: Float64Array, latitude: Float64Array) -> tuple[float, float, float]:
    points = unit_vectors(longitude_deg=longitude, latitude_deg=latitude)
    middle = points.mean(axis=0)
    middle /= np.linalg.norm(middle)
    east = np.cross((0.0, 0.0, 1.0), middle)
    east = np.array((1.0, 0.0, 0.0)) if np.linalg.norm(east) < 1e-9 else east / np.linalg.norm(east)
    north = np.cross(middle, east)
    for _ in range(3):  # towards the circle's own centre, where it is a circle on the plane
        u, v = points @ east, points @ north
        system = np.column_stack((2.0 * u, 2.0 * v, np.ones_like(u)))
        (a, b, c), *_ = np.linalg.lstsq(system, u * u + v * v, rcond=None)
        middle = middle * np.sqrt(max(0.0, 1.0 - a * a - b * b)) + a * east + b * north
        east = east - middle * (east @ middle)
        east /= np.linalg.norm(east)
        north = np.cross(middle, east)
    radius = float(np.sqrt(max(c + a * a + b * b, 0.0)))
    longitude_deg = float(np.degrees(np.arctan2(middle[1], middle[0])))
    latitude_deg = float(np.degrees(np.arcsin(np.clip(middle[2], -1.0, 1.0))))
    return longitude_deg, latitude_deg, 2.0 * MOON_RADIUS_KM * float(np.arcsin(min(radius, 1.0)))
