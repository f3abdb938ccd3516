"""Count, date and describe the craters of a counting area."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lunar_models.degradation import summaries
from lunar_models.degradation.ages import ModelAge, model_age
from lunar_models.degradation.areas import CountingArea
from lunar_models.degradation.completeness import completeness_km
from lunar_models.degradation.crater_shape import depth_over_diameter
from lunar_models.degradation.population import state_names
from lunar_models.degradation.schemes import Scheme
from lunar_models.degradation.size_frequency import CountedArea
from lunar_models.degradation.summaries import Choices
from lunar_models.errors import CatalogueError

ALL = "all"
"""Name of the whole population beside its states."""


@dataclass(frozen=True)
class Analysis:
    """Tables of one region; densities are per km², ages in billion years."""

    craters: pd.DataFrame
    """Those with their centre on the area."""
    area: CountingArea
    choices: Choices
    states: Mapping[int, str]
    age: ModelAge
    """Of all craters together."""
    populations: pd.DataFrame
    """A row for all craters and for each state: population, state (0 for all), craters,
    completeness_km, used, slope with interval, and counted N(1), N(10) with intervals (NaN below
    the completeness limit)."""
    size_frequency: pd.DataFrame
    """`size_frequency` of each population, with population, state and complete (bool)."""
    retention: pd.DataFrame
    """`retention_ages` of all diameters used, empty without states."""
    retention_by_diameter: pd.DataFrame
    """The same for each bin of diameter: d_low_km, d_high_km before its columns."""
    k_by_diameter: pd.DataFrame
    """d_low_km, d_high_km, craters, k_m2 and k_over_r2 (median, 16 and 84 %), median state, and the
    share of each state; empty without K and states."""
    crater_ages: pd.DataFrame
    """crater_id, diameter_km, k_m2 and interval, age and interval, flags; empty without K."""
    notes: tuple[str, ...]


def analyse(craters: pd.DataFrame, area: CountingArea, choices: Choices) -> Analysis:
    """Count, date and describe the craters of a region.

    Args:
        craters: as from `read_population`.
        area: counting area; craters with their centre outside are left out, or with
            `Choices.buffered` those that do not reach it.
        choices: see there.

    Raises:
        CatalogueError: no crater lies on the area.
    """
    counted = area.touched(craters) if choices.buffered else area.contains(craters)
    inside = craters[counted].reset_index(drop=True)
    size: CountedArea = area.buffered_km2 if choices.buffered else area.area_km2
    if inside.empty:
        raise CatalogueError(
            f"None of the {len(craters):,} craters lies on the area {area.source} "
            f"({area.area_km2:,.6g} km²); check its longitudes (east positive)."
        )
    if choices.scheme is not None:
        inside = in_scheme(inside, choices.scheme)
    names = state_names(inside)
    groups = {0: inside, **{s: inside[inside["state"] == s] for s in names}}
    titles = {0: ALL, **names}
    limits = {s: _limit(group, choices) for s, group in groups.items()}
    common = max(limits.values()) if choices.age_min_km is None else choices.age_min_km
    age_from = limits[0] if choices.age_min_km is None else choices.age_min_km
    diameters = inside["diameter_km"].to_numpy()
    return Analysis(
        craters=inside,
        area=area,
        choices=choices,
        states=names,
        age=model_age(
            choices.system, diameters, size, age_from, choices.age_max_km,
            level=choices.level,
        ),
        populations=summaries.populations(groups, titles, limits, size, choices),
        size_frequency=summaries.distributions(groups, titles, limits, size, choices),
        retention=summaries.retention(inside, size, common, choices),
        retention_by_diameter=summaries.retention_by_diameter(
            inside, size, common, choices
        ),
        k_by_diameter=summaries.k_by_diameter(inside, names, choices),
        crater_ages=summaries.crater_ages(inside, choices),
        notes=(*area.notes, *_notes(inside, names, craters)),
    )  # fmt: skip


def in_scheme(craters: pd.DataFrame, scheme: Scheme) -> pd.DataFrame:
    """Give each crater the class of another scheme, from its d/D or else its K/R².

    Raises:
        CatalogueError: the table has neither.
    """
    if "depth_over_diameter" in craters:
        depth = craters["depth_over_diameter"].to_numpy(np.float64)
    elif "k_over_r2" in craters:
        k = craters["k_over_r2"].to_numpy(np.float64)
        depth = np.where(np.isnan(k), np.nan, depth_over_diameter(np.nan_to_num(k)))
    else:
        raise CatalogueError(
            "A scheme needs d/D or K/R² of the craters: give depths, or a table with k_over_r2."
        )
    rank = pd.Series(scheme.rank(depth), index=craters.index)
    state = rank.where(rank > 0).astype("Int64")
    return craters.assign(
        state=state, state_name=state.map(dict(enumerate(scheme.classes, start=1)))
    )


def _limit(group: pd.DataFrame, choices: Choices) -> float:
    return completeness_km(
        group["diameter_km"].to_numpy(),
        pixel_size_m=choices.pixel_size_m,
        chosen_km=choices.complete_from_km,
    )


def _notes(inside: pd.DataFrame, names: Mapping[int, str], everything: pd.DataFrame) -> list[str]:
    notes = []
    if len(inside) < len(everything):
        notes.append(f"{len(inside):,} of {len(everything):,} craters are counted on the area.")
    known = int(inside["state"].notna().sum()) if names else 0
    if names and known < len(inside):
        span = inside.loc[inside["state"].notna(), "diameter_km"]
        notes.append(
            f"States are known of {known:,} of {len(inside):,} craters "
            f"({span.min():.3g}-{span.max():.3g} km), so those of the states are lower limits."
        )
    return notes
