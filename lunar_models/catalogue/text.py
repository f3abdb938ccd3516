"""Read delimited text of any encoding, line ending and delimiter, with notes above the header."""

import codecs
import csv
import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from lunar_models.catalogue.columns import NUMBERS, Columns, match_columns, plain_name
from lunar_models.errors import CatalogueError

SUFFIXES = (".csv", ".txt", ".tsv", ".tab", ".dat", ".gz")
DELIMITERS = (",", "\t", ";", "|")
HEADER_SEARCH_LINES = 64
"""LU1319373 has 16 lines of notes above its header."""

MOST_BYTES = 2**31
_HEAD_BYTES = 1 << 20
_PREVIEW_ROWS = 500
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


@dataclass(frozen=True)
class TextLayout:
    """The position of the header in a delimited text."""

    header_line: int
    delimiter: str
    names: list[str]


def read_text(
    path: Path, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Read the required columns of a delimited text, and report remarks.

    Raises:
        CatalogueError: no header with the columns needed, or too large.
    """
    source, notes = _plain_text(path)
    start = _head(source)
    head = start.decode("utf-8", errors="ignore").splitlines()[:HEADER_SEARCH_LINES]
    layout = _find_header(head, columns)
    if columns is None and _looks_like_data(layout.names):
        raise CatalogueError(
            f"{path} begins with data ({', '.join(layout.names[:5])}), not with the names of its "
            "columns. Write a first line such as crater_id,longitude_deg,latitude_deg,diameter_km."
        )
    names = unique_names(layout.names)
    matched = match_columns(names, columns)
    preview = _parse(start, layout, names, {}, rows=_PREVIEW_ROWS)
    wanted = [*matched.found.values(), *matched.rivals, *matched.identifiers]
    wanted += _directions(preview)
    wanted = list(dict.fromkeys(wanted))
    numbers = {matched.found[f] for f in NUMBERS if f in matched.found}
    numbers -= set(matched.identifiers)
    try:
        table = _parse(source, layout, wanted, dict.fromkeys(numbers, pa.float64()))
    except pa.ArrowInvalid:  # a number that is none: as text, so that only its row suffers
        table = _parse(source, layout, wanted, {})
    return table, matched, notes


def read_whole_text(path: Path) -> pd.DataFrame:
    """Read all columns of a delimited text, every cell as text, None where it is empty.

    The header is found as in `read_text`; where no line names the columns of a catalogue, it is the
    first line without a comment sign.
    """
    source, _ = _plain_text(path)
    head = _head(source).decode("utf-8", errors="ignore").splitlines()[:HEADER_SEARCH_LINES]
    layout = _find_header(head, None)
    if not layout.names:
        return pd.DataFrame()
    return _parse(source, layout, unique_names(layout.names), {})


def _plain_text(path: Path) -> tuple[Path | bytes, list[str]]:
    """The file itself where it is UTF-8 with plain line ends, else its text as such."""
    with path.open("rb") as file:
        start = file.read(_HEAD_BYTES)
    packed = start.startswith(b"\x1f\x8b")
    encoding = next((name for mark, name in _MARKS if start.startswith(mark)), "utf-8")
    old_lines = b"\r" in start and b"\n" not in start
    if not packed and encoding == "utf-8" and not old_lines and _is_utf8(path):
        if b"\0" in start:
            raise CatalogueError(f"{path} cannot be read as a text: it holds binary data.")
        return path, []
    notes = ["gzip"] if packed else []
    with gzip.open(path) if packed else path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise CatalogueError(f"{path} is over {MOST_BYTES >> 30} GiB; give it as Parquet.")
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            raise CatalogueError(
                f"{path} cannot be read as a text: it is neither UTF-8 nor Windows-1252. Save it "
                "as UTF-8."
            ) from None
    if "\0" in text[:_HEAD_BYTES]:
        raise CatalogueError(f"{path} cannot be read as a text: it holds binary data.")
    notes += [f"encoding {encoding}"] if encoding != "utf-8" else []
    if "\r" in text and "\n" not in text:
        text = text.replace("\r", "\n")
        notes.append("lines end with CR only")
    return text.encode(), notes


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 24):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:_HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _parse(
    source: Path | bytes,
    layout: TextLayout,
    wanted: list[str],
    types: dict[str, pa.DataType],
    *,
    rows: int | None = None,
) -> pd.DataFrame:
    if rows is not None:
        assert isinstance(source, bytes)
        lines = source.splitlines(keepends=True)
        source = b"".join(lines[: layout.header_line + 1 + rows])
    names = unique_names(layout.names)
    kinds = {name: types.get(name, pa.string()) for name in wanted}
    skipped = pa_csv.ParseOptions(
        delimiter=layout.delimiter,
        invalid_row_handler=(lambda row: "skip") if rows is not None else None,
    )
    table = pa_csv.read_csv(
        io.BytesIO(source) if isinstance(source, bytes) else source,
        read_options=pa_csv.ReadOptions(skip_rows=layout.header_line + 1, column_names=names),
        parse_options=skipped,
        convert_options=pa_csv.ConvertOptions(
            include_columns=list(kinds), column_types=kinds, strings_can_be_null=True
        ),
    )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def unique_names(names: list[str]) -> list[str]:
    """Names as they are; repeated ones are numbered, so that the first is meant."""
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name}.{seen[name] - 1}")
    return result


def _directions(preview: pd.DataFrame) -> list[str]:
    """Columns whose every value is a direction, such as E and W."""
    words = {"e", "w", "n", "s", "east", "west", "north", "south", "o", "ost", "nord", ""}
    return [
        str(name)
        for name, values in preview.items()
        if values.notna().any() and set(values.dropna().str.strip().str.lower()) <= words
    ]


def _find_header(lines: list[str], columns: Mapping[str, str] | None) -> TextLayout:
    """The first line that names the columns we need; else the first line, to complain about.

    A line behind a comment sign is a header only where no other line is.
    """
    numbered = list(enumerate(lines))
    commented = [pair for pair in numbered if pair[1].lstrip().startswith(("#", "%", ";"))]
    for number, line in [pair for pair in numbered if pair not in commented] + commented:
        for delimiter in DELIMITERS:
            names = _split(line, delimiter)
            try:
                match_columns(names, columns)
            except CatalogueError:
                continue
            after = next((later for later in lines[number + 1 :] if later.strip()), "")
            return TextLayout(number, delimiter, _with_row_names(names, _split(after, delimiter)))
    first = next((n for n, line in numbered if line.strip() and (n, line) not in commented), 0)
    line = lines[first] if lines else ""
    delimiter = max(DELIMITERS, key=lambda d: (line.count(d), d != ","))
    return TextLayout(first, delimiter, _split(line, delimiter) if lines else [])


def _with_row_names(names: list[str], fields: list[str]) -> list[str]:
    """Names with one for the row names that R and pandas write, or for a delimiter at line ends."""
    if len(fields) != len(names) + 1:
        return names
    return [*names, ""] if fields[-1] == "" else ["", *names]


def _split(line: str, delimiter: str) -> list[str]:
    names = next(csv.reader([line], delimiter=delimiter), [])
    return [name.strip().lstrip("\ufeff") for name in names]


def _looks_like_data(names: list[str]) -> bool:
    """At least three of the first line's fields are numbers."""

    def is_number(text: str) -> bool:
        try:
            float(plain_name(text).replace(",", "."))
        except ValueError:
            return False
        return True

    return sum(map(is_number, (n.replace(".", "") for n in names))) >= 3
