r"""Measure how much alignment to the Sun improves scores, on crops turned by known wrong angles.

    python -m benchmarks.alignment --mosaic pole.tif --catalogue robbins.csv --depths depths.csv \
        --encoder outputs/encoder

Prints the Spearman correlation of the encoder's own score with measured depth over diameter, at
each angle, and by shadow fraction where crops are aligned as they are by default.
"""

import argparse
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lunar_models.catalogue import read_catalogue
from lunar_models.catalogue.labels import read_depths
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import score_crops
from lunar_models.encoders.checkpoint import Checkpoint

ANGLES_DEG = (0, 10, -10, 20, -20, 30, -30, 45, -45, 90, 180)
SHADOW_EDGES = (0.0, 0.1, 0.2, 0.3, 0.5)
_ALL: dict[str, Any] = {
    "max_shadow_fraction": 1.0,
    "max_saturated_fraction": 1.0,
    "min_contrast": 0.0,
    "min_valid_fraction": 0.0,
}


def main() -> None:
    """Cut the crops of default alignment, then those turned further, and score each set."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in ("mosaic", "catalogue", "depths", "encoder"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark/alignment"))
    parser.add_argument("--diameter_min_km", type=float, default=6.0)
    parser.add_argument("--diameter_max_km", type=float, default=20.0)
    options = parser.parse_args()
    checkpoint, depths = Checkpoint.load(options.encoder), read_depths(options.depths)
    limits: dict[str, Any] = {
        "mosaic": (options.mosaic,),
        "crop_size_px": checkpoint.encoder.crop_size_px,
        "context_diameters": checkpoint.context_diameters,
        "diameter_min_km": options.diameter_min_km,
        "diameter_max_km": options.diameter_max_km,
    }
    config = PreprocessConfig(
        catalogue=options.catalogue, output=str(options.folder / "auto"), **limits
    )
    aligned = make_crop_set(config)
    judged = _scores(checkpoint, aligned).merge(depths, on="crater_id")
    print(f"aligned: {_correlation(judged):.3f} of {len(judged)} crops")
    for low, high in pairwise(SHADOW_EDGES):
        part = judged[judged["shadow_fraction"].between(low, high, inclusive="left")]
        print(f"shadow {low:.1f}-{high:.1f}: {_correlation(part):.3f} of {len(part)} crops")
    craters, _ = read_catalogue(options.catalogue)
    azimuth = aligned.metadata.set_index("crater_id")["sun_azimuth_deg"]
    craters = craters[craters["crater_id"].isin(azimuth.index)]
    for angle in ANGLES_DEG:
        file = options.folder / f"turned_{angle}.csv"
        turned = (craters["crater_id"].map(azimuth) + angle) % 360.0
        craters.assign(sun_azimuth_deg=turned).to_csv(file, index=False)
        config = PreprocessConfig(
            catalogue=str(file), output=str(file.with_suffix("")), illumination="azimuth",
            **limits, **_ALL,
        )  # fmt: skip
        scored = _scores(checkpoint, make_crop_set(config)).merge(depths, on="crater_id")
        scored = scored[scored["crater_id"].isin(judged["crater_id"])]
        print(f"turned by {angle:+d} deg: {_correlation(scored):.3f} of {len(scored)} crops")


def _scores(checkpoint: Checkpoint, crop_set: CropSet) -> pd.DataFrame:
    scores = score_crops(checkpoint, crop_set.crops)
    if scores is None:
        raise SystemExit("The encoder has no score of its own; give one that has, such as physics.")
    return crop_set.metadata[["crater_id", "shadow_fraction"]].assign(
        score=np.asarray(scores)[:, 0]
    )


def _correlation(judged: pd.DataFrame) -> float:
    return -float(spearmanr(judged["score"], judged["depth_over_diameter"]).statistic)


if __name__ == "__main__":
    main()
