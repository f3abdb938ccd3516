"""PDS3 products whose numbers GDAL would misread without a word are read right, or refused."""

import numpy as np
import pytest
from raster_files import brightness, pds3, scene

from lunar_models.errors import MosaicError
from lunar_models.mosaic.raster import Mosaic


def bytes_of(folder, kind, extra=""):
    path = pds3(folder, scene().astype("<i2"), extra)
    (folder / "moon.img").write_bytes(scene().tobytes())
    text = path.read_text().replace("LSB_INTEGER", kind).replace("BITS = 16", "BITS = 8")
    path.write_text(text.replace("BYTES = 160", "BYTES = 80").replace("\n", "\r\n"))
    return path


@pytest.mark.parametrize("kind", ["LSB_INTEGER", "MSB_INTEGER", "INTEGER", "PC_INTEGER"])
def test_signed_bytes_are_a_question(tmp_path, kind):
    with pytest.raises(MosaicError, match=r"signed .* some producers mean 0 to 255"):
        Mosaic.open(bytes_of(tmp_path, kind))
    lroc = bytes_of(tmp_path, kind, "INSTRUMENT_ID = LROC")
    np.testing.assert_array_equal(brightness(lroc), scene())
    unsigned = bytes_of(tmp_path, kind.replace("INTEGER", "UNSIGNED_INTEGER"))
    np.testing.assert_array_equal(brightness(unsigned), scene())


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("LINE_SUFFIX_BYTES = 6", "6 bytes behind each line"),
        ("BANDS = 3\n BAND_STORAGE_TYPE = SAMPLE_INTERLEAVED", "order SAMPLE_INTERLEAVED"),
        ('BANDS = 3\n BAND_STORAGE_TYPE = "LINE INTERLEAVED"', "order LINE INTERLEAVED"),
        ("LINE_DISPLAY_DIRECTION = UP", "LINE_DISPLAY_DIRECTION = UP"),
        ("SAMPLE_DISPLAY_DIRECTION = LEFT", "SAMPLE_DISPLAY_DIRECTION = LEFT"),
    ],
)
def test_orders_that_gdal_does_not_know_are_refused(tmp_path, extra, said):
    path = pds3(tmp_path, np.tile(scene(), (3, 1)).astype("<i2"), extra)
    with pytest.raises(MosaicError, match=said):
        Mosaic.open(path, band=1)


def test_orders_that_gdal_knows(tmp_path):
    stack = np.stack([scene(), scene() // 2, scene() // 3]).astype("<i2")
    for name, stored in (("BAND_SEQUENTIAL", stack), ("LINE_INTERLEAVED", stack.swapaxes(0, 1))):
        extra = f"BANDS = 3\n BAND_STORAGE_TYPE = {name}\n LINE_DISPLAY_DIRECTION = DOWN"
        path = pds3(tmp_path, np.ascontiguousarray(stored), extra)
        np.testing.assert_array_equal(brightness(path, band=2), stack[1])


def test_the_range_of_valid_values(tmp_path):
    """What lies beyond it has no data, but for constants that mean saturation."""
    values = scene().astype("<i2")
    values[0, :3] = [-30000, 400, 32000]
    extra = "VALID_MINIMUM = 0\n VALID_MAXIMUM = 300\n HIGH_REPR_SATURATION = 32000"
    read = brightness(pds3(tmp_path, values, extra))
    assert np.isnan(read[0, :2]).all()
    assert np.isposinf(read[0, 2])
    np.testing.assert_array_equal(read[1:], values[1:])
