"""Write a self-contained HTML report of a run, such as a supplement to a paper.

A report is a title and sections; a section is a heading, some text, and blocks: facts, tables,
pictures and listings. It refers to nothing outside itself and prints well.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from matplotlib.figure import Figure

_MOST_ROWS = 60
_DPI = 130


@dataclass(frozen=True)
class Facts:
    """A block of names and values, such as parameters; None is shown as a dash."""

    values: Mapping[str, Any]
    kind: str = field(default="facts", init=False)


@dataclass(frozen=True)
class Table:
    """A data frame; of a long one the first 60 rows are shown."""

    frame: pd.DataFrame
    caption: str = ""
    decimals: Mapping[str, int] = field(default_factory=dict)
    """Digits behind the point, by column; other numbers have four that count."""
    kind: str = field(default="table", init=False)


@dataclass(frozen=True)
class Picture:
    """A figure and its caption."""

    figure: Figure | bytes
    """A figure, or the bytes of a PNG."""
    caption: str
    kind: str = field(default="picture", init=False)


@dataclass(frozen=True)
class Listing:
    """Text shown as it is, such as BibTeX or a command."""

    text: str
    kind: str = field(default="listing", init=False)


Block = Facts | Table | Picture | Listing


@dataclass(frozen=True)
class Section:
    """A part of the report."""

    title: str
    blocks: Sequence[Block] = ()
    text: str = ""
    """Paragraphs, parted by empty lines."""


def write_report(
    path: Path, title: str, sections: Sequence[Section], *, subtitle: str = ""
) -> None:
    """Write the report as one HTML file.

    Args:
        path: the file to write.
        title: heading of the report.
        sections: in reading order; their titles make the table of contents.
        subtitle: one line below the heading, such as run name, commit and date.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters.update(value=_value, png=_png, rows=_rows)
    source = (resources.files("lunar_models.page") / "report.html").read_text(encoding="utf-8")
    page = environment.from_string(source).render(
        title=title, subtitle=subtitle, sections=sections, most_rows=_MOST_ROWS
    )
    path.write_text(page, encoding="utf-8")


def how_to_cite(
    *, version: str, commit: str, year: int, data: Mapping[str, str], references: Sequence[str] = ()
) -> Section:
    """Make the section on how to cite and reproduce this analysis.

    Args:
        version: of Lunar Models.
        commit: git commit of the code.
        year: of the run.
        data: digest of each input, by its name.
        references: papers of the data and methods used, as they should be cited.
    """
    entry = (
        "@software{lunar_models,\n"
        "  title   = {Lunar Models: clustering and classifying lunar craters},\n"
        f"  version = {{{version}}},\n"
        f"  year    = {{{year}}},\n"
        f"  note    = {{git commit {commit}}}\n"
        "}"
    )
    text = "Name the software, its version, and the digests of the data it was applied to."
    papers = [Listing("\n".join(references))] if references else []
    return Section("How to cite", [Listing(entry), Facts(data), *papers], text)


def _value(value: Any) -> str:
    """Format a number, or any other value, for a reader."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(_value(item) for item in value)
    return str(value)


def _rows(table: Table) -> list[list[Any]]:
    shown = table.frame.head(_MOST_ROWS)
    columns = [shown[name].tolist() for name in shown.columns]  # tolist keeps each column's type
    digits = [table.decimals.get(name) for name in shown.columns]
    return [list(map(_Cell, row, digits)) for row in zip(*columns, strict=True)]


class _Cell:
    """A value of a table as it is shown."""

    def __init__(self, value: Any, decimals: int | None) -> None:
        self.is_number = isinstance(value, int | float) and not isinstance(value, bool)
        plain = decimals is not None and isinstance(value, float) and not pd.isna(value)
        self.text = f"{value:,.{decimals}f}" if plain else _value(value)


def _png(figure: Figure | bytes) -> str:
    if isinstance(figure, bytes):
        return base64.b64encode(figure).decode("ascii")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=_DPI, metadata={"Software": None})
    return base64.b64encode(file.getvalue()).decode("ascii")
