"""Find the header of a delimited text, and the delimiter of its columns."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lunar_models.catalogue.columns import match_columns
from lunar_models.errors import CatalogueError

DELIMITERS = (",", "\t", ";", "|")
HEADER_SEARCH_LINES = 64
"""LU1319373 has 16 lines of notes above its header."""
COMMENTS = ("#", "%", ";")
"""Signs before lines of notes."""


@dataclass(frozen=True)
class TextLayout:
    """The position of the header in a delimited text."""

    header_line: int
    delimiter: str
    names: list[str]


def find_header(lines: list[str], columns: Mapping[str, str] | None) -> TextLayout | None:
    """Find the first line that names the columns we need; None if there is none.

    A line behind a comment sign is a header only where no other line is.
    """
    numbered = list(enumerate(lines))
    commented = [pair for pair in numbered if _is_comment(pair[1])]
    for number, line in [pair for pair in numbered if pair not in commented] + commented:
        for delimiter in DELIMITERS:
            names = _split(line, delimiter)
            try:
                match_columns(names, columns)
            except CatalogueError:
                continue
            below = (row for row in lines[number + 1 :] if row.strip() and not _is_comment(row))
            after = next(below, "")
            return TextLayout(number, delimiter, _with_row_names(names, _split(after, delimiter)))
    return None


def first_line(lines: list[str]) -> TextLayout:
    """Return the first line that is no comment, split by its most frequent delimiter."""
    plain = (n for n, line in enumerate(lines) if line.strip() and not _is_comment(line))
    first = next(plain, 0)
    line = lines[first] if lines else ""
    delimiter = max(DELIMITERS, key=lambda d: (line.count(d), d != ","))
    return TextLayout(first, delimiter, _split(line, delimiter) if lines else [])


def note_lines(text: bytes, layout: TextLayout) -> list[str]:
    """Return the lines above the header and all comments, without the header itself."""
    lines = text.decode("utf-8", errors="ignore").splitlines()
    header = next((n for n, line in enumerate(lines) if _is_header(line, layout)), 0)
    above = [line for line in lines[:header] if line.strip()]
    return above + [line for line in lines[header + 1 :] if _is_comment(line)]


def notes_by_field(lines: list[str], layout: TextLayout) -> list[str]:
    """Return ``name: cell`` of lines that have as many fields as the header, such as units."""
    notes = []
    for line in lines:
        cells = _split(line.lstrip("#% "), layout.delimiter)
        if len(cells) == len(layout.names) > 1:
            pairs = zip(layout.names, cells, strict=True)
            notes += [f"{name}: {cell}" for name, cell in pairs if name and cell.strip("-")]
    return notes


def _is_header(line: str, layout: TextLayout) -> bool:
    names = [name for name in layout.names if name]
    split = [field for field in _split(line, layout.delimiter) if field]
    return bool(names) and names in (split, line.lstrip("#% ").split())


def read_spaced(
    text: str, columns: Mapping[str, str] | None, path: Path
) -> tuple[bytes, TextLayout] | None:
    """Turn a text whose columns are separated by blanks into one separated by tabs.

    Args:
        text: all of the file.
        columns: as for `match_columns`.
        path: of the file, for messages.

    Returns:
        the text as UTF-8 and its layout; None where no line, split at blanks, is a header.

    Raises:
        CatalogueError: a row has another number of fields than the header, so that nobody knows
            which column each belongs to.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    for number, line in enumerate(lines[:HEADER_SEARCH_LINES]):
        names = line.lstrip("#% ").split()
        try:
            match_columns(names, columns)
        except CatalogueError:
            continue
        rows = [row.split() for row in lines[number + 1 :] if not _is_comment(row)]
        odd = next((row for row in rows if len(row) != len(names)), None)
        if odd is not None:
            raise CatalogueError(
                f"{path}: its columns are separated by blanks, but the row {' '.join(odd)!r} has "
                f"{len(odd)} fields where the header has {len(names)}. Save it as CSV."
            )
        tabbed = "\n".join("\t".join(fields) for fields in (names, *rows))
        return f"{tabbed}\n".encode(), TextLayout(0, "\t", names)
    return None


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(COMMENTS)


def _with_row_names(names: list[str], fields: list[str]) -> list[str]:
    """Names that match the fields below.

    With one more for the row names that R and pandas write, or for a delimiter at the ends of these
    lines; without the empty one behind a delimiter that ends the header only.
    """
    if len(fields) == len(names) - 1 and names[-1] == "":
        return names[:-1]
    if len(fields) != len(names) + 1:
        return names
    return [*names, ""] if fields[-1] == "" else ["", *names]


def _split(line: str, delimiter: str) -> list[str]:
    names = next(csv.reader([line], delimiter=delimiter), [])
    return [name.strip().lstrip("\ufeff") for name in names]
