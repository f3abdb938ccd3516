"""Measure how often preprocess finds the Sun's side, on Moons whose truth is known.

    python -m benchmarks.sun_side                  # synthetic Moons: truth crater by crater
    python -m benchmarks.sun_side --crops CROPS    # a crop set: flip rate by band of longitude

A single crop's own evidence stands beside the vote, to show what the vote is worth.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.sun.side import sun_side_evidence
from lunar_models.crops.crop_set import CropSet
from lunar_models.synthetic.synthesize import synthesize
from lunar_models.terms import STATE_NAMES

STATES = dict(enumerate(STATE_NAMES, 1))
LATITUDES_DEG = (15.0, -40.0, 60.0)
SEAM_BANDS = (4, 7, 5)


def main() -> None:
    """Print one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--moons", type=int, default=6, help="synthetic Moons to try")
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark/sun_side"))
    parser.add_argument("--crops", help="a crop set to describe instead")
    options = parser.parse_args()
    if options.crops:
        bands = CropSet.open(options.crops).info.statistics["flip_rate_by_band"]
        table = pd.DataFrame(bands).T.sort_index(key=lambda west: west.astype(float))
        print(table.to_string(formatters={"count": "{:.0f}".format}, float_format="%.4f"))
        return
    craters = pd.concat([_judge(options.folder / str(seed), seed) for seed in range(options.moons)])
    columns = {"craters": ("vote", "size"), "own": ("own", "mean"), "vote": ("vote", "mean")}
    table = craters.groupby("state").agg(**columns).rename(STATES)
    table.loc["all"] = [len(craters), craters["own"].mean(), craters["vote"].mean()]
    print(f"{options.moons} Moons; part of the craters whose Sun side is right")
    print(table.to_string(formatters={"craters": "{:.0f}".format}, float_format="%.4f"))


def _judge(folder: Path, seed: int) -> pd.DataFrame:
    """State of every crater, and whether its own evidence and the vote are right."""
    if not (folder / "truth.csv").exists():
        latitude, bands = LATITUDES_DEG[seed % 3], SEAM_BANDS[seed % 3]
        config = SynthesizeConfig(
            output=str(folder), seed=seed, latitude_deg=latitude, seam_bands=bands
        )
        synthesize(config)
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(folder / "mosaic.tif"),),
            catalogue=str(folder / "robbins.csv"),
            output=str(folder / "crops"),
        )
    )
    table = crop_set.metadata.merge(
        pd.read_csv(folder / "truth.csv"), left_on="crater_id", right_on="CRATER_ID"
    )
    flipped = table["flipped"].to_numpy()
    aligned = sun_side_evidence(np.asarray(crop_set.crops))
    own = np.where(flipped, -aligned, aligned)
    east = (table["sun_side"] == "east").to_numpy()
    own_right, vote_right = (own > 0) == east, flipped != east
    return pd.DataFrame({"state": table["state"], "own": own_right, "vote": vote_right})


if __name__ == "__main__":
    main()
