"""Which of many mosaics each crater is taken from."""

import numpy as np
import pandas as pd
from affine import Affine
from planted_moon import GEOGRAPHIC, write_array

from lunar_models.cropping.placement import choose_mosaics
from lunar_models.mosaic.raster import Mosaic

COUNT = 130  # more than a signed byte can tell


def test_every_crater_is_taken_from_its_own_of_many_maps(tmp_path):
    mosaics = [
        Mosaic.open(
            write_array(
                tmp_path / f"{k}.tif",
                np.full((24, 24), 100, np.uint8),
                crs=GEOGRAPHIC,
                transform=Affine(0.02, 0.0, k - 0.24, 0.0, -0.02, 0.24),
            )
        )
        for k in range(COUNT)
    ]
    craters = pd.DataFrame(
        {"longitude_deg": np.arange(COUNT) * 1.0, "latitude_deg": 0.0, "diameter_km": 5.0}
    )
    chosen = choose_mosaics(mosaics, craters, context_diameters=1.5, crop_size_px=16)
    assert chosen["mosaic"].tolist() == list(range(COUNT))
