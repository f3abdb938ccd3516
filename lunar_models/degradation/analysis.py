"""Count, date and describe the craters of a counting area."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.degradation import summaries
from lunar_models.degradation.ages import ModelAge, is_datable, model_age, production_fit
from lunar_models.degradation.areas import CountingArea
from lunar_models.degradation.completeness import FEWEST, completeness_km
from lunar_models.degradation.crater_shape import depth_over_diameter
from lunar_models.degradation.depth_states import simple_depth_over_diameter
from lunar_models.degradation.population import state_names
from lunar_models.degradation.schemes import Scheme
from lunar_models.degradation.size_frequency import CountedArea
from lunar_models.degradation.summaries import Choices
from lunar_models.errors import CatalogueError

ALL = "all"
"""Name of the whole population beside its states."""
_MISFIT = 1e-3
"""Probability below which diameters are said not to follow the production function."""
_MOST_COVERED = 10.0
_LARGE_KM = 10.0
"""In metres, the smallest craters that mosaics from orbit resolve."""


@dataclass(frozen=True)
class Analysis:
    """Tables of one region; densities are per km², ages in billion years."""

    craters: pd.DataFrame
    """Those with their centre on the area."""
    area: CountingArea
    choices: Choices
    states: Mapping[int, str]
    age: ModelAge
    """Of all craters together; see `ModelAge.known`."""
    populations: pd.DataFrame
    """A row for all craters and for each state: population, state (0 for all), craters,
    completeness_km, used, slope with interval, and counted N(1), N(10) with intervals (NaN below
    the completeness limit)."""
    size_frequency: pd.DataFrame
    """`size_frequency` of each population, with population, state and complete (bool)."""
    retention: pd.DataFrame
    """`retention_ages` of the diameters complete in all states, which its last columns give; empty
    without states."""
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
        CatalogueError: no crater lies on the area, or they cover it too often.
    """
    inside = _counted(craters, area, choices)
    size: CountedArea = area.buffered_km2 if choices.buffered else area.area_km2
    names = state_names(inside)
    groups = {0: inside, **{s: inside[inside["state"] == s] for s in names}}
    titles = {0: ALL, **names}
    limits = {s: _limit(group, choices) for s, group in groups.items()}
    common = max(limits.values()) if choices.age_min_km is None else choices.age_min_km
    age_from = limits[0] if choices.age_min_km is None else choices.age_min_km
    age = _age(inside["diameter_km"].to_numpy(), size, age_from, choices)
    return Analysis(
        craters=inside,
        area=area,
        choices=choices,
        states=names,
        age=age,
        populations=summaries.populations(groups, titles, limits, size, choices),
        size_frequency=summaries.distributions(groups, titles, limits, size, choices),
        retention=summaries.retention(inside, size, common, choices),
        retention_by_diameter=summaries.retention_by_diameter(
            inside, size, common, choices
        ),
        k_by_diameter=summaries.k_by_diameter(inside, names, choices),
        crater_ages=summaries.crater_ages(inside, choices),
        notes=(
            *area.notes,
            *_notes(inside, names, craters),
            *_completeness_notes(inside, choices),
            *_age_notes(age, choices),
            *_fit_notes(inside, size, age, choices),
        ),
    )  # fmt: skip


def _counted(craters: pd.DataFrame, area: CountingArea, choices: Choices) -> pd.DataFrame:
    """Return the craters that count on the area, with their states in the chosen scheme."""
    counted = area.touched(craters) if choices.buffered else area.contains(craters)
    inside = craters[counted].reset_index(drop=True)
    if inside.empty:
        raise CatalogueError(
            f"None of the {len(craters):,} craters lies on the area {area.source} "
            f"({area.area_km2:,.6g} km²); check its longitudes (east positive)."
        )
    _check_sizes(craters[area.contains(craters)], area)
    return inside if choices.scheme is None else in_scheme(inside, choices.scheme)


def _check_sizes(centred: pd.DataFrame, area: CountingArea) -> None:
    """Refuse large craters that cover their area more often than any surface is covered.

    Metres read as km do; saturation (Hartmann 1984) from 10 m to 1,000 km covers an area 1.7 times.
    The two largest do not count: an area can be the floor of a crater. Small craters that are too
    dense are noted with the age (`_age_notes`).
    """
    area_km2 = np.pi / 4 * np.sort(centred["diameter_km"].to_numpy(np.float64))[:-2] ** 2
    times = area_km2.sum() / area.area_km2
    if times <= _MOST_COVERED or centred["diameter_km"].median() < _LARGE_KM:
        return
    raise CatalogueError(
        f"The {len(centred):,} craters (median {centred['diameter_km'].median():,.6g} km) on the "
        f"area {area.source} ({area.area_km2:,.6g} km²) cover it {times:,.0f} times, which no "
        "surface shows. Diameters in metres are said with columns=longitude_deg=…,latitude_deg=…,"
        "diameter_m=NAME; else check the area."
    )


