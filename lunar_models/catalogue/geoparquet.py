"""Write craters as GeoParquet points in bounded memory.

geopandas writes a table only as a whole. The file says what its geometry is in JSON as in
GeoParquet 1.0.0 (https://geoparquet.org/releases/v1.0.0/).
"""

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pyproj
import shapely

from lunar_models.moon import LUNAR_GEOGRAPHIC

_PIECE = 100_000
_PLACE = ("longitude_deg", "latitude_deg")


def write_points(path: Path, table: pd.DataFrame) -> None:
    """Write craters as GeoParquet points in `LUNAR_GEOGRAPHIC`.

    Args:
        path: the file; an existing one is replaced.
        table: with longitude_deg and latitude_deg; all columns are kept, the index is not.
    """
    schema = pa.Schema.from_pandas(table, preserve_index=False)
    with PointsWriter(path, schema, bounds=find_bounds(table)) as writer:
        for start in range(0, len(table), _PIECE):
            piece = table.iloc[start : start + _PIECE]
            writer.write(pa.Table.from_pandas(piece, schema, preserve_index=False))


def find_bounds(table: pd.DataFrame) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north of all points in degrees; None without any."""
    if table.empty or table[list(_PLACE)].isna().all(axis=None):
        return None
    west, south = (float(table[name].min()) for name in _PLACE)
    east, north = (float(table[name].max()) for name in _PLACE)
    return west, south, east, north


class PointsWriter:
    """Write tables of craters one after the other as one GeoParquet file in `LUNAR_GEOGRAPHIC`."""

    def __init__(
        self,
        path: Path,
        schema: pa.Schema,
        *,
        bounds: tuple[float, float, float, float] | None,
    ) -> None:
        """Begin the file.

        Args:
            path: the file; an existing one is replaced.
            schema: of the tables, longitude_deg and latitude_deg among the columns.
            bounds: `find_bounds` of all of them.
        """
        described = json.dumps(_description(bounds)).encode()
        schema = schema.append(pa.field("geometry", pa.binary()))
        self._schema = schema.with_metadata({b"geo": described})
        self._writer = pq.ParquetWriter(path, self._schema)

    def __enter__(self) -> "PointsWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Append craters as one row group."""
        points = shapely.to_wkb(shapely.points(*(table[name].to_numpy() for name in _PLACE)))
        table = table.append_column("geometry", pa.array(points, pa.binary()))
        self._writer.write_table(table.cast(self._schema))


def _description(bounds: tuple[float, float, float, float] | None) -> dict[str, object]:
    geometry = {
        "encoding": "WKB",
        "geometry_types": ["Point"],
        "crs": pyproj.CRS(LUNAR_GEOGRAPHIC).to_json_dict(),
        **({} if bounds is None else {"bbox": list(bounds)}),
    }
    return {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
