"""A small Moon and a service model to classify it with, for tests of whole jobs."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from planted_moon import GEOGRAPHIC, global_transform, write_array

from lunar_models.config.classify import ClassifyConfig, ReleaseConfig
from serving.batch.driver import classify_catalogue

WIDTH = 4096
COUNT = 500


def write_moon(folder: Path) -> Path:
    """A global mosaic of noise (four strips of rows) and a catalogue all over it."""
    folder.mkdir()
    generator = np.random.default_rng(5)
    values = generator.integers(40, 200, (WIDTH // 2, WIDTH)).astype(np.uint8)
    write_array(folder / "mosaic.tif", values, crs=GEOGRAPHIC, transform=global_transform(WIDTH))
    pd.DataFrame(
        {
            "crater_id": [f"C{n}" for n in range(COUNT)],
            "longitude_deg": generator.uniform(-180, 180, COUNT),
            "latitude_deg": np.degrees(np.arcsin(generator.uniform(-1, 1, COUNT))),
            "diameter_km": np.exp(generator.uniform(np.log(20), np.log(600), COUNT)),
        }
    ).to_csv(folder / "craters.csv", index=False)
    return folder


def job_config(moon: Path, model: Path, output: Path, **settings: Any) -> ReleaseConfig:
    """Parameters of a job on `write_moon`, in this process unless `workers` says otherwise."""
    return ClassifyConfig(
        **{
            "mosaic": (str(moon / "mosaic.tif"),),
            "catalogue": str(moon / "craters.csv"),
            "model": str(model),
            "output": str(output),
            "max_overlap_larger": 0.9,
            "workers": 1,
            "device": "cpu",
            **settings,
        }
    )


def release_digests(folder: Path) -> dict[str, str]:
    """sha256 of every file of a release."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def main() -> None:
    """Run a job as a process of its own, from its parameters in JSON."""
    values = json.loads(sys.argv[1])
    classify_catalogue(ClassifyConfig(**(values | {"mosaic": tuple(values["mosaic"])})))


if __name__ == "__main__":
    main()
