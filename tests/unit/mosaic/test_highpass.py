import numpy as np
import pytest
from planted_moon import GEOGRAPHIC, global_transform, write_array
from rasterio import Affine
from scipy.ndimage import gaussian_filter1d

from lunar_models.cropping.single import extract_crop
from lunar_models.crops.crop_set import Radiometry
from lunar_models.mosaic.highpass import HighpassReader
from lunar_models.mosaic.raster import Mosaic

SIGMA = 7.0


def blur(values, *, wraps):
    values = gaussian_filter1d(values, SIGMA, axis=0, mode="constant")
    return gaussian_filter1d(values, SIGMA, axis=1, mode="wrap" if wraps else "constant")


def whole_array(values, *, nodata, wraps):
    """The definition, in double precision, on everything at once."""
    valid = (values != nodata).astype(float)
    mean = blur(values * valid, wraps=wraps) / np.maximum(blur(valid, wraps=wraps), 1e-9)
    sharp = np.clip(values - mean + 128.0, nodata == 0, 255)
    return np.where(valid > 0, sharp, 0.0)


@pytest.fixture
def values():
    generator = np.random.default_rng(1)
    slope = np.linspace(20, 180, 400)[None, :] + np.linspace(0, 40, 200)[:, None]
    return (slope + generator.uniform(0, 25, (200, 400))).astype(np.uint8)


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("nodata", [None, 0])
@pytest.mark.parametrize("rows", [200, 64, 17])
def test_blocks_equal_the_whole_array(tmp_path, values, wraps, nodata, rows):
    if nodata == 0:
        values[60:110, 350:] = 0
        values[::13, ::17] = 0
    transform = global_transform(400) if wraps else Affine(0.01, 0, 10, 0, -0.01, 5)
    path = write_array(
        tmp_path / "m.tif", values, crs=GEOGRAPHIC, transform=transform, nodata=nodata
    )
    mosaic = Mosaic.open(path)
    assert mosaic.wraps == wraps
    out = np.empty_like(values)
    with mosaic.reader(Radiometry()) as reader:
        filtered = HighpassReader(reader, SIGMA)
        for row in range(0, 200, rows):
            for left, right in ((0, 150), (150, 400)):
                part = np.empty((min(rows, 200 - row), right - left), np.uint8)
                filtered.read(row, left, part)
                out[row : row + len(part), left:right] = part
    truth = whole_array(values.astype(float), nodata=-1 if nodata is None else 0, wraps=wraps)
    assert np.abs(out - truth).max() < 0.502  # rounding


def test_rows_are_read_once(tmp_path, values, monkeypatch):
    path = write_array(
        tmp_path / "m.tif", values, crs=GEOGRAPHIC, transform=Affine(0.01, 0, 10, 0, -0.01, 5)
    )
    with Mosaic.open(path).reader(Radiometry()) as reader:
        rows_read = []
        real = reader.read
        monkeypatch.setattr(
            reader, "read", lambda row, col, out: (rows_read.append(len(out)), real(row, col, out))
        )
        filtered = HighpassReader(reader, SIGMA)
        for row in range(0, 200, 50):
            filtered.read(row, 0, np.empty((50, 400), np.uint8))
    assert sum(rows_read) == 200


def test_crop_of_filtered_mosaic_is_flat_where_the_mosaic_slopes(tmp_path):
    slope = np.tile(np.linspace(20, 220, 400), (200, 1)).astype(np.uint8)
    path = write_array(
        tmp_path / "m.tif", slope, crs=GEOGRAPHIC, transform=Affine(0.01, 0, 10, 0, -0.01, 5)
    )
    where = {"longitude_deg": 12.0, "latitude_deg": 4.0, "diameter_km": 20.0}
    plain = extract_crop(path, **where)
    flat = extract_crop(path, **where, highpass_sigma_px=10.0)
    assert plain.std() > 10
    assert np.abs(flat - 128.0).max() <= 1
