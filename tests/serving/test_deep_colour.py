"""Images of 16 bits: byte order, colours, palettes and levels are what they are meant to be."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from crop_images import CORNER, GREY, check, encoded, geotiff
from rasterio.io import MemoryFile

from lunar_models.errors import CropImageError
from lunar_models.mosaic.raster import Mosaic, MosaicReader
from serving.model.images import decode_image


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "float32"])
def test_big_endian_values_are_the_same(dtype: str) -> None:
    values = GREY.astype(dtype) * np.dtype(dtype).type(3)
    for data in (
        geotiff(values, ENDIANNESS="BIG"),
        encoded(values.astype(f">{values.dtype.str[1:]}"), "NPY"),
    ):
        decoded = decode_image(data)
        assert decoded.dtype == dtype
        np.testing.assert_array_equal(decoded.values, values)


def test_white_is_zero_in_16_bits_too() -> None:
    for dtype, top in (("uint8", 255), ("uint16", 65535)):
        values = GREY.astype(dtype)
        decoded = decode_image(geotiff((top - values).astype(dtype), photometric="MINISWHITE"))
        np.testing.assert_array_equal(decoded.values, values)


TIFF_KINDS = [
    {"endianness": "LITTLE"}, {"endianness": "BIG"},
    {"compress": "deflate", "predictor": 2, "endianness": "BIG"},
    {"compress": "lzw", "tiled": True, "blockxsize": 16, "blockysize": 16},
]  # fmt: skip


@pytest.mark.parametrize(
    ("driver", "bands", "profile"),
    [
        *[("PNG", bands, {}) for bands in (2, 3, 4)],
        *[("GTiff", 3, {**kind, "photometric": "RGB"}) for kind in TIFF_KINDS],
        *[("GTiff", 4, {**kind, "photometric": "RGB", "alpha": "NON-PREMULTIPLIED"})
          for kind in TIFF_KINDS],
    ],
)  # fmt: skip
def test_16_bits_of_colour_are_those_of_a_mosaic(
    tmp_path: Path, driver: str, bands: int, profile: dict[str, Any]
) -> None:
    """To the last bit, and opacity too: 1 of 65,535 is not transparent."""
    values = np.random.default_rng(0).integers(1, 65536, (bands, 24, 20)).astype(np.uint16)
    if bands in (2, 4):
        values[-1, CORNER] = 0
        values[-1, 10:, 10:] = 1
    path = tmp_path / "image"
    with rasterio.open(
        path, "w", driver=driver, height=24, width=20, count=bands, dtype="uint16", **profile
    ) as data:  # fmt: skip
        data.write(values)
    with MosaicReader(Mosaic.open(path, picture=0)) as reader:
        mosaic = reader.read_brightness(0, 0, 24, 20)
    decoded = decode_image(path.read_bytes())
    assert decoded.dtype == "uint16"
    np.testing.assert_allclose(decoded.values, mosaic, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(mosaic), CORNER if bands in (2, 4) else False & CORNER)


def test_a_transparent_colour_of_16_bits() -> None:
    deep = np.where(CORNER, 300, GREY.astype(np.uint16) * 256 + 44)
    with MemoryFile() as memory:
        with memory.open(
            driver="PNG", height=24, width=20, count=3, dtype="uint16", nodata=300
        ) as data:
            data.write(np.stack([deep] * 3).astype(np.uint16))
        check(decode_image(bytes(memory.read())), deep)


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_16_bit_colours_are_turned_upright(orientation: int) -> None:
    deep = GREY.astype(np.uint16) * 256 + 44
    stored = bytearray(geotiff(deep, deep, deep, photometric="RGB"))
    place = stored.index(struct.pack("<HHIH", 284, 3, 1, 1))
    struct.pack_into("<HHIH", stored, place, 274, 3, 1, orientation)
    upright = {1: deep, 3: deep[::-1, ::-1], 6: np.rot90(deep, -1)}[orientation]
    np.testing.assert_allclose(decode_image(bytes(stored)).values, upright, rtol=1e-6)


def test_premultiplied_colours_of_16_bits_are_refused() -> None:
    deep = GREY.astype(np.uint16) * 257
    with pytest.raises(CropImageError, match="one grey band"):
        decode_image(geotiff(*[deep] * 4, photometric="RGB", alpha="PREMULTIPLIED"))


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32"])
@pytest.mark.parametrize("compress", ["deflate", "lzw"])
@pytest.mark.parametrize("predictor", [1, 2])
@pytest.mark.parametrize("tiled", [False, True])
def test_compressed_big_endian_values(
    dtype: str, compress: str, predictor: int, tiled: bool
) -> None:
    """Pillow swaps the bytes of what libtiff has swapped already."""
    values = (GREY.astype("int32") - (0 if dtype == "uint16" else 100)).astype(dtype)
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
    for order in ("BIG", "LITTLE"):
        data = geotiff(values, ENDIANNESS=order, compress=compress, predictor=predictor, **layout)
        np.testing.assert_array_equal(decode_image(data).values, values)


def test_colours_of_16_bits_in_few_levels() -> None:
    dim = GREY.astype(np.uint16) * 8  # 12 bits in 16
    np.testing.assert_allclose(
        decode_image(geotiff(dim, dim, dim, photometric="RGB")).values, dim, rtol=1e-6
    )
    np.testing.assert_array_equal(decode_image(geotiff(dim)).values, dim)
