"""Measure how well preprocess finds the Sun's azimuth, on Moons whose truth is known.

    python -m benchmarks.azimuth                        # the table
    python -m benchmarks.azimuth --held_out --figure docs/azimuth_reliability.png
    python -m benchmarks.azimuth --lit_from_the_east CROPS   # made with illumination=none

Polar Moons have sectors, each lit from another direction; oblique ones have bands, lit from an
azimuth and its mirror image in turn. A single crop's own evidence stands beside the joint belief.
`STRAY_AMONG_NEIGHBOURS` and the calibration of the confidence were chosen on these Moons and on
half of a crop set of photographs (every other 15 degrees of longitude); ``--held_out`` takes other
Moons.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.cropping.extraction import make_crop_set
from lunar_models.cropping.sun.azimuth import (
    CLOSE_DEG,
    AzimuthBelief,
    azimuth_evidence,
    own_azimuth,
    vote_azimuth,
)
from lunar_models.crops.crop_set import CropSet
from lunar_models.synthetic.synthesize import synthesize

MOONS = {
    "north pole": {"projection": "north_polar", "sun_azimuth_deg": 20, "seam_bands": 5, "seed": 0},
    "south pole": {"projection": "south_polar", "sun_azimuth_deg": 200, "seam_bands": 7, "seed": 1},
    "40° S, azimuth 55°": {"latitude_deg": -40, "sun_azimuth_deg": 55, "seed": 2},
    "60° N, azimuth 140°": {
        "latitude_deg": 60,
        "sun_azimuth_deg": 140,
        "seam_bands": 5,
        "seed": 3,
    },
    "15° N, east and west": {"latitude_deg": 15, "seed": 4},
}
DOUBTFUL = 0.9
CONFIDENCE_EDGES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


def main() -> None:
    """Print the table, and draw the reliability diagram if wanted."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("data/benchmark/azimuth"))
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--held_out", action="store_true", help="Moons on which nothing was chosen")
    parser.add_argument("--lit_from_the_east", help="a crop set whose Sun is known in part")
    options = parser.parse_args()
    if options.lit_from_the_east:
        print(_sides(CropSet.open(options.lit_from_the_east)).to_string(float_format="%.3f"))
        return
    moons = {name: {**moon, **(_others(moon) if options.held_out else {})}
             for name, moon in MOONS.items()}  # fmt: skip
    folder = options.folder / ("held_out" if options.held_out else "chosen_on")
    craters = pd.concat([_judge(folder / f"moon{n}", name, moon)
                         for n, (name, moon) in enumerate(moons.items())])  # fmt: skip
    print("part of the craters whose azimuth is right to 15 deg, median error, mean confidence")
    print(_table(craters).to_string(float_format="%.3f"))
    if options.figure:
        _reliability(craters).savefig(options.figure, dpi=110)


def _others(moon: dict[str, object]) -> dict[str, object]:
    """Another Moon, lit from 13 degrees further where it is not lit from the east and west."""
    changed: dict[str, object] = {"seed": int(str(moon["seed"])) + 100}
    if "sun_azimuth_deg" in moon:
        changed["sun_azimuth_deg"] = (int(str(moon["sun_azimuth_deg"])) + 13) % 360
    return changed


