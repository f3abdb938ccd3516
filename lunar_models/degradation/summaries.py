"""Compute the tables of an analysis, one function each (columns: `analysis.Analysis`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from lunar_models.degradation.ages import is_datable, retention_ages
from lunar_models.degradation.chronology import ChronologySystem
from lunar_models.degradation.diffusion_age import Diffusivity, diffusion_ages
from lunar_models.degradation.population import state_names
from lunar_models.degradation.schemes import Scheme
from lunar_models.degradation.size_frequency import (
    Binning,
    CountedArea,
    bin_edges,
    density_at,
    power_law_slope,
    size_frequency,
)

_FEWEST_PER_BIN = 3
_LIMIT_TOLERANCE = 0.97
"""A catalogue cut at 1 km has its smallest crater, and that of each state, a little above."""


@dataclass(frozen=True)
class Choices:
    """What an analysis assumes."""

    system: ChronologySystem
    diffusivity: Diffusivity
    binning: Binning = "root2"
    level: float = 0.6827
    complete_from_km: float | None = None
    pixel_size_m: float | None = None
    age_min_km: float | None = None
    age_max_km: float = np.inf
    scheme: Scheme | None = None
    buffered: bool = False
    """Count craters whose rim reaches the area, each on the area widened by its radius."""


def populations(
    groups: Mapping[int, pd.DataFrame],
    titles: Mapping[int, str],
    limits: Mapping[int, float],
    area_km2: CountedArea,
    choices: Choices,
) -> pd.DataFrame:
    """Craters, completeness, slope, N(1) and N(10) of each population, as in `Analysis`."""
    rows = []
    for state, group in groups.items():
        diameters = group["diameter_km"].to_numpy()
        row = {"population": titles[state], "state": state, "craters": len(group)}
        row["completeness_km"] = limits[state]
        slope = power_law_slope(diameters, limits[state], choices.age_max_km, level=choices.level)
        row |= dict(zip(("used", "slope", "slope_low", "slope_high"), slope, strict=True))
        for reference in (1.0, 10.0):
            found = density_at(diameters, area_km2, reference, level=choices.level)
            name = f"n{reference:g}_per_km2"
            known = reference >= limits[state] * _LIMIT_TOLERANCE
            values = found[1:] if known else (np.nan,) * 3
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def distributions(
    groups: Mapping[int, pd.DataFrame],
    titles: Mapping[int, str],
    limits: Mapping[int, float],
    area_km2: CountedArea,
    choices: Choices,
) -> pd.DataFrame:
    """Compute `size_frequency` of each population on common bins, as in `Analysis`."""
    diameters = groups[0]["diameter_km"]
    edges = bin_edges(float(diameters.min()), float(diameters.max()), choices.binning)
    tables = []
    for state, group in groups.items():
        table = size_frequency(
            group["diameter_km"].to_numpy(), area_km2, edges, level=choices.level
        )
        table.insert(0, "population", titles[state])
        table.insert(1, "state", state)
        table["complete"] = table["d_low_km"] >= limits[state] * _LIMIT_TOLERANCE
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def retention(
    craters: pd.DataFrame, area_km2: CountedArea, low_km: float, choices: Choices
) -> pd.DataFrame:
    """Compute `retention_ages` with diameters and state names; empty without states."""
    if "state" not in craters or craters["state"].isna().all():
        return pd.DataFrame()
    table = retention_ages(
        choices.system, craters, area_km2, low_km, choices.age_max_km, level=choices.level
    )
    if table.empty:
        return pd.DataFrame()
    names = state_names(craters)
    table.insert(1, "state_name", table["state"].map(names))
    smallest, largest = choices.system.production.range_km
    table["diameter_min_km"] = max(low_km, smallest)
    table["diameter_max_km"] = min(choices.age_max_km, largest)
    return table


def retention_by_diameter(
    craters: pd.DataFrame, area_km2: CountedArea, low_km: float, choices: Choices
) -> pd.DataFrame:
    """Compute `retention_ages` of each bin of diameter, as in `Analysis`."""
    if "state" not in craters or craters["state"].isna().all():
        return pd.DataFrame()
    known = craters[craters["state"].notna() & (craters["diameter_km"] >= low_km)]
    if known.empty:
        return pd.DataFrame()
    top = min(float(known["diameter_km"].max()), choices.age_max_km)
    edges = bin_edges(low_km, max(top, low_km), choices.binning)
    edges = edges[edges >= low_km * (1 - 1e-9)]  # whole bins only
    tables = []
    for low, high in pairwise(edges):
        count = known["diameter_km"].between(low, high, inclusive="left").sum()
        if count >= _FEWEST_PER_BIN and is_datable(choices.system, low, high):
            table = retention_ages(choices.system, known, area_km2, low, high, level=choices.level)
            table.insert(0, "d_low_km", low)
            table.insert(1, "d_high_km", high)
            tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def k_by_diameter(
    craters: pd.DataFrame, names: Mapping[int, str], choices: Choices
) -> pd.DataFrame:
    """Median K and state, and the share of each state, in bins of diameter."""
    measured = [name for name in ("k_m2", "k_over_r2") if name in craters]
    if not names and not measured:
        return pd.DataFrame()
    diameters = craters["diameter_km"]
    edges = bin_edges(float(diameters.min()), float(diameters.max()), choices.binning)
    rows = []
    for low, high in pairwise(edges):
        group = craters[diameters.between(low, high, inclusive="left")]
        row = {"d_low_km": low, "d_high_km": high, "craters": len(group)}
        for name in measured:
            values = group[name].dropna()
            quantiles = values.quantile([0.5, 0.16, 0.84]) if len(values) else [np.nan] * 3
            row |= dict(zip((name, f"{name}_p16", f"{name}_p84"), quantiles, strict=True))
        if names:
            state = group["state"].dropna().astype(int)
            row["with_state"] = len(state)
            row["median_state"] = float(state.median()) if len(state) else np.nan
            for key in names:
                row[f"share_{key}"] = float((state == key).mean()) if len(state) else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def crater_ages(craters: pd.DataFrame, choices: Choices) -> pd.DataFrame:
    """Diffusion age of each crater with a K, as in `Analysis`."""
    if "k_m2" not in craters:
        return pd.DataFrame()
    ages = diffusion_ages(craters, craters["diameter_km"].to_numpy(), choices.diffusivity)
    kept = ["crater_id", "longitude_deg", "latitude_deg", "diameter_km", "k_over_r2", "k_m2"]
    kept += [
        name
        for name in ("k_m2_low", "k_m2_high", "state", "depth_over_diameter")
        if name in craters
    ]
    return pd.concat([craters[kept], ages], axis=1)[craters["k_m2"].notna()].reset_index(drop=True)
