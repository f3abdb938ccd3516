"""Find notes that stand in the data columns of a table: comments and conventions in every row."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.hemispheres import DIRECTIONS
from lunar_models.catalogue.note_directions import stated_direction
from lunar_models.catalogue.note_sentences import split_notes
from lunar_models.catalogue.note_sizes import stated_unit
from lunar_models.catalogue.unit_names import LENGTHS, OTHER_LENGTHS
from lunar_models.catalogue.units import plain_unit
from lunar_models.catalogue.values import cell_text, is_number
from lunar_models.errors import CatalogueError

_PREVIEW_ROWS = 500
_MOST_LETTERS = 300
_MANY = 0.5
_LENGTHS = {*LENGTHS, *OTHER_LENGTHS}


def notes_in_columns(table: pd.DataFrame, matched: Columns, path: Path) -> list[str]:
    """Collect what a text column says alike in all rows.

    Args:
        table: the rows, or the first of them, with all columns.
        matched: which column holds what; these are left out, but for units that are none.
        path: of the file, for messages.

    Returns:
        ``name: cell`` for each such column.

    Raises:
        CatalogueError: some rows say plainly that longitudes count westward or sizes are metres,
            and others do not.
    """
    notes = []
    for name, values in _text_columns(table.head(_PREVIEW_ROWS), matched):
        cells = cell_text(values)
        kinds = [cell for cell in cells.unique() if cell and len(cell) <= _MOST_LETTERS]
        words = {plain_unit(cell) for cell in kinds}
        if words <= DIRECTIONS or (name in matched.found.values() and words <= _LENGTHS):
            continue
        if len(kinds) == 1 and (cells != "").all():
            notes.append(f"{name}: {kinds[0]}")
            continue
        alike = len(kinds) == 1 and (cells != "").mean() > _MANY
        for cell in kinds:
            plain = [
                sentence
                for sentence in split_notes([cell])
                if stated_direction(sentence) in (("west", "open") if alike else ("west",))
                or stated_unit(sentence) not in (None, "km")
            ]
            if plain and not matched.mapped and len(cell.split()) > 1:
                raise CatalogueError(
                    f"{path}: column {name!r} says {cell!r} in some rows only. Write all rows in "
                    "one convention, or say that they are: columns=longitude_deg=…,"
                    "latitude_deg=…,diameter_km=…"
                )
    return notes


def _text_columns(table: pd.DataFrame, matched: Columns) -> Iterable[tuple[str, pd.Series]]:
    used = {
        column
        for field, column in matched.found.items()
        if not (field.endswith("_unit") and plain_name(column) in ("unit", "units"))
    }
    used |= {*matched.identifiers, *matched.rivals}
    for name in table.columns:
        values = table[name]
        if name not in used and not is_number(values) and values.dtype.kind != "M":
            yield str(name), values
