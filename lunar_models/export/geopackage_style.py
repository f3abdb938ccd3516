"""Store a default QGIS style in a GeoPackage, so that a layer opens coloured by a column.

QGIS looks for a row of the table ``layer_styles`` with ``useAsDefault``
(https://docs.qgis.org/latest/en/docs/user_manual/introduction/general_tools.html#save-and-share).
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree as xml

import pyogrio

from lunar_models.clustering.types import NOISE
from lunar_models.colours import UNKNOWN

TIME_STAMP = "2000-01-01T00:00:00.000Z"
"""GeoPackages must carry a time of their last change; a fixed one lets equal runs give equal files.
"""

_TABLE = """
CREATE TABLE layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT, f_table_catalog TEXT(256), f_table_schema TEXT(256),
    f_table_name TEXT(256), f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT,
    styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME
)"""
_REGISTER = """
INSERT INTO gpkg_contents (table_name, data_type, identifier, last_change)
VALUES ('layer_styles', 'attributes', 'layer_styles', ?)"""
_STYLE = """
INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, f_geometry_column,
    styleName, styleQML, styleSLD, useAsDefault, description, owner, update_time)
VALUES ('', '', ?, 'geom', ?, ?, '', 1, ?, '', ?)"""

Category = tuple[int, str, str]
"""Value, label, and colour as ``#rrggbb``."""


def use_fixed_time() -> None:
    """Let GDAL write `TIME_STAMP` into the GeoPackages of this process."""
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": TIME_STAMP})


def add_cluster_style(path: Path, layer: str, colours: Sequence[str]) -> None:
    """Make `layer` of the GeoPackage `path` open with one colour per ``cluster_id``."""
    _add(path, layer, "clusters", cluster_qml(colours), "One colour per cluster")


def add_state_style(path: Path, layer: str, categories: Sequence[Category]) -> None:
    """Make `layer` of the GeoPackage `path` open with one colour per ``state``."""
    _add(path, layer, "states", category_qml("state", categories), "One colour per state")


def _add(path: Path, layer: str, name: str, qml: str, description: str) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_TABLE)
        database.execute(_REGISTER, (TIME_STAMP,))
        database.execute(_STYLE, (layer, name, qml, description, TIME_STAMP))


def cluster_qml(colours: Sequence[str]) -> str:
    """QGIS layer style (QML): a category per cluster, grey for noise.

    Args:
        colours: ``#rrggbb`` of cluster 0, 1, …
    """
    entries = [(k, f"Cluster {k}", colour) for k, colour in enumerate(colours)]
    return category_qml("cluster_id", [*entries, (NOISE, "Noise", UNKNOWN)])


def category_qml(attribute: str, entries: Sequence[Category]) -> str:
    """QGIS layer style (QML): a category per value of a whole-number column."""
    qgis = xml.Element("qgis", version="3.22.0", styleCategories="Symbology")
    renderer = xml.SubElement(
        qgis, "renderer-v2", type="categorizedSymbol", attr=attribute, symbollevels="0"
    )
    categories = xml.SubElement(renderer, "categories")
    symbols = xml.SubElement(renderer, "symbols")
    for name, (value, label, colour) in enumerate(entries):
        xml.SubElement(
            categories, "category",
            symbol=str(name), value=str(value), label=label, render="true", type="long",
        )  # fmt: skip
        symbols.append(_symbol(name, colour))
    return xml.tostring(qgis, encoding="unicode")


def _symbol(name: int, colour: str) -> xml.Element:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    symbol = xml.Element("symbol", name=str(name), type="marker", alpha="1", clip_to_extent="1")
    layer = xml.SubElement(symbol, "layer", {"class": "SimpleMarker"}, enabled="1", locked="0")
    options = xml.SubElement(layer, "Option", type="Map")
    for key, value in {
        "name": "circle",
        "color": f"{red},{green},{blue},255",
        "outline_color": "20,20,20,255",
        "outline_width": "0.1",
        "size": "1.8",
        "size_unit": "MM",
    }.items():
        xml.SubElement(options, "Option", type="QString", name=key, value=value)
    return symbol
