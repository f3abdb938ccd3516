"""Read what vector files say of their layer in words: descriptions of the layer and its columns."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

_SIDECARS = (".shp.xml", ".qmd", ".xml")
_MOST_BYTES = 1 << 22
_TABLES = (
    "SELECT '', description FROM gpkg_contents",
    "SELECT column_name, description FROM gpkg_data_columns",
    "SELECT column_name, title FROM gpkg_data_columns",
    "SELECT '', metadata FROM gpkg_metadata",
)
_TAGS = re.compile(r"<!--.*?-->|<[^>]*>", re.DOTALL)


def layer_remarks(source: Any, path: Path) -> list[str]:
    """Collect the descriptions of a layer, of its columns by their names, and of its sidecars.

    Args:
        source: what GDAL opens.
        path: of the file.

    Returns:
        a line per remark; markup is left out.
    """
    import pyogrio

    metadata = pyogrio.read_info(source).get("layer_metadata") or {}
    remarks = [value for key, value in metadata.items() if not key.startswith("DBF_")]
    if path.suffix.lower() in (".gpkg", ".sqlite"):
        remarks += _tables_of_words(path)
    for suffix in _SIDECARS:
        beside = path.with_suffix(suffix)
        if beside != path and beside.is_file() and beside.stat().st_size <= _MOST_BYTES:
            remarks.append(beside.read_text(errors="ignore"))
    plain = (_TAGS.sub("\n", remark) for remark in remarks)
    return list(dict.fromkeys(line for text in plain for line in text.splitlines() if line.strip()))


def _tables_of_words(path: Path) -> list[str]:
    """Texts of a GeoPackage's own tables; those that it lacks are passed over."""
    remarks = []
    with closing(
        sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    ) as database:
        for query in _TABLES:
            try:
                rows = database.execute(query).fetchall()
            except sqlite3.Error:
                continue
            remarks += [f"{name}: {text}" if name else str(text) for name, text in rows if text]
    return remarks
