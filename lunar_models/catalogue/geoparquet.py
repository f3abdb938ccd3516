"""Write craters as GeoParquet points, piece by piece, so that a million need little memory.

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
    plain = pa.Schema.from_pandas(table, preserve_index=False)
    schema = plain.append(pa.field("geometry", pa.binary()))
    schema = schema.with_metadata({b"geo": json.dumps(_description(table)).encode()})
    with pq.ParquetWriter(path, schema) as writer:
        for start in range(0, len(table), _PIECE):
            piece = table.iloc[start : start + _PIECE]
            points = shapely.to_wkb(shapely.points(*(piece[name].to_numpy() for name in _PLACE)))
            columns = pa.Table.from_pandas(piece, plain, preserve_index=False)
            columns = columns.append_column("geometry", pa.array(points, pa.binary()))
            writer.write_table(columns.cast(schema))


def _description(table: pd.DataFrame) -> dict[str, object]:
    low, high = ([float(table[name].agg(end)) for name in _PLACE] for end in ("min", "max"))
    geometry = {
        "encoding": "WKB",
        "geometry_types": ["Point"],
        "crs": pyproj.CRS(LUNAR_GEOGRAPHIC).to_json_dict(),
        **({"bbox": [*low, *high]} if len(table) else {}),
    }
    return {"version": "1.0.0", "primary_column": "geometry", "columns": {"geometry": geometry}}
