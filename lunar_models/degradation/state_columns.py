"""Read what a table of craters itself says of their degradation: states, K, depths."""

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from lunar_models.catalogue.labels import DEPTH_COLUMNS
from lunar_models.catalogue.states import MOST_STATES, ordered_states
from lunar_models.catalogue.text import SUFFIXES as TEXT_SUFFIXES
from lunar_models.catalogue.text import read_whole_text
from lunar_models.catalogue.values import read_numbers
from lunar_models.degradation.tag_columns import tag_names, with_tags
from lunar_models.errors import CatalogueError, LabelsError

_NUMBERS = (
    "k_over_r2", "k_m2", "k_m2_low_68", "k_m2_high_68", "depth_over_diameter", "native_px",
    "degradation", "sun_azimuth_deg", "image_sun_azimuth_deg",
)  # fmt: skip
_NOT_NEGATIVE = _NUMBERS[:4]
COLUMNS = ("state", "state_name", "physical_state", *_NUMBERS, *DEPTH_COLUMNS)
"""Columns of this product's tables that are taken over, where a table has them."""


def read_state_columns(
    path: Path, *, states: bool = True, label_order: Sequence[str] = ()
) -> pd.DataFrame | None:
    """Read crater_id, those of `COLUMNS` that a table has, and tags; None if it has none of them.

    Args:
        path: delimited text, Excel, Parquet, or what GDAL's vector drivers open.
        states: whether to read the states too.
        label_order: states in words from freshest to oldest; empty: as in `ordered_states`.

    Returns:
        crater_id (str, unique), state (Int64 from 1), state_name, numbers as float64, and tags
        (``tag_…``) as nullable booleans. States
        in words (New … Old) are ranked as labels are; without a column state, physical_state is.

    Raises:
        CatalogueError: the file is damaged, a column holds no numbers, or impossible ones.
        LabelsError: states have no known order, no whole numbers from 1, or two names.
    """
    frame = _read(path)
    frame.columns = frame.columns.astype("str").str.strip().str.lower()
    wanted = COLUMNS if states else (*_NUMBERS, *DEPTH_COLUMNS)
    kept = [name for name in dict.fromkeys(wanted) if name in frame.columns] + tag_names(frame)
    if not kept:
        return None
    if "crater_id" not in frame.columns:
        if not {"state", "k_over_r2", "k_m2"} & {*kept}:
            return None
        raise CatalogueError(
            f"{path} has the column {kept[0]}, but no column crater_id that identifies the "
            "craters; rename the column of their ids to crater_id."
        )
    frame = frame.loc[:, ["crater_id", *kept]].dropna(subset="crater_id")
    frame["crater_id"] = frame["crater_id"].astype("str").str.strip()
    frame = frame.drop_duplicates("crater_id").reset_index(drop=True)
    if "state" not in frame:  # of a release without a classification head
        frame = frame.rename(columns={"physical_state": "state"})
    if "sun_azimuth_deg" not in frame:  # of the cluster step
        frame = frame.rename(columns={"image_sun_azimuth_deg": "sun_azimuth_deg"})
    if "depth_over_diameter" not in frame:
        frame = frame.rename(columns={"d_over_d": "depth_over_diameter"})
    frame = _with_numbers(with_tags(frame, str(path)), path)
    return _with_states(frame, path, label_order) if "state" in frame else frame


def _read(path: Path) -> pd.DataFrame:
    try:
        return _read_any(path)
    except CatalogueError:
        raise
    except Exception as error:  # each reader raises its own kinds
        raise CatalogueError(
            f"{path} cannot be read as a table of craters ({str(error)[:200]}); correct it."
        ) from error


def _read_any(path: Path) -> pd.DataFrame:
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".geoparquet"):
        return pd.read_parquet(path)
    if suffix in TEXT_SUFFIXES:
        return read_whole_text(path)
    if suffix in (".xlsx", ".xls", ".ods"):
        return pd.read_excel(path, dtype="str")
    if suffix in (".gpkg", ".geojson", ".json", ".shp"):
        return pd.DataFrame(gpd.read_file(path, engine="pyogrio").drop(columns="geometry"))
    return pd.DataFrame()


def _with_numbers(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    found = {name: frame[name] for name in _NUMBERS if name in frame}
    numbers = read_numbers(found, str(path))
    for name, values in numbers.items():
        if found[name].notna().any() and np.isnan(values).all():
            given = found[name].dropna().iloc[0]
            raise CatalogueError(f"{path}, column {name}: {given!r} is not a number; correct it.")
        if np.isinf(values).any() or (name in _NOT_NEGATIVE and (values < 0).any()):
            worst = values[np.isinf(values) | (values < 0)][0]
            raise CatalogueError(
                f"{path}, column {name} has the value {worst:g}; it must be finite and not "
                "negative. Leave a cell empty where it is not known."
            )
    frame = frame.assign(**numbers)
    empty = [name for name in numbers if frame[name].isna().all()]
    _check_interval(frame, path)
    return frame.drop(columns=empty)


def _check_interval(frame: pd.DataFrame, path: Path) -> None:
    if not {"k_m2", "k_m2_low_68", "k_m2_high_68"} <= {*frame.columns}:
        return
    slack = 1 + 1e-5  # of tables with rounded numbers
    wrong = (frame["k_m2_low_68"] > frame["k_m2"] * slack) | (
        frame["k_m2_high_68"] * slack < frame["k_m2"]
    )
    if wrong.any():
        row = frame[wrong].iloc[0]
        raise CatalogueError(
            f"{path}: K of crater {row['crater_id']} is {row['k_m2']:g} m², outside its interval "
            f"from {row['k_m2_low_68']:g} to {row['k_m2_high_68']:g}; correct the columns "
            "k_m2_low_68 and k_m2_high_68."
        )


def _with_states(frame: pd.DataFrame, path: Path, label_order: Sequence[str]) -> pd.DataFrame:
    """States as whole numbers; a table that names them is ranked as labels are."""
    states = frame["state"].replace("", np.nan)
    numbers = pd.to_numeric(states, errors="coerce")
    if states.isna().all():
        return frame.drop(columns=[n for n in ("state", "state_name") if n in frame])
    if numbers[states.notna()].notna().all():
        wrong = numbers.notna() & ~(numbers.between(1, MOST_STATES) & (numbers % 1 == 0))
        if wrong.any():
            raise LabelsError(
                f"{path} has the state {numbers[wrong].iloc[0]:g}; states are whole numbers from "
                f"1, the freshest, to {MOST_STATES} at most. Leave a cell empty where it is not "
                "known."
            )
        frame = frame.assign(state=numbers.astype("Int64"))
        return _with_one_name(frame, path) if "state_name" in frame else frame
    ranked = ordered_states(states.dropna().astype("str"), label_order)
    frame = frame.drop(columns=[n for n in ("state", "state_name") if n in frame])
    return frame.assign(
        state=ranked["state"].astype("Int64"), state_name=ranked["state_name"].astype("object")
    )


def _with_one_name(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    pairs = frame[["state", "state_name"]].dropna().drop_duplicates()
    twice = pairs[pairs["state"].duplicated(keep=False)].sort_values("state")
    if len(twice):
        names = ", ".join(twice[twice["state"] == twice["state"].iloc[0]]["state_name"].astype(str))
        raise LabelsError(
            f"{path} calls state {twice['state'].iloc[0]} by several names: {names}. Give one."
        )
    return frame
