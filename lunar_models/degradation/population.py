"""Assemble the craters to analyse: a catalogue with degradation states and diffusion K."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.catalogue.labels import read_depths, read_labels
from lunar_models.catalogue.table import read_catalogue
from lunar_models.degradation.crater_shape import k_over_r2_of_depth, state_of
from lunar_models.degradation.depth_states import is_simple, state_of_depth
from lunar_models.degradation.state_columns import read_state_columns
from lunar_models.errors import CatalogueError, LabelsError
from lunar_models.terms import STATE_NAMES

_DEEPEST = 0.4
"""Depth over diameter that no crater exceeds; of catalogues, measured ones reach about 0.3."""


def read_population(
    table: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    states: str | None = None,
    depths: str | None = None,
    label_order: Sequence[str] = (),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read craters with their states and diffusion ages.

    Args:
        table: any catalogue that `read_catalogue` reads, such as what ``cluster`` writes
            (clusters.csv, .parquet, .gpkg or .geojson) or ``lunar-classify``.
        columns: as in `read_catalogue`; of `catalogue` if there is one.
        catalogue: all craters, where the table holds only part of them, such as those of a crop
            set; the table then gives states and K.
        states: label table with CRATER_ID and state; replaces the table's own states.
        depths: table of measured depth over diameter, as in `read_depths`.
        label_order: states in words from freshest to oldest; empty: as in `ordered_states`.

    Returns:
        craters: crater_id, longitude_deg, latitude_deg, diameter_km, and where known state (Int64,
            1 the freshest), state_name, depth_over_diameter, k_over_r2, k_m2, k_m2_low and
            k_m2_high (68 %), and others of `state_columns.COLUMNS`. K comes from the table,
            else from depths (`k_over_r2_of_depth`) of simple craters; complex ones have none.
            States come from `states`, the table, K/R², or depths (`state_of_depth`).
        rejected: crater_id and reason.

    Raises:
        CatalogueError: as `read_catalogue` and `read_state_columns`.
        LabelsError: a table of states or depths cannot be used, or has none of the craters.
    """
    craters, rejected = read_catalogue(catalogue or table, columns=columns)
    craters = craters.loc[:, ["crater_id", "longitude_deg", "latitude_deg", "diameter_km"]]
    extra = read_state_columns(Path(table), states=states is None, label_order=label_order)
    if extra is not None:
        if not extra["crater_id"].isin(craters["crater_id"]).any():
            raise CatalogueError(
                f"None of the craters of {table} is in {catalogue}; check that ids are alike."
            )
        craters = craters.merge(extra, on="crater_id", how="left", validate="one_to_one")
    if "depth_over_diameter" in craters:
        depth = _checked_depth(craters["depth_over_diameter"], str(table))
        craters = craters.assign(depth_over_diameter=depth)
    if states is not None:
        craters = _with_states(craters, states, label_order)
    if depths is not None:
        craters = _with_depths(craters, depths)
    craters = _with_k(craters)
    return craters if "state" in craters else _with_physical_states(craters), rejected


def state_names(craters: pd.DataFrame) -> dict[int, str]:
    """Name of each state that occurs, in ascending order."""
    if "state" not in craters:
        return {}
    present = sorted(int(state) for state in craters["state"].dropna().unique())
    if "state_name" in craters:
        named = craters.dropna(subset=["state", "state_name"]).groupby("state")["state_name"]
        first = named.first()
        names = {int(s): str(n) for s, n in zip(first.index.tolist(), first.tolist(), strict=True)}
    else:
        names = dict(enumerate(STATE_NAMES, 1)) if max(present) <= len(STATE_NAMES) else {}
    return {state: names.get(state, f"State {state}") for state in present}


def _with_states(craters: pd.DataFrame, path: str, label_order: Sequence[str]) -> pd.DataFrame:
    labels = read_labels(path, label_order=label_order).set_index("crater_id")
    craters = craters.drop(columns=[n for n in ("state", "state_name") if n in craters])
    state = craters["crater_id"].map(labels["state"])
    if state.isna().all():
        raise LabelsError(
            f"{path} has states for none of the {len(craters)} craters; check that CRATER_ID is "
            "written alike in both."
        )
    names = craters["crater_id"].map(labels["state_name"])
    return craters.assign(state=state.astype("Int64"), state_name=names.astype("object"))


def _with_depths(craters: pd.DataFrame, path: str) -> pd.DataFrame:
    measured = read_depths(path).set_index("crater_id")["depth_over_diameter"]
    depth = craters["crater_id"].map(measured)
    if depth.isna().all():
        raise LabelsError(
            f"{path} has depths of none of the {len(craters)} craters; check that CRATER_ID is "
            "written alike in both."
        )
    return craters.assign(depth_over_diameter=_checked_depth(depth, path))


def _checked_depth(depth: "pd.Series[float]", path: str) -> "pd.Series[float]":
    """Depths over diameter that can be true; NaN for the few that cannot.

    Raises:
        LabelsError: more than one in a hundred exceeds `_DEEPEST`, as in km, metres or percent.
    """
    if (depth.dropna() > _DEEPEST).mean() > 0.01:
        raise LabelsError(
            f"The depths in {path} reach {depth.max():g} diameters; depth over diameter is at most "
            "about 0.3. Check the column and its unit: it may hold a depth."
        )
    return depth.where((depth > 0) & (depth <= _DEEPEST))


def _with_physical_states(craters: pd.DataFrame) -> pd.DataFrame:
    """States from K/R², else from the depth, where the table has one of them."""
    if not {"k_over_r2", "depth_over_diameter"} & {*craters}:
        return craters
    state = pd.Series(pd.array([pd.NA] * len(craters), dtype="Int64"), index=craters.index)
    if "depth_over_diameter" in craters:
        deep = craters[craters["depth_over_diameter"].notna()]
        state[deep.index] = state_of_depth(deep["depth_over_diameter"], deep["diameter_km"])
    if "k_over_r2" in craters:
        worn = craters[craters["k_over_r2"].notna()]
        state[worn.index] = state_of(worn["k_over_r2"])
    return craters.assign(state=state)


def _with_k(craters: pd.DataFrame) -> pd.DataFrame:
    """k_over_r2, k_m2 and its 68 % interval, from what the table has."""
    radius2_m2 = (craters["diameter_km"] * 500.0) ** 2
    if "k_m2" not in craters and "k_over_r2" in craters:
        craters = craters.assign(k_m2=craters["k_over_r2"] * radius2_m2)
    if "k_m2" not in craters and "depth_over_diameter" in craters:
        k_over_r2 = k_over_r2_of_depth(craters["depth_over_diameter"])
        simple = is_simple(craters["diameter_km"])
        craters = craters.assign(k_m2=np.where(simple, k_over_r2, np.nan) * radius2_m2)
    if "k_m2" not in craters:
        return craters
    craters = craters.assign(k_over_r2=craters["k_m2"] / radius2_m2)
    names = {f"k_m2_{end}_68": f"k_m2_{end}" for end in ("low", "high")}
    return craters.rename(columns=names).astype({"k_m2": np.float64})
