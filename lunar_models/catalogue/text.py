"""Read delimited text of any encoding, line ending and delimiter, with notes above the header."""

import io
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from lunar_models.catalogue.column_names import NUMBERS
from lunar_models.catalogue.columns import Columns, match_columns, plain_name
from lunar_models.catalogue.decoding import HEAD_BYTES, plain_text
from lunar_models.catalogue.delimiting import (
    HEADER_SEARCH_LINES,
    TextLayout,
    find_header,
    first_line,
    note_lines,
    notes_by_field,
    read_spaced,
)
from lunar_models.catalogue.hemispheres import DIRECTIONS, QUADRANTS, SIGN_NAME
from lunar_models.catalogue.note_columns import notes_in_columns
from lunar_models.catalogue.statements import apply_statements
from lunar_models.catalogue.units import apply_units, units_in_notes
from lunar_models.catalogue.values import is_number
from lunar_models.errors import CatalogueError

SUFFIXES = (".csv", ".txt", ".tsv", ".tab", ".dat", ".gz")
_PREVIEW_ROWS = 500
_COMMENT_SIGN = r"\s*(?:#|%|;|!|//)"
_TAIL_BYTES = 1 << 16


def read_text(
    path: Path, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """Read the required columns of a delimited text, and report remarks.

    Raises:
        CatalogueError: no header with the columns needed, or too large.
    """
    source, notes = plain_text(path)
    start = _head(source)
    stated = source
    head = start.decode("utf-8", errors="ignore").splitlines()[:HEADER_SEARCH_LINES]
    layout = find_header(head, columns)
    if layout is None:
        whole = source if isinstance(source, bytes) else source.read_bytes()
        spaced = read_spaced(whole.decode(), columns, path)
        if spaced is not None:
            source, layout = spaced
            start = _head(source)
            notes = [*notes, "columns are separated by blanks"]
    layout = layout or first_line(head)
    if columns is None and _looks_like_data(layout.names):
        raise CatalogueError(
            f"{path} begins with data ({', '.join(layout.names[:5])}), not with the names of its "
            "columns. Write a first line such as crater_id,longitude_deg,latitude_deg,diameter_km."
        )
    names = unique_names(layout.names)
    matched = match_columns(names, columns)
    lines = note_lines(_head(stated) + _tail(stated), layout)
    if columns is None:
        matched, said = apply_units(matched, units_in_notes(lines, matched, names), path)
        notes = [*notes, *said]
    preview = _parse(start, layout, names, {}, rows=_PREVIEW_ROWS)
    lines += [*notes_by_field(lines, layout), *notes_in_columns(preview, matched, path)]
    matched, said = apply_statements(matched, lines, path)
    table, dropped = _without_comments(_read_rows(source, layout, matched, preview, path), names[0])
    return table, matched, [*notes, *said, *dropped]


def _read_rows(
    source: Path | bytes, layout: TextLayout, matched: Columns, preview: pd.DataFrame, path: Path
) -> pd.DataFrame:
    """Read the columns needed, numbers as such where all cells are."""
    names = unique_names(layout.names)
    wanted = {names[0], *matched.found.values(), *matched.rivals, *matched.identifiers}
    wanted.update(_directions(preview))
    ordered = [name for name in names if name in wanted]
    _check_thousands(preview, layout, matched, path)
    numbers = {matched.found[f] for f in NUMBERS if f in matched.found}
    numbers -= set(matched.identifiers)
    try:
        return _parse(source, layout, ordered, dict.fromkeys(numbers, pa.float64()))
    except pa.ArrowInvalid:  # a number that is none: as text, so that only its row suffers
        try:
            return _parse(source, layout, ordered, {})
        except pa.ArrowInvalid as error:
            raise CatalogueError(
                f"{path} cannot be read: a row has another number of fields than the header "
                f"({error}). Correct or remove it, or quote the cell that holds the delimiter."
            ) from error


def _without_comments(table: pd.DataFrame, first: str) -> tuple[pd.DataFrame, list[str]]:
    """Leave out rows behind a comment sign, unless all rows begin so, as ids such as #1 do."""
    if is_number(table[first]):
        return table, []
    behind = table[first].fillna("").str.match(_COMMENT_SIGN)
    if not behind.any() or behind.all():
        return table, []
    note = f"{int(behind.sum())} rows behind a comment sign are left out"
    return table[~behind].reset_index(drop=True), [note]


def _check_thousands(
    preview: pd.DataFrame, layout: TextLayout, matched: Columns, path: Path
) -> None:
    """Raise CatalogueError for sizes such as 2.500 in a table as German spreadsheets write it.

    A decimal point in another number, or another count of decimals, would show that the point is
    decimal; a comma among the sizes that it is not. Decimal commas of other columns show that for
    metres only: in kilometres, 1.500 is rather a crater of 1.5 km than one of 1500 km.
    """
    size = matched.found.get(matched.size or "")
    if size is None or matched.size is None or matched.pixels:
        return
    others = [name for field, name in matched.found.items() if field in NUMBERS and name != size]
    numbers = preview[[size, *others]].fillna("").astype("str")
    grouped = numbers[size].str.fullmatch(r"\s*\d{1,3}(\.\d{3})+\s*") | (numbers[size] == "")
    points, commas = (
        bool(numbers[others].apply(lambda v, sign=sign: v.str.contains(sign)).any(axis=None))
        for sign in (r"\.", ",")
    )
    either = not matched.size.endswith("_m") if commas else layout.delimiter == ";"
    if grouped.all() and (numbers[size] != "").any() and not points and either:
        raise CatalogueError(
            f"{path}: the point in {numbers[size].max()!r} may be decimal or separate thousands. "
            "Write such numbers without it, or with another count of decimals."
        )


def is_text(path: Path) -> bool:
    """Return whether a file of any name begins as a text without markup does."""
    with path.open("rb") as file:
        start = file.read(4096)
    return b"\0" not in start and not start.lstrip().startswith((b"<", b"{", b"["))


def read_whole_text(path: Path) -> pd.DataFrame:
    """Read all columns of a delimited text, every cell as text, None where it is empty.

    The header is found as in `read_text`; where no line names the columns of a catalogue, it is the
    first line without a comment sign.
    """
    source, _ = plain_text(path)
    head = _head(source).decode("utf-8", errors="ignore").splitlines()[:HEADER_SEARCH_LINES]
    layout = find_header(head, None) or first_line(head)
    if not layout.names:
        return pd.DataFrame()
    return _parse(source, layout, unique_names(layout.names), {})


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with source.open("rb") as file:
        return file.read(HEAD_BYTES)


def _tail(source: Path | bytes) -> bytes:
    """The end of a text longer than `_head`, where footnotes stand."""
    if isinstance(source, bytes):
        return source[HEAD_BYTES:][-_TAIL_BYTES:]
    with source.open("rb") as file:
        file.seek(max(HEAD_BYTES, source.stat().st_size - _TAIL_BYTES))
        return file.read()


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
        invalid_row_handler=lambda row: "skip" if rows or _is_note(row.text) else "error",
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


def _is_note(text: str | None) -> bool:
    return (text or "").lstrip().startswith(("#", "%"))


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
    words = DIRECTIONS | QUADRANTS | {""}
    return [
        str(name)
        for name, values in preview.items()
        if values.notna().any()
        and (
            set(values.dropna().str.strip().str.lower()) <= words
            or SIGN_NAME.search(plain_name(str(name)))
        )
    ]


def _looks_like_data(names: list[str]) -> bool:
    """At least three of the first line's fields are numbers."""

    def is_number(text: str) -> bool:
        try:
            float(plain_name(text).replace(",", "."))
        except ValueError:
            return False
        return True

    return sum(map(is_number, (n.replace(".", "") for n in names))) >= 3
