"""Parse the numbers of CraterStats files."""

import re
from pathlib import Path

import numpy as np

from lunar_models.errors import CatalogueError

NUMBER = re.compile(r"^\s*([-+]?[\d.,]+(?:[eE][-+]?\d+)?)")
"""A number, before any unit such as `<km^2>`."""


def table_number(text: str, path: Path, name: str) -> float:
    """Parse a number of the table of craters, which has neither unit nor direction.

    Raises:
        CatalogueError: it has, or is no number.
    """
    found = NUMBER.match(text.strip().strip("\"'"))
    if found and re.search(r"[^\W\d]", text.strip()[found.end() :]):
        raise CatalogueError(
            f"{path}: {name} = {text.strip()!r} is more than a number. Write diameters in km and "
            "signed degrees east and north."
        )
    return number(text, path, name)


def number(text: str, path: Path, name: str) -> float:
    """Parse a number with a decimal point or comma, before any unit such as ``<km^2>``.

    Raises:
        CatalogueError: not a finite number; a number with grouped thousands is none.
    """
    found = NUMBER.match(text.strip().strip("\"'"))
    try:
        value = float(found[1].replace(",", ".") if found else "")
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise CatalogueError(f"{path}: {name} = {text.strip()!r} is not a number; correct it.")
    return value
