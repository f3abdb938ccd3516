"""Read a crater catalogue of any supported format.

Each reader finds the columns by the names the published catalogues use (`columns.py`);
`interpretation.py` turns them into fields, and `table.py` validates the rows.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile, ZipInfo

import pandas as pd

from lunar_models.catalogue import craterstats, text, vector
from lunar_models.catalogue.annotations import read_annotations
from lunar_models.catalogue.columns import Columns, match_columns
from lunar_models.catalogue.decoding import MOST_BYTES
from lunar_models.catalogue.delimiting import HEADER_SEARCH_LINES
from lunar_models.catalogue.interpretation import CatalogueReading, standardise
from lunar_models.catalogue.note_columns import notes_in_columns
from lunar_models.catalogue.statements import apply_statements
from lunar_models.errors import CatalogueError

EXCEL = (".xlsx", ".xlsm", ".xls")
_NUMBER_CELL = re.compile(r"\W*[NSEW]?\W*\d")


def understand_catalogue(path: Path, columns: Mapping[str, str] | None) -> CatalogueReading:
    """Read the rows of a catalogue, and report how they were interpreted.

    Args:
        path: delimited text (gzip too), Excel, Parquet, GeoParquet, CraterStats' .scc or .diam, or
            what GDAL's vector drivers open.
        columns: our name -> the file's name, replacing the search by known names.

    Raises:
        CatalogueError: the file cannot be read, lacks a column, or may mean several things.
    """
    if not path.is_file():
        raise CatalogueError(f"There is no catalogue file {path}; check the path.")
    if path.stat().st_size == 0:
        raise CatalogueError(f"{path} is empty; give a catalogue with at least one crater.")
    try:
        table, matched, notes = _read(path, columns)
    except CatalogueError:
        raise
    except Exception as error:  # each reader raises its own kinds
        raise CatalogueError(
            f"{path} cannot be read as a crater catalogue ({error}). Give a CSV, Excel, Parquet, "
            "GeoParquet, GeoPackage, Shapefile or CraterStats file."
        ) from error
    return standardise(table.reset_index(drop=True), matched, notes, path)


def _read(path: Path, columns: Mapping[str, str] | None) -> tuple[pd.DataFrame, Columns, list[str]]:
    suffix = path.suffix.lower()
    if annotated := read_annotations(path):
        table, kind = annotated
        names = [str(name) for name in table.columns]
        return table, match_columns(names, columns), [f"{kind}: boxes in pixels"]
    if suffix == ".zip" and (inner := _only_text(path)):
        return _read_archived_text(path, inner, columns)
    if suffix in craterstats.SUFFIXES:
        return _read_craterstats(path)
    if suffix in text.SUFFIXES or (suffix not in vector.SUFFIXES and text.is_text(path)):
        return text.read_text(path, columns)
    if suffix in vector.PARQUET:
        return vector.read_parquet(path, columns)
    if suffix in EXCEL:
        return _read_excel(path, columns)
    return vector.read_vector(path, columns)


def _only_text(path: Path) -> ZipInfo | None:
    """The delimited text that a ZIP archive has as its only file; None for other archives."""
    with ZipFile(path) as archive:
        files = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(files) != 1 or Path(files[0].filename).suffix.lower() not in text.SUFFIXES:
        return None
    if files[0].file_size > MOST_BYTES:
        raise CatalogueError(f"{path} holds over {MOST_BYTES >> 30} GiB; give it as Parquet.")
    return files[0]


def _read_archived_text(
    path: Path, inner: ZipInfo, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Columns, list[str]]:
    with TemporaryDirectory() as folder, ZipFile(path) as archive:
        unpacked = Path(archive.extract(inner, folder))
        try:
            return text.read_text(unpacked, columns)
        except CatalogueError as error:
            said = str(error).replace(str(unpacked), f"{path}/{inner.filename}")
            raise CatalogueError(said) from None


def _read_craterstats(path: Path) -> tuple[pd.DataFrame, Columns, list[str]]:
    count = craterstats.read_craterstats(path)
    count.require_moon()
    count.require_places()
    names = ("longitude_deg", "latitude_deg", "diameter_km")
    notes = [] if count.radius_km else ["the file does not say of which body; the Moon is taken"]
    parts = int((count.craters["fraction"] < 1).sum())
    if parts:
        notes.append(
            f"{parts} of {len(count.craters)} craters lie on the area in part, as their fraction "
            "says; here each counts as a whole"
        )
    lines = path.read_text(errors="ignore").splitlines()
    comments = [line for line in lines if line.lstrip().startswith(("#", ";"))]
    matched, said = apply_statements(Columns({n: n for n in names}, ()), comments, path)
    return count.craters, matched, [*notes, *said]


def _notes_of_book(sheets: Mapping[str, pd.DataFrame], named: str, header: int) -> list[str]:
    """Notes of an Excel book: above, below and beside the table, and on other sheets.

    A note is a cell that stands alone in its row, a row of words without numbers, or a cell under
    no name.

    Args:
        sheets: name -> cells.
        named: the sheet that has the craters.
        header: row of its header.
    """
    notes: list[str] = []
    for name, sheet in sheets.items():
        rows = sheet.drop(index=header) if name == named else sheet
        for row in rows.to_numpy():
            cells = [cell for cell in row if not pd.isna(cell)]
            words = [cell for cell in cells if isinstance(cell, str) and cell.strip()]
            if len(cells) == len(words) and not any(map(_NUMBER_CELL.match, words[:-1] or ())):
                names = sheets[named].loc[header] if name == named and len(words) > 1 else ()
                if not len(names) or len(words) < len(names):
                    notes.append(": ".join(words))
                notes += [
                    f"{column}: {cell}"
                    for column, cell in zip(names, row, strict=False)
                    if isinstance(cell, str) and cell.strip("- ") and not pd.isna(column)
                ]
        if name == named:
            beside = sheet.loc[header + 1 :, sheet.loc[header].isna()].stack()
            notes += [cell for cell in beside if isinstance(cell, str)]
    return list(dict.fromkeys(filter(None, notes)))


def _read_excel(
    path: Path, columns: Mapping[str, str] | None
) -> tuple[pd.DataFrame, Columns, list[str]]:
    """The one sheet that has the columns needed."""
    sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=object)
    found: dict[str, tuple[pd.DataFrame, Columns]] = {}
    fault, notes = CatalogueError(f"{path} has no sheet with data."), list[str]()
    for name, sheet in sheets.items():
        for row in range(min(len(sheet), HEADER_SEARCH_LINES)):
            cells = ["" if pd.isna(value) else str(value) for value in sheet.iloc[row]]
            names = text.unique_names(cells)
            try:
                matched = match_columns(names, columns)
            except CatalogueError as error:
                fault = error if row == 0 and name == next(iter(sheets)) else fault
                continue
            table = sheet.iloc[row + 1 :].set_axis(names, axis=1)
            found[name] = table.infer_objects(), matched
            header = row
            break
    if not found:
        raise fault
    if len(found) > 1:
        raise CatalogueError(
            f"{path} has craters in {len(found)} sheets ({', '.join(found)}); put them in one, or "
            "save the one that is meant as CSV."
        )
    ((name, (table, matched)),) = found.items()
    remarks = [*_notes_of_book(sheets, name, header), *notes_in_columns(table, matched, path)]
    matched, notes = apply_statements(matched, remarks, path)
    return table, matched, [*notes, *([f"sheet {name!r}"] if len(sheets) > 1 else [])]
