"""Small crop sets with planted truth, for tests of everything that reads one."""

import hashlib
from pathlib import Path

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.crops.crop_set import (
    CROPS_FILE,
    METADATA_FILE,
    REJECTED_FILE,
    CropSet,
    CropSetInfo,
    write_info,
)
from lunar_models.crops.normalisation import Normalisation

CONTEXT_DIAMETERS = 1.5


def bowl_crops(n: int, size: int, seed: int = 0) -> tuple[npt.NDArray[np.uint8], npt.NDArray]:
    """Bowls lit from the east: dark right wall inside the rim, lit left wall.

    Returns:
        crops: (n, size, size) uint8.
        depth: (n,) float64 in [0.1, 1]: the contrast of each bowl, its planted freshness.
    """
    rng = np.random.default_rng(seed)
    depth = rng.uniform(0.1, 1.0, n)
    row, column = (np.mgrid[:size, :size] + 0.5) / size - 0.5
    x, r = column * 2 * CONTEXT_DIAMETERS, np.hypot(row, column) * 2 * CONTEXT_DIAMETERS
    shade = -np.where(r < 1, x, 0.3 * x / np.maximum(r, 1) ** 4)
    albedo = rng.uniform(70, 130, n)[:, None, None]
    noise = rng.normal(0, 0.02, (n, size, size))
    values = albedo * (1 + 0.6 * depth[:, None, None] * shade + noise)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8), depth


def make_crop_set_folder(
    path: Path, n: int = 60, size: int = 32, seed: int = 0, rejected: int = 0
) -> CropSet:
    """Write a crop set of `n` random bowls; 70 % train, 15 % validation, 15 % test."""
    rng = np.random.default_rng(seed + 1)
    crops, _ = bowl_crops(n, size, seed)
    path.mkdir(parents=True, exist_ok=True)
    np.save(path / CROPS_FILE, crops)
    table = _metadata(crops, rng)
    points = gpd.points_from_xy(table["longitude_deg"], table["latitude_deg"])
    gpd.GeoDataFrame(table, geometry=points, crs="IAU_2015:30100").to_parquet(path / METADATA_FILE)
    pd.DataFrame(
        {
            "crater_id": [f"{seed:02d}-9-{i:06d}" for i in range(rejected)],
            "reason": "outside the mosaic",
        }
    ).to_csv(path / REJECTED_FILE, index=False)
    training = crops[(table["split"] == "train").to_numpy()]
    write_info(
        path,
        CropSetInfo(
            count=n,
            crop_size_px=size,
            context_diameters=CONTEXT_DIAMETERS,
            digest=hashlib.sha256(crops.tobytes()).hexdigest(),
            normalisation=Normalisation.fit("ratio", training).to_dict(),
        ),
    )
    return CropSet.open(path)


def _metadata(crops: npt.NDArray[np.uint8], rng: np.random.Generator) -> pd.DataFrame:
    n, size = crops.shape[:2]
    split = np.repeat("train", n).astype(object)
    split[int(0.7 * n) : int(0.85 * n)] = "validation"
    split[int(0.85 * n) :] = "test"
    ones = np.ones(n, np.float32)
    place = {
        "longitude_deg": rng.uniform(-60, 60, n),
        "latitude_deg": rng.uniform(-40, 40, n),
        "diameter_km": rng.uniform(1, 10, n),
    }
    flipped = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "crater_id": [f"00-1-{i:06d}" for i in range(n)],
            **place,
            "native_px": ones * size,
            "upsampling": ones,
            "valid_fraction": ones,
            "saturated_fraction": 0 * ones,
            "shadow_fraction": 0 * ones,
            "contrast": 0.2 * ones,
            "mean_brightness": crops.mean((1, 2)).astype(np.float32),
            "sun_azimuth_deg": np.where(flipped, 270, 90).astype(np.float32),
            "sun_azimuth_std_deg": 0 * ones,
            "illumination_confidence": ones,
            "incidence_deg": np.nan * ones,
            "rotation_deg": 0 * ones,
            "flipped": flipped,
            "overlap_larger": 0 * ones,
            "split": split.astype(str),
        }
    )
