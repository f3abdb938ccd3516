"""Read tables that go with a labelling: known answers, and the order of the craters."""

import re
from pathlib import Path

import pandas as pd

from lunar_models.catalogue.labels import ID_COLUMN, read_labels
from lunar_models.errors import LabelsError
from lunar_models.labelling.scheme import Scheme

_ORDER = "list all states from freshest to oldest in label_order"
_SCHEME = "give the scheme that has it as --scheme"
"""The order of the states is the scheme's here, no parameter."""
_COLUMN = re.compile(r"[,;] or[ ,][^.]*label_column[^.]*")
"""The advice to name another column, which has no parameter here either."""


def read_answers(path: str | Path, scheme: Scheme) -> dict[str, str]:
    """Read a label table whose states are those of the scheme, by name or by rank from 1.

    Returns:
        Crater id -> name of its state.

    Raises:
        LabelsError: the table cannot be read, or has a state that the scheme has not.
    """
    names = scheme.state_names
    try:
        table = read_labels(path, label_order=names)
    except LabelsError as error:
        try:
            table = read_labels(path, label_order=[str(k + 1) for k in range(len(names))])
        except LabelsError:
            said = _COLUMN.sub("", str(error)).replace(_ORDER, _SCHEME)
            raise LabelsError(said) from None
    states = [names[rank - 1] for rank in table["state"]]
    return dict(zip(table[ID_COLUMN], states, strict=True))


def read_order(path: str | Path) -> list[str]:
    """Read the craters to label, first to last, from the CRATER_ID column of a CSV.

    Raises:
        LabelsError: the file cannot be read, lacks the column, or repeats a crater.
    """
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"{path} cannot be read ({error}); give a CSV with the column CRATER_ID."
        ) from error
    table.columns = table.columns.str.strip().str.lower()
    if ID_COLUMN not in table:
        raise LabelsError(f"{path} has no column CRATER_ID; name one so.")
    craters = table[ID_COLUMN].str.strip()
    if repeated := craters[craters.duplicated()].tolist():
        raise LabelsError(f"{path} lists crater {repeated[0]} twice; list each once.")
    return craters.tolist()
