import csv
from xml.etree import ElementTree as xml

import numpy as np
import pandas as pd
import pytest

from lunar_models.catalogue.table import read_catalogue
from lunar_models.export.journal import (
    COLUMNS,
    journal_table,
    write_cds,
    write_robbins_csv,
)
from lunar_models.export.pds4 import PDS4, write_pds4

CRATERS = pd.DataFrame(
    {
        "crater_id": ["RR-1-000001", "b", "c"],
        "longitude_deg": [-10.25, 170.0, 0.5],
        "latitude_deg": [5.5, -20.125, 0.0],
        "diameter_km": [1.5, 20.0, 3.25],
        "state": pd.array([1, 4, pd.NA], dtype="Int64"),
        "state_name": ["New", "Old", None],
        "native_px": [10, 20, 30],
    }
)
AGES = pd.DataFrame(
    {
        "crater_id": ["RR-1-000001", "b"],
        "age_ga": [0.5, np.nan],
        "age_low_ga": [0.4, np.nan],
        "age_high_ga": [0.6, np.nan],
        "flags": ["", "large old"],
    }
)


@pytest.fixture
def table():
    return journal_table(CRATERS, AGES)


def test_known_columns_in_their_order(table):
    names = list(table.columns)
    assert names == [name for name in COLUMNS if name in names]
    assert "native_px" not in names
    assert table["age_ga"].tolist()[0] == 0.5
    assert len(table) == 3


def test_robbins_columns_are_read_as_a_catalogue(tmp_path, table):
    write_robbins_csv(tmp_path / "robbins.csv", table)
    header = (tmp_path / "robbins.csv").read_text().splitlines()[0].split(",")
    assert header[:4] == ["CRATER_ID", "LAT_CIRC_IMG", "LON_CIRC_IMG", "DIAM_CIRC_IMG"]
    assert "AGE_GA" in header
    assert pd.read_csv(tmp_path / "robbins.csv")["LON_CIRC_IMG"].tolist() == [349.75, 170.0, 0.5]
    craters, rejected = read_catalogue(tmp_path / "robbins.csv")
    assert rejected.empty
    assert craters["longitude_deg"].tolist() == [-10.25, 170.0, 0.5]


def test_the_cds_readme_describes_the_bytes(tmp_path, table):
    write_cds(tmp_path, table, title="Craters of 0 to 10°, Römer")
    readme = (tmp_path / "ReadMe").read_text()
    assert readme.splitlines()[0] == "Craters of 0 to 10 deg, Romer"
    lines = (tmp_path / "craters.dat").read_text().splitlines()
    assert len({len(line) for line in lines}) == 1
    described = [row.split() for row in readme.splitlines() if row.split()[3:4] == ["diameter_km"]]
    described += [row.split() for row in readme.splitlines() if row.split()[4:5] == ["diameter_km"]]
    assert described
    first, last = "".join(described[0][:-1]).split("F")[0].split("-")
    assert float(lines[1][int(first) - 1 : int(last)]) == 20.0
    assert "km" in described[0]


def test_the_pds4_label_fits_its_table(tmp_path, table):
    write_pds4(tmp_path, table, title="Craters", identifier="urn:nasa:pds:a:b:c")
    root = xml.parse(tmp_path / "craters.xml").getroot()
    space = {"p": PDS4}
    with (tmp_path / "craters.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    fields = root.findall(".//p:Field_Delimited", space)
    assert [f.findtext("p:name", None, space) for f in fields] == rows[0]
    units = {f.findtext("p:name", "", space): f.findtext("p:unit", None, space) for f in fields}
    assert units["diameter_km"] == "km"
    assert units["age_ga"] == "Gyr"
    assert root.findtext(".//p:records", None, space) == "3" == str(len(rows) - 1)
    offset = int(root.findtext(".//p:Table_Delimited/p:offset", "", space))
    assert (tmp_path / "craters.csv").read_bytes()[offset:].startswith(b"RR-1-000001,")
    assert rows[3][rows[0].index("state")] == ""
    parts = [part.tag.partition("}")[2] for part in root.find("p:Observation_Area", space)]
    assert parts == [
        "Time_Coordinates", "Primary_Result_Summary", "Investigation_Area", "Observing_System",
        "Target_Identification",
    ]  # fmt: skip
