"""The report holds what it was given, and nothing from outside."""

import base64
import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from lunar_models.page.report import (
    Facts,
    Listing,
    Picture,
    Section,
    Table,
    how_to_cite,
    write_report,
)


def written(tmp_path, *sections: Section) -> str:
    path = tmp_path / "report.html"
    write_report(path, "Craters <1>", sections, subtitle="cae-d20")
    return path.read_text()


def test_sections_are_listed_and_escaped(tmp_path) -> None:
    text = written(tmp_path, Section("Data & more", text="one\n\ntwo"), Section("Clusters"))
    assert re.findall(r'href="#(part-\d)">([^<]+)', text) == [
        ("part-1", "Data &amp; more"),
        ("part-2", "Clusters"),
    ]
    assert "<title>Craters &lt;1&gt;</title>" in text
    assert re.findall(r"<p>(\w+)</p>", text) == ["one", "two"]


def test_facts_of_every_kind_are_readable(tmp_path) -> None:
    values = {
        "craters": 1_021_843, "year": 2026, "rate": 1.0e-4, "share": 0.123456, "limit": None,
        "aligned": True, "views": ("pca", "umap"), "score": float("nan"),
    }  # fmt: skip
    text = written(tmp_path, Section("Settings", [Facts(values)]))
    shown = dict(re.findall(r"<dt>(\w+)</dt><dd>([^<]*)</dd>", text))
    assert shown == {
        "craters": "1,021,843", "year": "2026", "rate": "0.0001", "share": "0.1235", "limit": "–",
        "aligned": "yes", "views": "pca, umap", "score": "–",
    }  # fmt: skip


def test_tables_show_their_types_and_their_length(tmp_path) -> None:
    frame = pd.DataFrame({"name": ["a<b"] * 100, "count": np.arange(100), "score": np.float32(0.5)})
    text = written(tmp_path, Section("Table", [Table(frame, "Scores")]))
    rows = re.findall(r"<tr><td>(.*?)</td><td class=\"number\">(.*?)</td>", text)
    assert rows[:2] == [("a&lt;b", "0"), ("a&lt;b", "1")]
    assert len(rows) == 60
    assert "Scores (first 60 of 100 rows)" in text


@pytest.mark.parametrize("caption", ['seen "so"', ""])
def test_pictures_are_inside(tmp_path, caption: str) -> None:
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    text = written(tmp_path, Section("Picture", [Picture(figure, caption)]))
    png = re.search(r"data:image/png;base64,([^\"]+)", text)[1]
    assert base64.b64decode(png).startswith(b"\x89PNG")
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:|#)""", text)


def test_how_to_cite_names_the_code_and_the_data(tmp_path) -> None:
    section = how_to_cite(
        version="0.1.0", commit="abc123", year=2026, data={"mosaic": "sha256:1f"},
        references=["Robbins (2018), doi 10.1029/2018JE005592"],
    )  # fmt: skip
    text = written(tmp_path, section, Section("Command", [Listing("mlflow run . -P a=<b>")]))
    for part in ("abc123", "sha256:1f", "Robbins (2018)", "version = {0.1.0}", "a=&lt;b&gt;"):
        assert part in text


def test_columns_with_decimals_are_plain_numbers(tmp_path) -> None:
    frame = pd.DataFrame({"degradation": [1.2e-5, 0.25, np.nan], "p": [1.2e-5, 0.5, 1.0]})
    text = written(tmp_path, Section("Freshest", [Table(frame, decimals={"degradation": 3})]))
    cells = re.findall(r'<td class="number">(.*?)</td>', text)
    assert cells == ["0.000", "1.2e-05", "0.250", "0.5", "–", "1"]
