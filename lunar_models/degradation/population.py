"""The craters to analyse: a catalogue, their degradation states, and how far each has diffused."""

from collections.abc import Mapping
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from lunar_models.catalogue.labels import DEPTH_COLUMNS, read_depths, read_labels
from lunar_models.catalogue.states import ordered_states
from lunar_models.catalogue.table import read_catalogue
from lunar_models.degradation.crater_shape import k_over_r2_of_depth, state_of
from lunar_models.errors import CatalogueError, LabelsError

K_COLUMNS = ("k_m2", "k_m2_low", "k_m2_high")
EXTRA_COLUMNS = (
    "state", "state_name", "physical_state", "k_over_r2", "k_m2", "k_m2_low_68", "k_m2_high_68",
    "k_m2_low_95", "k_m2_high_95", *DEPTH_COLUMNS, "native_px", "cluster_id", "confidence",
    "degradation_score",
)  # fmt: skip
"""Columns of this product's tables that are taken over, where a table has them."""


def read_population(
    table: str | Path,
    *,
    columns: Mapping[str, str] | None = None,
    catalogue: str | Path | None = None,
    states: str | None = None,
    depths: str | None = None,
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

    Returns:
        craters: crater_id, longitude_deg, latitude_deg, diameter_km, and where known state (Int64,
            1 the freshest), state_name, depth_over_diameter, k_over_r2, k_m2, k_m2_low and
            k_m2_high (68 %), and others of `EXTRA_COLUMNS`. K comes from the table, else from
            depths (`k_over_r2_of_depth`). States come from `states`, the table, or K/R².
        rejected: crater_id and reason.

    Raises:
        CatalogueError: as `read_catalogue`.
        LabelsError: a table of states or depths cannot be used, or has none of the craters.
    """
    craters, rejected = read_catalogue(catalogue or table, columns=columns)
    craters = craters.loc[:, ["crater_id", "longitude_deg", "latitude_deg", "diameter_km"]]
    extra = _extra_columns(Path(table))
    if extra is not None:
        if not extra["crater_id"].isin(craters["crater_id"]).any():
            raise CatalogueError(
                f"None of the craters of {table} is in {catalogue}; check that ids are alike."
            )
        craters = craters.merge(extra, on="crater_id", how="left", validate="one_to_one")
    if states is not None:
        craters = _with_states(craters, states)
    if depths is not None:
        craters = _with_depths(craters, depths)
    craters = _with_k(craters)
    if "state" not in craters and "k_over_r2" in craters:
        known = craters["k_over_r2"].notna()
        craters["state"] = pd.array([pd.NA] * len(craters), dtype="Int64")
        craters.loc[known, "state"] = state_of(craters.loc[known, "k_over_r2"])
    return craters, rejected


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
        names = {1: "New", 2: "Semi-New", 3: "Semi-Old", 4: "Old"} if max(present) <= 4 else {}
    return {state: names.get(state, f"State {state}") for state in present}


def _extra_columns(path: Path) -> pd.DataFrame | None:
    """`EXTRA_COLUMNS` of a table with crater ids; None if it has neither."""
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".geoparquet"):
        frame = pd.read_parquet(path)
    elif suffix in (".csv", ".txt", ".tsv", ".tab"):
        head = pd.read_csv(path, nrows=0, comment="#", encoding_errors="replace")
        ids = [name for name in head.columns if name.strip().lower() == "crater_id"]
        if not ids:
            return None
        frame = pd.read_csv(path, dtype={ids[0]: "str"}, comment="#")
    elif suffix in (".gpkg", ".geojson", ".json", ".shp"):
        frame = pd.DataFrame(gpd.read_file(path, engine="pyogrio").drop(columns="geometry"))
    else:
        return None
    frame.columns = frame.columns.astype("str").str.strip().str.lower()
    kept = [name for name in EXTRA_COLUMNS if name in frame.columns]
    if "crater_id" not in frame.columns or not kept:
        return None
    frame = frame.loc[:, ["crater_id", *kept]].drop_duplicates("crater_id")
    frame["crater_id"] = frame["crater_id"].astype("str").str.strip()
    if "state" not in frame:  # of a release without a classification head
        frame = frame.rename(columns={"physical_state": "state"})
    if "depth_over_diameter" not in frame:
        frame = frame.rename(columns={"d_over_d": "depth_over_diameter"})
    return _numbered(frame) if "state" in frame else frame


def _numbered(frame: pd.DataFrame) -> pd.DataFrame:
    """States as whole numbers; a table that names them (New … Old) is ranked as labels are."""
    numbers = pd.to_numeric(frame["state"], errors="coerce")
    if numbers.notna().any() and (numbers.dropna() % 1 == 0).all():
        return frame.assign(state=numbers.astype("Int64"))
    known = frame["state"].notna()
    ranked = ordered_states(frame.loc[known, "state"].astype("str"))
    frame = frame.drop(columns=[n for n in ("state", "state_name") if n in frame])
    return frame.assign(
        state=ranked["state"].astype("Int64"), state_name=ranked["state_name"].astype("object")
    )


def _with_states(craters: pd.DataFrame, path: str) -> pd.DataFrame:
    labels = read_labels(path).set_index("crater_id")
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
    if (depth.dropna() > 1).mean() > 0.01:
        raise LabelsError(
            f"The depths in {path} reach {depth.max():g} diameters; depth over diameter is at most "
            "about 0.3. Check the column and its unit."
        )
    return craters.assign(depth_over_diameter=depth.where(depth <= 1))


def _with_k(craters: pd.DataFrame) -> pd.DataFrame:
    """k_over_r2, k_m2 and its 68 % interval, from what the table has."""
    radius2_m2 = (craters["diameter_km"] * 500.0) ** 2
    if "k_m2" not in craters and "k_over_r2" in craters:
        craters = craters.assign(k_m2=craters["k_over_r2"] * radius2_m2)
    if "k_m2" not in craters and "depth_over_diameter" in craters:
        craters = craters.assign(
            k_m2=k_over_r2_of_depth(craters["depth_over_diameter"]) * radius2_m2
        )
    if "k_m2" not in craters:
        return craters
    if (craters["k_m2"] < 0).any():
        raise CatalogueError(f"k_m2 reaches {craters['k_m2'].min():g} m²; it cannot be negative.")
    craters = craters.assign(k_over_r2=craters["k_m2"] / radius2_m2)
    names = {f"k_m2_{end}_68": f"k_m2_{end}" for end in ("low", "high")}
    return craters.rename(columns=names).astype({"k_m2": np.float64})