def _sides(crop_set: CropSet) -> pd.DataFrame:
    """How many azimuths lie in the east, by stated confidence and half of the craters."""
    table = crop_set.metadata
    place = {column: table[column].to_numpy() for column in ("longitude_deg", "latitude_deg")}
    belief = vote_azimuth(**place, evidence=azimuth_evidence(crop_set.crops))
    craters = pd.DataFrame({
        "half": np.where(place["longitude_deg"] // 15 % 2 == 0, "chosen on", "held out"),
        "stated": pd.cut(belief.confidence, CONFIDENCE_EDGES, include_lowest=True),
        "east": belief.azimuth_deg < 180.0,
    })  # fmt: skip
    return craters.groupby(["half", "stated"], observed=True)["east"].agg(["size", "mean"])


def _judge(folder: Path, name: str, moon: dict[str, object]) -> pd.DataFrame:
    """Errors and confidences of every crater, from its own evidence and joined."""
    if not (folder / "truth.csv").exists():
        synthesize(SynthesizeConfig(output=str(folder), **moon))
    crop_set = make_crop_set(
        PreprocessConfig(
            mosaic=(str(folder / "mosaic.tif"),),
            catalogue=str(folder / "robbins.csv"),
            output=str(folder / "crops"),
            illumination="none",
        )
    )
    table = crop_set.metadata
    truth = pd.read_csv(folder / "truth.csv").set_index("CRATER_ID").loc[table["crater_id"]]
    planted = truth["sun_azimuth_deg"].to_numpy()
    evidence = azimuth_evidence(crop_set.crops)
    place = {column: table[column].to_numpy() for column in ("longitude_deg", "latitude_deg")}
    columns = {"moon": name, "state": truth["state"].to_numpy()}
    for kind, belief in (
        ("own", own_azimuth(evidence)),
        ("joint", vote_azimuth(**place, evidence=evidence)),
    ):
        columns |= {f"{kind}_error": _error(belief, planted), f"{kind}_said": belief.confidence}
    return pd.DataFrame(columns)


def _error(belief: AzimuthBelief, planted: np.ndarray) -> np.ndarray:
    return np.abs((belief.azimuth_deg - planted + 180.0) % 360.0 - 180.0)


def _table(craters: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, group in [*craters.groupby("moon", sort=False), ("all", craters)]:
        row = {"moon": name, "craters": len(group)}
        for kind in ("own", "joint"):
            error = group[f"{kind}_error"]
            row[f"{kind} right"] = (error <= CLOSE_DEG).mean()
            row[f"{kind} median"] = error.median()
            row[f"{kind} said"] = group[f"{kind}_said"].mean()
            doubtful = group[group[f"{kind}_said"] < DOUBTFUL]
            row[f"{kind} doubtful"] = len(doubtful)
            row[f"{kind} doubtful right"] = (doubtful[f"{kind}_error"] <= CLOSE_DEG).mean()
            row[f"{kind} doubtful said"] = doubtful[f"{kind}_said"].mean()
        rows.append(row)
    return pd.DataFrame(rows).set_index("moon")


def _reliability(craters: pd.DataFrame) -> Figure:
    """Part of the azimuths that are right against the confidence that is stated."""
    figure = Figure(figsize=(5.2, 4.8), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.6", lw=1, label="perfect")
    for kind, marker, colour in (("own", "s", "#E69F00"), ("joint", "o", "#0072B2")):
        said, right = craters[f"{kind}_said"], craters[f"{kind}_error"] <= CLOSE_DEG
        groups = pd.DataFrame({"said": said, "right": right}).groupby(
            pd.cut(said, CONFIDENCE_EDGES), observed=True
        )
        bins = groups.agg(said=("said", "mean"), right=("right", "mean"), n=("said", "size"))
        bins = bins[bins["n"] >= 5]
        spread = np.sqrt(bins["right"] * (1 - bins["right"]) / bins["n"])
        axes.errorbar(bins["said"], bins["right"], spread, fmt=f"{marker}-", color=colour,
                      label="its own evidence" if kind == "own" else "with neighbours")  # fmt: skip
        for _, point in bins.iterrows():
            axes.annotate(f"{int(point['n']):,}", (point["said"], point["right"]), xytext=(4, -11),
                          textcoords="offset points", fontsize=7, color=colour)  # fmt: skip
    axes.set(xlabel="stated probability that the azimuth is right to 15°",
             ylabel="part that is right", xlim=(0, 1.02), ylim=(0, 1.04))  # fmt: skip
    axes.legend(loc="upper left")
    axes.set_title(f"{len(craters):,} craters of five synthetic Moons; bars: 1 σ", fontsize=10)
    return figure


if __name__ == "__main__":
    main()
