"""A crop is the same, bit for bit, whatever else of the mosaic is in memory."""

import numpy as np
import pandas as pd
import pytest
from planted_moon import GEOGRAPHIC, SPHERE, global_transform, write_array
from rasterio.transform import Affine

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.crop_plan import CropPlan, plan_crops
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.cropping.storage.work_folder import Segment
from lunar_models.cropping.streaming import cut_units, stream_crops

WIDTH = 1024


def write_craters(path, *, count, south, generator):
    """All over the Moon from latitude `south` on, large ones and some at poles and the seam."""
    longitude = generator.uniform(-180, 180, count)
    longitude[:20] = 180 - generator.uniform(-3, 3, 20)
    sine = generator.uniform(np.sin(np.radians(south)), 1, count)
    diameter = np.exp(generator.uniform(np.log(30), np.log(600), count))
    table = {
        "crater_id": np.arange(count),
        "longitude_deg": (longitude + 180) % 360 - 180,
        "latitude_deg": np.degrees(np.arcsin(sine)),
        "diameter_km": diameter,
    }
    pd.DataFrame(table).to_csv(path, index=False)


def make_plan(folder, kind: str) -> CropPlan:
    generator = np.random.default_rng(3)
    rows = WIDTH if kind == "polar" else WIDTH // 2
    values = generator.integers(1, 255, (rows, WIDTH)).astype(np.uint8)
    profile = {"crs": GEOGRAPHIC, "transform": global_transform(WIDTH)}
    if kind == "polar":
        step = 2_400_000 / WIDTH
        profile["crs"] = f"+proj=stere +lat_0=90 +lon_0=0 {SPHERE}"
        profile["transform"] = Affine(step, 0, -1_200_000, 0, -step, 1_200_000)
    if kind == "gaps":
        values[generator.random(values.shape) < 0.001] = 0
        profile["nodata"] = 0
    write_array(folder / "mosaic.tif", values, **profile)
    write_craters(
        folder / "craters.csv",
        count=160,
        south=60 if kind == "polar" else -90,
        generator=generator,
    )
    config = PreprocessConfig(
        mosaic=(str(folder / "mosaic.tif"),),
        catalogue=str(folder / "craters.csv"),
        output=str(folder / "crops"),
        crop_size_px=24,
        **({"illumination": "azimuth", "sun_azimuth_deg": 60.0} if kind == "turned" else {}),
    )
    return plan_crops(config, open_mosaics(config))


@pytest.mark.parametrize("kind", ["global", "gaps", "turned", "polar"])
def test_craters_alone_and_among_all(tmp_path, kind):
    plan = make_plan(tmp_path, kind)
    assert (plan.craters["separable"].sum() > 50) == (kind in ("global", "gaps"))
    assert (~plan.craters["separable"]).sum() > 15
    among_all = {}
    for unit, crops, measures in stream_crops(plan, cut_units(plan.segments, 1024)):
        for n in range(unit.count):
            among_all[unit.start + n] = crops[n].copy(), measures[n].copy()
    assert len(among_all) == len(plan.craters) > 80
    for segment in plan.segments:
        for position in range(segment.start, segment.stop):
            alone = Segment(0, segment.mosaic, segment.strip, position, position + 1)
            ((_, crops, measures),) = stream_crops(plan, [alone])
            np.testing.assert_array_equal(crops[0], among_all[position][0])
            np.testing.assert_array_equal(measures[0], among_all[position][1])
