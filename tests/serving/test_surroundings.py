"""The surroundings are turned and mirrored as the crop is, and as wide as they say."""

import asyncio
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from helpers import make_crop_set_folder
from PIL import Image
from planted_moon import GEOGRAPHIC, METRES_PER_DEGREE, disc, write_mosaic

from lunar_models.crops.crop_set import METADATA_FILE, CropSet
from serving.app.problems import Problem
from serving.app.surroundings import Surroundings

DIAMETER_KM = 10.0
STEP_DEG = 0.01


@pytest.mark.parametrize(
    ("rotation_deg", "mirrored", "right", "down"),
    [(0.0, False, 1, 0), (0.0, True, -1, 0), (90.0, False, 0, 1), (45.0, True, -0.707, 0.707)],
)
def test_a_mark_in_the_east_is_where_the_crop_has_it(
    tmp_path: Path, rotation_deg: float, mirrored: bool, right: float, down: float
) -> None:
    east_deg = DIAMETER_KM * 1000 / METRES_PER_DEGREE  # one diameter from the middle
    mosaic = write_mosaic(
        tmp_path / "mosaic.tif", disc(east_deg, 0.0, 2.0), crs=GEOGRAPHIC,
        transform=Affine(STEP_DEG, 0, -2, 0, -STEP_DEG, 2), shape=(400, 400),
    )  # fmt: skip
    surroundings = Surroundings(str(mosaic), _one_crater(tmp_path, rotation_deg, mirrored))
    png = asyncio.run(surroundings.around(0))
    picture = np.asarray(Image.open(io.BytesIO(png)), float)
    weight = picture - np.median(picture)
    row, column = (np.mgrid[:256, :256] - 127.5) / (256 / 3.0)  # in diameters
    centre = [float((weight * axis).sum() / weight.sum()) for axis in (column, row)]
    assert centre == pytest.approx([right, down], abs=0.03)


def test_a_crater_beyond_the_mosaic_is_a_problem(tmp_path: Path) -> None:
    mosaic = write_mosaic(
        tmp_path / "mosaic.tif", disc(30.0, 0.0, 2.0), crs=GEOGRAPHIC,
        transform=Affine(STEP_DEG, 0, 29, 0, -STEP_DEG, 1), shape=(200, 200),
    )  # fmt: skip
    surroundings = Surroundings(str(mosaic), _one_crater(tmp_path, 0.0, False))
    with pytest.raises(Problem) as caught:
        asyncio.run(surroundings.around(0))
    assert caught.value.status == 404


@pytest.mark.parametrize(("east_edge_deg", "shown"), [(0.35, True), (0.0, False)])
def test_surroundings_without_data_are_not_shown(
    tmp_path: Path, east_edge_deg: float, shown: bool
) -> None:
    """It reaches 0.49 degrees east: 86 or 50 % has data. The crop itself is shown in any case."""
    data = disc(-0.2, 0.0, 2.0)
    mosaic = write_mosaic(
        tmp_path / "mosaic.tif", lambda lon, lat: np.where(lon < east_edge_deg, data(lon, lat), 0),
        crs=GEOGRAPHIC, transform=Affine(STEP_DEG, 0, -2, 0, -STEP_DEG, 2), shape=(400, 400),
        nodata=0,
    )  # fmt: skip
    surroundings = Surroundings(str(mosaic), _one_crater(tmp_path, 0.0, False))
    assert asyncio.run(surroundings.detailed(0))
    if shown:
        assert asyncio.run(surroundings.around(0))
    else:
        with pytest.raises(Problem, match="does not show"):
            asyncio.run(surroundings.around(0))


def _one_crater(folder: Path, rotation_deg: float, mirrored: bool) -> CropSet:
    """A crop set whose first crater lies at 0° E, 0° N."""
    crop_set = make_crop_set_folder(folder / "crops", n=4)
    table = pd.read_parquet(crop_set.path / METADATA_FILE)
    place = {"longitude_deg": 0.0, "latitude_deg": 0.0, "diameter_km": DIAMETER_KM}
    for name, value in (place | {"rotation_deg": rotation_deg, "flipped": mirrored}).items():
        table[name] = np.full(len(table), value, table[name].dtype)
    table.to_parquet(crop_set.path / METADATA_FILE)
    return CropSet(crop_set.path, replace(crop_set.info))
