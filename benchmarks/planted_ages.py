"""Recover a planted age and planted degradation, 100 times over.

Each seed makes the craters of a surface of a known age: their number is Poisson, their sizes follow
the production function, their formation times the chronology function, and each decays with a
known diffusivity from then on. Depth over diameter is "measured" with a known error. Counted are
the seeds in which the truth lies in the stated 95 % interval; the bar is 90 of 100.

    python -m benchmarks.planted_ages [--seeds 100]
"""

import argparse

import numpy as np
import pandas as pd

from lunar_models.degradation.ages import retention_ages
from lunar_models.degradation.analysis import Choices, analyse
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.chronology import SYSTEMS, ChronologySystem
from lunar_models.degradation.crater_shape import (
    STATE_EDGES,
    depth_over_diameter,
    k_over_r2_of_depth,
    state_of,
)
from lunar_models.degradation.diffusion_age import MARE, diffusion_ages

AREA = bounds_area(-60, 10, -50, 20)
SMALLEST_KM, LARGEST_KM = 1.0, 20.0
LEVEL, Z = 0.95, 1.96
DEPTH_ERROR = 0.005


def draw(system: ChronologySystem, age_ga: float, rng: np.random.Generator) -> pd.DataFrame:
    """Craters of a surface of `age_ga`, with planted ages and K and measured depths."""
    grid = np.geomspace(SMALLEST_KM, LARGEST_KM, 4000)
    share = system.production.relative(grid)
    n1 = float(system.chronology.density(age_ga))
    count = rng.poisson(AREA.area_km2 * n1 * (share[0] - share[-1]))
    wanted = share[-1] + rng.random(count) * (share[0] - share[-1])
    diameter = np.interp(wanted, share[::-1], grid[::-1])
    formed = system.chronology.age(rng.random(count) * n1)
    k_m2 = MARE.at(diameter) * 1000 * formed
    k_over_r2 = k_m2 / (diameter * 500) ** 2
    depth = depth_over_diameter(np.clip(k_over_r2, 1e-4, 0.3)) + rng.normal(0, DEPTH_ERROR, count)
    west, south, east, north = -60, 10, -50, 20
    sine = rng.uniform(np.sin(np.radians(south)), np.sin(np.radians(north)), count)
    return pd.DataFrame(
        {
            "crater_id": [str(i) for i in range(count)],
            "longitude_deg": rng.uniform(west, east, count),
            "latitude_deg": np.degrees(np.arcsin(sine)),
            "diameter_km": diameter,
            "formed_ga": formed,
            "true_k_m2": k_m2,
            "state": pd.array(state_of(k_over_r2), dtype="Int64"),
            "depth": depth,
        }
    )


def covered(system: ChronologySystem, age_ga: float, seed: int) -> dict[str, bool]:
    """For one seed, which truths lie in their intervals."""
    craters = draw(system, age_ga, np.random.default_rng(seed))
    choices = Choices(system, MARE, level=LEVEL, age_min_km=SMALLEST_KM, age_max_km=LARGEST_KM)
    age = analyse(craters, AREA, choices).age
    result = {"age of the surface": age.low_ga <= age_ga <= age.high_ga}
    low, high = 1.0, 2**0.5
    in_bin = craters[craters["diameter_km"].between(low, high)]
    table = retention_ages(system, in_bin, AREA.area_km2, low, high, level=LEVEL)
    grid = np.linspace(low, high, 400)
    density = -np.gradient(system.production.relative(grid), grid)
    for state, edge in enumerate(STATE_EDGES[:2], start=1):
        leaves = np.minimum(edge * (grid * 500) ** 2 / (MARE.at(grid) * 1000), age_ga)
        mean = np.average(system.chronology.density(leaves), weights=density)
        truth = float(system.chronology.age(mean))
        row = table[table["state"] <= state].iloc[-1]  # a state may have no crater
        name = f"time in the states up to {state}"
        result[name] = row["age_low_ga"] <= truth <= row["age_high_ga"]
    result |= _single_craters(craters)
    return result


def _single_craters(craters: pd.DataFrame) -> dict[str, bool]:
    """Of the craters with a usable depth: is the share in their intervals compatible with 95 %?"""
    radius2 = (craters["diameter_km"] * 500.0) ** 2
    k = pd.DataFrame(
        {
            "k_m2": k_over_r2_of_depth(craters["depth"]) * radius2,
            "k_m2_low": k_over_r2_of_depth(craters["depth"] + Z * DEPTH_ERROR) * radius2,
            "k_m2_high": k_over_r2_of_depth(craters["depth"] - Z * DEPTH_ERROR) * radius2,
        }
    )
    ages = diffusion_ages(k, craters["diameter_km"])
    usable = ~ages["flags"].str.contains("fresh|erased|beyond").to_numpy()
    in_k = craters["true_k_m2"].between(k["k_m2_low"], k["k_m2_high"]).to_numpy()[usable]
    high = ages["age_high_ga"].fillna(np.inf)
    in_age = craters["formed_ga"].between(ages["age_low_ga"], high).to_numpy()[usable]
    error = 3 * np.sqrt(0.05 * 0.95 / usable.sum())
    return {
        "K of single craters (95 % within 3 standard errors)": abs(in_k.mean() - 0.95) < error,
        "age of single craters (the same)": abs(in_age.mean() - 0.95) < error,
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    arguments = parser.parse_args()
    print("| system | age [Ga] | truth | seeds in the interval |\n|---|---|---|---|")
    for name, system in SYSTEMS.items():
        for age_ga in (1.0, 3.0, 3.7):
            rows = [covered(system, age_ga, seed) for seed in range(arguments.seeds)]
            for truth, inside in pd.DataFrame(rows).sum().items():
                print(f"| {name} | {age_ga:g} | {truth} | {inside} of {arguments.seeds} |")


if __name__ == "__main__":
    main()
