"""A small Moon and its crop set, for the tests of the crop engine."""

import numpy as np
import pandas as pd
import pytest
from planted_moon import GEOGRAPHIC, crop_config, global_transform, write_array

WIDTH = 4096


@pytest.fixture(scope="session")
def noise_moon(tmp_path_factory):
    """A global mosaic of noise (four strips of rows) and a catalogue all over it."""
    folder = tmp_path_factory.mktemp("moon")
    generator = np.random.default_rng(3)
    values = generator.integers(40, 200, (WIDTH // 2, WIDTH)).astype(np.uint8)
    write_array(folder / "mosaic.tif", values, crs=GEOGRAPHIC, transform=global_transform(WIDTH))
    count = 300
    catalogue = pd.DataFrame(
        {
            "crater_id": [f"C{n}" for n in range(count)],
            "longitude_deg": generator.uniform(-180, 180, count),
            "latitude_deg": np.degrees(np.arcsin(generator.uniform(-1, 1, count))),
            "diameter_km": np.exp(generator.uniform(np.log(20), np.log(600), count)),
        }
    )
    catalogue.to_csv(folder / "craters.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def noise_crops(noise_moon, tmp_path_factory):
    """The crop set of `noise_moon`, made by one worker."""
    from lunar_models.cropping.extraction import make_crop_set

    output = tmp_path_factory.mktemp("reference") / "crops"
    return make_crop_set(crop_config(noise_moon, output, workers=1))
