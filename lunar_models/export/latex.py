"""Write result tables as LaTeX (booktabs) with units and intervals, as a journal prints them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class LatexColumn:
    """A column of a printed table."""

    name: str
    """Of the data frame."""
    head: str
    """LaTeX, without unit."""
    unit: str = ""
    """LaTeX; empty for numbers without one and for text."""
    bounds: tuple[str, str] | None = None
    """Columns of the ends of its interval, printed in brackets."""

    @property
    def title(self) -> str:
        """Head and unit."""
        return f"{self.head} ({self.unit})" if self.unit else self.head


_KM2 = r"km$^{2}$"
_PER_KM2 = r"km$^{-2}$"
_RANGE = (
    LatexColumn("diameter_min_km", r"$D_{\min}$", "km"),
    LatexColumn("diameter_max_km", r"$D_{\max}$", "km"),
)
_AGE = LatexColumn("age_ga", "Model age", "Ga", ("age_low_ga", "age_high_ga"))
_N1_OF_AGE = LatexColumn("n1_per_km2", "$N(1)$ at that age", _PER_KM2)

AGE = (
    LatexColumn("area", "Counting area"),
    LatexColumn("area_km2", "Size", _KM2),
    LatexColumn("perimeter_km", "Perimeter", "km"),
    LatexColumn("chronology", "Chronology"),
    *_RANGE,
    LatexColumn("craters", "Craters"),
    _AGE,
    _N1_OF_AGE,
)
POPULATIONS = (
    LatexColumn("population", "Population"),
    LatexColumn("craters", "Craters"),
    LatexColumn("completeness_km", "Complete from", "km"),
    LatexColumn("used", "Craters above"),
    LatexColumn("slope", "Cumulative slope", "", ("slope_low", "slope_high")),
    LatexColumn("n1_per_km2", "$N(1)$", _PER_KM2, ("n1_per_km2_low", "n1_per_km2_high")),
    LatexColumn("n10_per_km2", "$N(10)$", _PER_KM2, ("n10_per_km2_low", "n10_per_km2_high")),
)
RETENTION = (
    LatexColumn("state_name", "State and fresher ones"),
    LatexColumn("craters", "Craters"),
    *_RANGE,
    _AGE,
    _N1_OF_AGE,
)
"""Columns of the printed tables, in order."""

_ESCAPES = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}", "°": r"$^{\circ}$", "²": r"$^{2}$", "√": r"$\surd$",
    **{sign: "\\" + sign for sign in "&%$#_"},
}  # fmt: skip
_FEWEST_DIGITS, _MOST_DIGITS = 1e-3, 1e6


def write_latex(
    path: Path, table: pd.DataFrame, columns: Sequence[LatexColumn], *, caption: str, label: str
) -> None:
    """Write a table as LaTeX; numbers are those of `table` with four figures.

    A single row is turned: a line per column.

    Args:
        path: the file.
        table: with `columns` and their bounds.
        columns: to print.
        caption: plain text.
        label: for ``\\ref``.
    """
    cells = [[_cell(row, column) for column in columns] for row in table.to_dict("records")]
    if len(cells) == 1:
        lines = [[column.title, cell] for column, cell in zip(columns, cells[0], strict=True)]
        head, kinds = ["Quantity", "Value"], "ll"
    else:
        lines, head = cells, [column.title for column in columns]
        numbers = {*table.select_dtypes("number").columns}
        kinds = "".join("r" if column.name in numbers else "l" for column in columns)
    body = [
        r"\begin{table}",
        rf"\caption{{{escape(caption)}}}\label{{{label}}}",
        rf"\begin{{tabular}}{{{kinds}}}",
        r"\toprule",
        " & ".join(head) + r" \\",
        r"\midrule",
        *(" & ".join(line) + r" \\" for line in lines),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    path.write_text("\n".join(body) + "\n", encoding="utf-8")


def escape(text: str) -> str:
    """Plain text as LaTeX."""
    return "".join(_ESCAPES.get(sign, sign) for sign in text)


def _cell(row: dict[Any, Any], column: LatexColumn) -> str:
    value = _figures(row[column.name])
    if column.bounds is None or pd.isna(row[column.name]):
        return value
    low, high = (_figures(row[name]) for name in column.bounds)
    return f"{value} ({low} to {high})"


def _figures(value: Any) -> str:
    """A number with four figures, as LaTeX; a dash where there is none."""
    if pd.isna(value):
        return "--"
    if not isinstance(value, float):
        return escape(str(value))
    if value in (float("inf"), float("-inf")):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    if value and not _FEWEST_DIGITS <= abs(value) < _MOST_DIGITS:
        digits, exponent = f"{value:.3e}".split("e")
        return rf"${digits}\times10^{{{int(exponent)}}}$"
    text = f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return f"${text}$" if value < 0 else text
