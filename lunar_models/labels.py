"""Read a label table: one degradation state per crater."""

from pathlib import Path

import pandas as pd

from lunar_models.errors import LabelsError

LABEL_COLUMNS = ("crater_id", "state")


def read_labels(path: str | Path) -> pd.DataFrame:
    """Read a CSV with the columns ``CRATER_ID,state`` (any case; others are ignored).

    Returns:
        crater_id (str, unique) and state (int64, 1 the freshest), in the order of the file.

    Raises:
        LabelsError: the file is unreadable or empty, lacks a column, repeats a crater, or has a
            state that is not a whole number from 1.
    """
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"{path} cannot be read as a label table ({error}); give a CSV with the columns "
            "CRATER_ID,state."
        ) from error
    names = list(table.columns)
    table.columns = [name.strip().lower() for name in names]
    if missing := [name for name in LABEL_COLUMNS if name not in table.columns]:
        raise LabelsError(
            f"{path} has no column {', '.join(missing)}; its columns are {', '.join(names)}. "
            "Name them CRATER_ID and state."
        )
    if table.empty:
        raise LabelsError(f"{path} has no rows; give at least one labelled crater.")
    identifiers = table["crater_id"].str.strip()
    _refuse(path, table, identifiers == "", "an empty CRATER_ID", "fill it in")
    _refuse(
        path, table, identifiers.duplicated(), "a repeated CRATER_ID", "keep one row per crater"
    )
    states = pd.to_numeric(table["state"], errors="coerce")
    faulty = states.isna() | (states < 1) | (states % 1 != 0)
    _refuse(path, table, faulty, "a bad state", "use whole numbers, 1 the freshest")
    return pd.DataFrame({"crater_id": identifiers, "state": states.astype("int64")})


def _refuse(
    path: str | Path, table: pd.DataFrame, faulty: "pd.Series[bool]", fault: str, remedy: str
) -> None:
    if faulty.any():
        row = int(faulty.to_numpy().argmax())
        identifier, state = table["crater_id"].iloc[row], table["state"].iloc[row]
        raise LabelsError(
            f"{path} has {fault} in {int(faulty.sum())} of {len(table)} rows, first "
            f"CRATER_ID={identifier!r}, state={state!r} (row {row + 1}); {remedy}."
        )
