"""Style figures for print: column widths, type sizes, and files whose text stays text."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

Width = Literal["one", "two"]
WIDTH_IN: dict[Width, float] = {"one": 3.46, "two": 7.09}
"""One and two columns of a journal: 88 and 180 mm."""

_TYPE: dict[Any, Any] = {
    "font.size": 8.0,
    "axes.labelsize": 8.0,
    "axes.titlesize": 8.0,
    "legend.fontsize": 6.5,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
}
_FILES: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "0",
}


@contextmanager
def print_style() -> Iterator[None]:
    """Draw with the type sizes and line widths of a journal."""
    with mpl.rc_context(_TYPE):
        yield


def print_figure(width: Width, aspect: float = 0.85) -> Figure:
    """Return an empty figure of one or two columns; `aspect` is height over width."""
    inches = WIDTH_IN[width]
    return Figure(figsize=(inches, inches * aspect), layout="constrained")


def save_print(figure: Figure, path: Path) -> None:
    """Save as the suffix of `path` says; fonts are embedded, and equal figures give equal files."""
    dates = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    with mpl.rc_context(_FILES):
        figure.savefig(path, dpi=300, metadata=dates.get(path.suffix))


def label_diameters(axis: Any) -> None:
    """Label 1, 2 and 5 of each decade of a logarithmic axis as plain numbers."""
    axis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axis.set_minor_formatter(FuncFormatter(lambda x, _: f"{x:g}" if f"{x:e}"[0] in "25" else ""))
