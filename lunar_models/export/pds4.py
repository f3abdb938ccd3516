"""Write a crater table with a PDS4 label.

PDS4 information model 1.21.0.0, https://pds.nasa.gov/datastandards/documents/im/: a delimited
table (``PDS DSV 1``) whose label names the meaning and unit of each field.
"""

from pathlib import Path
from xml.etree import ElementTree as xml

import pandas as pd

from lunar_models.export.journal import COLUMNS, text_cells

PDS4 = "http://pds.nasa.gov/pds4/pds/v1"
_MODEL = "1.21.0.0"


def write_pds4(folder: Path, table: pd.DataFrame, *, title: str, identifier: str) -> None:
    """Write ``craters.csv`` and its PDS4 label ``craters.xml`` with units and meanings.

    Args:
        folder: where.
        table: as from `journal_table`.
        title: of the product.
        identifier: logical identifier, such as ``urn:nasa:pds:bundle:collection:product``.
    """
    data = folder / "craters.csv"
    cells = pd.DataFrame({name: text_cells(table, name) for name in table.columns})
    cells.to_csv(data, index=False, lineterminator="\r\n")
    xml.register_namespace("", PDS4)
    root = xml.Element(f"{{{PDS4}}}Product_Observational")
    area = _node(root, "Identification_Area")
    for name, text in (
        ("logical_identifier", identifier), ("version_id", "1.0"), ("title", title),
        ("information_model_version", _MODEL), ("product_class", "Product_Observational"),
    ):  # fmt: skip
        _node(area, name, text)
    _observation(root)
    file_area = _node(root, "File_Area_Observational")
    _node(_node(file_area, "File"), "file_name", data.name)
    header_bytes = len(",".join(table.columns)) + 2
    header = _node(file_area, "Header")
    _node(header, "offset", "0", unit="byte")
    _node(header, "object_length", str(header_bytes), unit="byte")
    _node(header, "parsing_standard_id", "PDS DSV 1")
    delimited = _node(file_area, "Table_Delimited")
    _node(delimited, "offset", str(header_bytes), unit="byte")
    for name, text in (
        ("parsing_standard_id", "PDS DSV 1"), ("records", str(len(table))),
        ("record_delimiter", "Carriage-Return Line-Feed"), ("field_delimiter", "Comma"),
    ):  # fmt: skip
        _node(delimited, name, text)
    record = _node(delimited, "Record_Delimited")
    _node(record, "fields", str(table.shape[1]))
    _node(record, "groups", "0")
    for number, name in enumerate(table.columns, start=1):
        _field(record, number, name)
    xml.indent(root)
    xml.ElementTree(root).write(folder / "craters.xml", encoding="utf-8", xml_declaration=True)


def _observation(root: xml.Element) -> None:
    area = _node(root, "Observation_Area")
    time = _node(area, "Time_Coordinates")
    for name in ("start_date_time", "stop_date_time"):
        time_node = _node(time, name)
        time_node.set("{http://www.w3.org/2001/XMLSchema-instance}nil", "true")
        time_node.set("nilReason", "inapplicable")
    summary = _node(area, "Primary_Result_Summary")
    _node(summary, "purpose", "Science")
    _node(summary, "processing_level", "Derived")
    investigation = _node(area, "Investigation_Area")
    _node(investigation, "name", "None")
    _node(investigation, "type", "Individual Investigation")
    reference = _node(investigation, "Internal_Reference")
    _node(reference, "lid_reference", "urn:nasa:pds:context:investigation:individual.none")
    _node(reference, "reference_type", "data_to_investigation")
    system = _node(area, "Observing_System")
    component = _node(system, "Observing_System_Component")
    _node(component, "name", "Lunar Models")
    _node(component, "type", "Software")
    target = _node(area, "Target_Identification")
    _node(target, "name", "Moon")
    _node(target, "type", "Satellite")


def _field(record: xml.Element, number: int, name: str) -> None:
    column = COLUMNS[name]
    field = _node(record, "Field_Delimited")
    _node(field, "name", name)
    _node(field, "field_number", str(number))
    kind = "ASCII_Real" if column.decimals is not None else "UTF8_String"
    _node(field, "data_type", "ASCII_Integer" if name == "state" else kind)
    if column.unit:
        _node(field, "unit", {"m2": "m**2"}.get(column.unit, column.unit))
    _node(field, "description", column.text)


def _node(parent: xml.Element, name: str, text: str = "", **attributes: str) -> xml.Element:
    node = xml.SubElement(parent, f"{{{PDS4}}}{name}", attributes)
    node.text = text or None
    return node
