"""Recover planted K, d/D and ages from rendered Moons, through crops and the packaged encoder.

Each seed renders a synthetic Moon of known K/R² (``synthesize``), cuts its crops and lets an
encoder that has seen neither measure K/R² and depth over diameter with 95 % intervals:

- one crater: a crater of the Moon drawn at random lies in its interval;
- all craters: the share of the Moon's craters in their intervals, in the mean over all Moons, and
  the Moons in which it is at least 90 %.

The same for the model age that K means (`diffusion_ages`, among craters with an age), and for the
slope of the size distribution that was planted. The bar is 90 of 100 seeds.

    OMP_NUM_THREADS=1 python -m benchmarks.planted_moons [--seeds 100]
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.degradation.diffusion_age import MARE, diffusion_ages
from lunar_models.degradation.size_frequency import power_law_slope
from lunar_models.embedding import measure_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.synthetic.synthesize import synthesize

SLOPE, SMALLEST_KM = -2.5, 1.5
LEVEL = 0.95


def planted(seed: int, encoder: str, folder: Path) -> pd.DataFrame:
    """The craters of one Moon with crops: diameter_km, measured and true quantities."""
    moon = synthesize(
        SynthesizeConfig(
            output=str(folder / "moon"), width_px=1100, height_px=1100, crater_count=220,
            diameter_min_km=SMALLEST_KM, size_slope=SLOPE, seed=seed,
        )
    )  # fmt: skip
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(moon.mosaic_path),), catalogue=str(moon.catalogue_path),
            output=str(folder / "crops"), crop_size_px=48, workers=1,
        )
    )  # fmt: skip
    prediction = measure_crops(Checkpoint.load(encoder).adapted_to(crop_set), crop_set.crops)
    assert prediction is not None, f"{encoder} predicts no K; give one that does"
    diameter = crop_set.metadata["diameter_km"].to_numpy()
    table = prediction.table(diameter, (LEVEL,)).assign(diameter_km=diameter)
    truth = pd.read_csv(moon.truth_path, dtype={"CRATER_ID": "str"}).set_index("CRATER_ID")
    found = truth.loc[crop_set.metadata["crater_id"]]
    table["true_k_over_r2"] = found["k_over_r2"].to_numpy()
    table["true_depth_over_diameter"] = found["d_over_d"].to_numpy()
    return table


def inside(craters: pd.DataFrame) -> pd.DataFrame:
    """Which truths lie in their intervals, NaN where there is none; a column per quantity."""
    result = {}
    for name in ("k_over_r2", "depth_over_diameter"):
        low, high = (craters[f"{name}_{end}_95"] for end in ("low", "high"))
        result[name] = craters[f"true_{name}"].between(low, high).astype(float)
    k = pd.DataFrame({"k_m2": craters["k_m2"]})
    for end in ("low", "high"):
        k[f"k_m2_{end}"] = craters[f"k_m2_{end}_95"]
    ages = diffusion_ages(k, craters["diameter_km"])
    true_ga = craters["true_k_over_r2"] * (craters["diameter_km"] * 500) ** 2 / MARE.at(1.0) / 1000
    covered = true_ga.between(ages["age_low_ga"], ages["age_high_ga"].fillna(np.inf))
    result["age of the crater"] = covered.astype(float).where(ages["age_ga"].notna())
    return pd.DataFrame(result)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--encoder", default="pretrained:craters-48")
    arguments = parser.parse_args()
    shares, single, slopes, errors = [], [], 0, []
    for seed in range(arguments.seeds):
        with tempfile.TemporaryDirectory() as folder:
            craters = planted(seed, arguments.encoder, Path(folder))
        covered = inside(craters)
        shares.append(covered.mean())
        drawn = covered.apply(
            lambda column, n=seed: column.dropna().sample(1, random_state=n).iloc[0]
        )
        single.append(drawn)
        low, high = power_law_slope(
            craters["diameter_km"].to_numpy(), SMALLEST_KM, 10.0, level=LEVEL
        )[2:]
        slopes += low <= SLOPE <= high
        error = np.log10(craters["k_over_r2"] / craters["true_k_over_r2"])
        errors.append((error.median(), error.abs().median(), len(craters)))
    share, one = pd.DataFrame(shares), pd.DataFrame(single)
    print("| truth | one crater in its 95 % interval | craters inside | Moons with 90 % inside |")
    print("|---|---|---|---|")
    for name in share:
        print(
            f"| {name} | {int(one[name].sum())} of {len(one)} | {share[name].mean():.1%} | "
            f"{int((share[name] >= 0.9).sum())} of {len(one)} |"
        )
    print(f"| slope of the sizes | {slopes} of {arguments.seeds} | | |")
    bias, spread, count = np.mean(errors, axis=0)
    print(
        f"\n{count:.0f} craters a Moon; K/R²: bias {bias:+.3f} dex, median error {spread:.3f} dex"
    )


if __name__ == "__main__":
    main()