def in_scheme(craters: pd.DataFrame, scheme: Scheme) -> pd.DataFrame:
    """Give each crater the class of another scheme, from its d/D or else its K/R².

    The schemes are of simple craters; a complex one, which is shallower from the start, gets the
    class of a simple one that has kept the same part of its depth (`simple_depth_over_diameter`).

    Raises:
        CatalogueError: the table has neither.
    """
    if not {"depth_over_diameter", "k_over_r2"} & set(craters):
        raise CatalogueError(
            "A scheme needs d/D or K/R² of the craters: give depths, or a table with k_over_r2."
        )
    depth = np.full(len(craters), np.nan)
    if "depth_over_diameter" in craters:
        depth = simple_depth_over_diameter(craters["depth_over_diameter"], craters["diameter_km"])
    if "k_over_r2" in craters:
        k = craters["k_over_r2"].to_numpy(np.float64)
        from_k = np.where(np.isnan(k), np.nan, depth_over_diameter(np.nan_to_num(k)))
        depth = np.where(np.isnan(depth), from_k, depth)
    rank = pd.Series(scheme.rank(depth), index=craters.index)
    state = rank.where(rank > 0).astype("Int64")
    return craters.assign(
        state=state, state_name=state.map(dict(enumerate(scheme.classes, start=1)))
    )


def _age(
    diameters_km: Float64Array, area_km2: CountedArea, low_km: float, choices: Choices
) -> ModelAge:
    """Age of all craters; unknown where none is of a datable size and the user chose none."""
    top = choices.age_max_km
    if choices.age_min_km is None and not is_datable(choices.system, low_km, top):
        return ModelAge.unknown(low_km, top, choices.level)
    return model_age(choices.system, diameters_km, area_km2, low_km, top, level=choices.level)


def _completeness_notes(inside: pd.DataFrame, choices: Choices) -> list[str]:
    given = choices.complete_from_km or choices.age_min_km
    if given or choices.pixel_size_m or len(inside) >= FEWEST:
        return []
    return [
        f"{len(inside)} craters are too few to tell from which diameter the count is complete; the "
        "smallest crater is taken, which makes the age too old. Give complete_from_km."
    ]


def _age_notes(age: ModelAge, choices: Choices) -> list[str]:
    if not age.known:
        smallest, largest = choices.system.production.range_km
        return [
            f"There is no model age: {choices.system.name} dates craters of {smallest:.3g}-"
            f"{largest:.3g} km, and the count is complete from {age.diameter_min_km:.3g} km."
        ]
    if age.craters == 0:
        return [
            f"No crater of {age.diameter_min_km:.3g} km or larger was counted, so the age is an "
            f"upper limit: {age.high_ga:.3g} Ga."
        ]
    if age.at_limit:
        return [
            "The surface has more craters than one of 4.6 Ga can have: check the area, the "
            "diameters and their unit."
        ]
    return []


def _fit_notes(
    inside: pd.DataFrame, size: CountedArea, age: ModelAge, choices: Choices
) -> list[str]:
    """Note diameters unlike the production function, whose age depends on those taken."""
    if not age.known or age.craters < FEWEST:
        return []
    low, high = age.diameter_min_km, age.diameter_max_km
    p = production_fit(choices.system, inside["diameter_km"].to_numpy(), size, low, high)
    if p >= _MISFIT:
        return []
    return [
        f"The diameters do not follow the production function of {choices.system.name} "
        f"(Kolmogorov-Smirnov test, p = {p:.1g}), so the age depends on the diameters taken: look "
        "at the R plot, and set age_min_km and age_max_km."
    ]


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
    if {"depth_over_diameter", "k_m2"} <= {*inside}:
        complex_ = inside[inside["depth_over_diameter"].notna() & inside["k_m2"].isna()]
        if len(complex_):
            notes.append(
                f"{len(complex_):,} craters of {complex_['diameter_km'].min():.3g} km and larger "
                "have a depth but no K: they are complex, and K is that of a diffused bowl. Their "
                "states say which part of their fresh depth (Pike 1977) is left."
            )
    return notes
