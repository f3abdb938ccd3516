"""Read labels: what is known about each crater's degradation, from a table or image names."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.catalogue.states import ordered_states, quantile_states
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.errors import LabelsError

ID_COLUMN = "crater_id"
DEPTH_COLUMNS = ("depth_over_diameter", "d_over_d")
"""Names of the column of measured depths, in lower case."""


def read_labels(
    path: str | Path,
    *,
    label_column: str = "state",
    label_order: Sequence[str] = (),
    merge_states: Sequence[str] = (),
    quantiles: int | None = None,
    freshest: str = "highest",
    values: str | Path | None = None,
    value_column: str | None = None,
) -> pd.DataFrame:
    """Read one ordered state per crater, and a continuous measure if there is one.

    Args:
        path: CSV with CRATER_ID and `label_column` (any case; others are ignored), or a folder
            of images named ``<id>_<state>.png``.
        label_column: column of the states, or of a number to cut into states.
        label_order: states from freshest to oldest; empty infers it (see `ordered_states`).
        merge_states: groups such as ``Fresh=New+Semi-New``.
        quantiles: cut the number in `label_column` into so many states of equal size.
        freshest: highest or lowest: the end of that number that is state 1.
        values: another CSV that holds `value_column`; the label table if not given.
        value_column: continuous measure, kept as it is.

    Returns:
        crater_id (str, unique), state (int64, 1 the freshest), state_name (str), and value
        (float64, NaN where a crater has none) if there is a measure; in the order of the file.
        With `quantiles` the number is the measure, and craters without one have state 0.

    Raises:
        LabelsError: the file is unreadable or empty, lacks a column, repeats a crater, or has a
            state that cannot be used.
    """
    path = Path(path)
    table = _read_images(path) if path.is_dir() else _read_table(path, label_column)
    if quantiles is None:
        _refuse(path, table, _bad_states(table["label"]), "a bad state",
                "use names, or whole numbers with 1 the freshest")  # fmt: skip
    text = table.pop("label")
    if quantiles is None:
        labels = table.join(ordered_states(text, label_order, merge_states))
    else:
        number = _numbers(text, path, label_column)
        labels = table.join(quantile_states(number, quantiles, freshest=freshest))
        labels["value"] = number
    if value_column is None:
        return labels
    source = Path(values or path)
    measured = _read_table(source, value_column)
    number = _numbers(measured["label"], source, value_column)
    by_id = pd.Series(number.to_numpy(), index=measured[ID_COLUMN])
    return labels.assign(value=labels[ID_COLUMN].map(by_id))


def labels_for(config: EvaluateConfig) -> pd.DataFrame:
    """Call `read_labels` as the parameters of the evaluate step ask.

    Raises:
        LabelsError: as `read_labels`, or no labels are given.
    """
    if config.labels is None:
        raise LabelsError("labels is not given; name a label table or a folder of images.")
    return read_labels(
        config.labels,
        label_column=config.label_column,
        label_order=config.label_order,
        merge_states=config.merge_states,
        quantiles=config.quantile_states,
        freshest=config.freshest,
        values=config.values,
        value_column=config.value_column,
    )


def read_depths(path: str | Path) -> pd.DataFrame:
    """Read measured depths of craters.

    Args:
        path: CSV with CRATER_ID and one of `DEPTH_COLUMNS` (any case; others are ignored).

    Returns:
        crater_id (str, unique) and depth_over_diameter (float64, positive).

    Raises:
        LabelsError: the file is unreadable, lacks a column or repeats a crater, or has no positive
            depth.
    """
    path = Path(path)
    column = next((name for name in DEPTH_COLUMNS if name in _header(path)), DEPTH_COLUMNS[0])
    table = _read_table(path, column)
    depth = _numbers(table.pop("label"), path, column)
    if not (depth > 0).any():
        raise LabelsError(f"{path} has no positive depth in column {column}; give measured ones.")
    return table.assign(depth_over_diameter=depth)[depth > 0].reset_index(drop=True)


def _header(path: Path) -> list[str]:
    """The names of the columns; none of a file that cannot be read, which whoever reads it says."""
    try:
        names = pd.read_csv(path, nrows=0).columns
    except (OSError, ValueError):
        return []
    return [str(name).strip().lower() for name in names]


def _numbers(text: "pd.Series[str]", path: Path, column: str) -> "pd.Series[float]":
    """Finite numbers, NaN where there is none."""
    numbers = pd.to_numeric(text, errors="coerce").replace([np.inf, -np.inf], np.nan)
    if numbers.isna().all():
        raise LabelsError(f"{path} has no number in column {column}; name another column.")
    return numbers.astype("float64")


def _read_table(path: Path, column: str) -> pd.DataFrame:
    """crater_id and label, both text."""
    try:
        table = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LabelsError(
            f"{path} cannot be read as a label table ({error}); give a CSV with the columns "
            f"CRATER_ID,{column}."
        ) from error
    names = list(table.columns)
    table.columns = [name.strip().lower() for name in names]
    wanted = (ID_COLUMN, column.strip().lower())
    if missing := [name for name in wanted if name not in table.columns]:
        raise LabelsError(
            f"{path} has no column {', '.join(missing)}; its columns are {', '.join(names)}. "
            f"Name them CRATER_ID and {column}{_suggestion(table, missing)}."
        )
    if table.empty:
        raise LabelsError(f"{path} has no rows; give at least one labelled crater.")
    labels = pd.DataFrame({ID_COLUMN: table[wanted[0]].str.strip(), "label": table[wanted[1]]})
    return _with_unique_ids(path, labels)


def _suggestion(table: pd.DataFrame, missing: list[str]) -> str:
    """What to give for a table that holds a measure, such as a depth, in place of states."""
    if ID_COLUMN in missing:
        return ""
    others = table.drop(columns=ID_COLUMN)
    numbers = others.apply(pd.to_numeric, errors="coerce").notna().mean() > 0.5
    measures = [str(name) for name in others.columns[numbers]]
    if not measures:
        return ", or give label_column"
    return (
        f"; or, to cut a measure into states, give label_column={measures[-1]} and "
        "quantile_states=4"
    )


def _read_images(folder: Path) -> pd.DataFrame:
    """crater_id and label from the names of the images, the state after the last underscore."""
    stems = sorted(file.stem for file in folder.iterdir() if file.suffix.lower() == ".png")
    parts = [stem.rpartition("_") for stem in stems]
    if not parts or not all(identifier and state for identifier, _, state in parts):
        odd = next((f"{stem}.png" for stem in stems if not all(stem.rpartition("_"))), None)
        raise LabelsError(
            f"{folder} holds {len(stems)} PNG images"
            + (f", and {odd!r} is not named <id>_<state>.png" if odd else "")
            + "; give a label table, or images named like RR-1-000042_Old.png."
        )
    labels = pd.DataFrame(parts, columns=[ID_COLUMN, "_", "label"]).drop(columns="_")
    return _with_unique_ids(folder, labels)


def _with_unique_ids(path: Path, labels: pd.DataFrame) -> pd.DataFrame:
    identifiers = labels[ID_COLUMN]
    _refuse(path, labels, identifiers == "", "an empty CRATER_ID", "fill it in")
    _refuse(
        path, labels, identifiers.duplicated(), "a repeated CRATER_ID", "keep one row per crater"
    )
    return labels


def _bad_states(text: "pd.Series[str]") -> "pd.Series[bool]":
    """Empty ones, and numbers that are not whole numbers from 1."""
    numbers = pd.to_numeric(text, errors="coerce")
    named = numbers.isna() & ~text.str.strip().str.lower().isin(["", "nan"])
    return ~named & ~((numbers >= 1) & (numbers % 1 == 0))


def _refuse(
    path: Path, table: pd.DataFrame, faulty: "pd.Series[bool]", fault: str, remedy: str
) -> None:
    if faulty.any():
        row = int(faulty.to_numpy().argmax())
        identifier, state = table[ID_COLUMN].iloc[row], table["label"].iloc[row]
        raise LabelsError(
            f"{path} has {fault} in {int(faulty.sum())} of {len(table)} rows, first "
            f"CRATER_ID={identifier!r}, state={state!r} (row {row + 1}); {remedy}."
        )
