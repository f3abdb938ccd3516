"""What an image says about its marks of no data, its heights and its axes is heard or refused."""

import io
import struct
import zlib

import numpy as np
import pytest
import rasterio
from crop_images import CORNER, GREY, check, encoded, geotiff
from PIL import Image
from rasterio.io import MemoryFile

from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import CropImageError
from serving.model.crop_units import to_crop_units
from serving.model.images import decode_image

MOON = "IAU_2015:30110"
NORTH_UP = rasterio.Affine(100, 0, 1000, 0, -100, 2000)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))  # fmt: skip  # noqa: E501


def few_bits_png(levels: np.ndarray, bits: int, transparent: int) -> bytes:
    packed = np.unpackbits(levels.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :]
    rows = np.packbits(packed.reshape(len(levels), -1), axis=1)
    header = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], bits, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"tRNS", struct.pack(">H", transparent))
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("which", ["lowest", "second", "highest"])
def test_the_transparent_grey_of_a_png_of_few_bits(bits: int, which: str) -> None:
    most = 2**bits - 1
    transparent = {"lowest": 0, "second": 1, "highest": most}[which]
    others = np.setdiff1d(np.arange(most + 1), [transparent])
    levels = np.where(CORNER, transparent, others[GREY % len(others)])
    check(decode_image(few_bits_png(levels, bits, transparent)), levels * (255 // most))


@pytest.mark.parametrize("kind", ["TIFF", "NPY"])
@pytest.mark.parametrize(
    ("dtype", "mark"),
    [("int16", -32768), ("uint16", 65535), ("float32", -9999.0), ("float32", 1e20)],
)
def test_an_undeclared_mark_of_no_data_is_refused(kind: str, dtype: str, mark: float) -> None:
    values = np.where(CORNER, mark, GREY.astype(float)).astype(dtype)
    data = geotiff(values) if kind == "TIFF" else encoded(values, "NPY")
    with pytest.raises(CropImageError, match="undeclared mark of no data") as raised:
        decode_image(data)
    assert raised.value.code == "bad_nodata"
    if kind == "TIFF":
        check(decode_image(geotiff(values, nodata=float(values[0, 0]))))


def test_black_ground_is_no_mark() -> None:
    values = np.where(CORNER, 0.0, GREY / 255.0).astype(np.float32)
    np.testing.assert_array_equal(decode_image(encoded(values, "NPY")).values, values)


def tagged(values: np.ndarray, **about: tuple[str, ...]) -> bytes:
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=24, width=20, count=1, dtype=values.dtype
        ) as data:  # fmt: skip
            data.write(values, 1)
            for name, value in about.items():
                setattr(data, name, value)
        return bytes(memory.read())


@pytest.mark.parametrize(
    ("about", "heights"),
    [({"units": ("m",)}, True), ({"units": ("kilometre",)}, True),
     ({"descriptions": ("Elevation",)}, True), ({"units": ("DN",)}, False),
     ({"units": ("DN",), "descriptions": ("Elevation",)}, False),
     ({"descriptions": ("sun elevation",)}, False), ({}, False)],
)  # fmt: skip
def test_a_tiff_that_says_heights_is_refused(about: dict, *, heights: bool) -> None:
    values = GREY.astype(np.float32) * 10.0
    if heights:
        with pytest.raises(CropImageError, match=r"heights.*hillshade"):
            decode_image(tagged(values, **about))
        return
    decoded = decode_image(tagged(values, **about))
    np.testing.assert_array_equal(decoded.values, values)
    _, (warning,) = to_crop_units(decoded, Radiometry())
    assert "heights" in warning.message  # neither 0-1 nor 0-255, so it may be heights


@pytest.mark.parametrize(
    ("stated", "white"),
    [(4095, 4095), (1023, 65535), (32767, 32767), (3000, 65535), (65535, 65535), (None, 65535)],
)
def test_bits_in_use_by_the_largest_sample_value(stated: int | None, white: int) -> None:
    """A number below those that occur, or that is not all bits set, is a statistic."""
    values = GREY.astype(np.uint16) * 16
    stream = io.BytesIO()
    tags = {} if stated is None else {281: stated}
    Image.fromarray(values).save(stream, "TIFF", tiffinfo=tags)
    units, warnings = to_crop_units(decode_image(stream.getvalue()), Radiometry())
    np.testing.assert_allclose(units, values * (255.0 / white), rtol=1e-5)
    assert [w.code for w in warnings] == ([] if white < 65535 else ["little_range"])
    mosaic = Radiometry(source_dtype="uint16", low=0.0, high=2000.0)
    units, _ = to_crop_units(decode_image(stream.getvalue()), mosaic)
    np.testing.assert_allclose(units, np.clip(values * (255.0 / 2000.0), 0, 255), rtol=1e-5)


@pytest.mark.parametrize(
    "turn",
    [rasterio.Affine.rotation(25), rasterio.Affine.rotation(90), rasterio.Affine.shear(20, 0),
     rasterio.Affine(0, 1, 0, 1, 0, 0)],
)  # fmt: skip
def test_an_image_that_lies_askew_is_refused(turn: rasterio.Affine) -> None:
    with pytest.raises(CropImageError, match="gdalwarp") as raised:
        decode_image(geotiff(GREY, crs=MOON, transform=NORTH_UP * turn))
    assert raised.value.code == "rotated"


def test_axes_without_a_reference_system_or_hardly_turned_stay() -> None:
    for options in ({"transform": NORTH_UP * rasterio.Affine.rotation(25)},
                    {"transform": NORTH_UP * rasterio.Affine.rotation(0.1), "crs": MOON}):  # fmt: skip  # noqa: E501
        decoded = decode_image(geotiff(GREY, **options))
        np.testing.assert_array_equal(decoded.values, GREY)
        assert not decoded.warnings


@pytest.mark.parametrize(
    ("crs", "transform", "stretch"),
    [
        (MOON, NORTH_UP, None),
        (MOON, rasterio.Affine(200, 0, 1000, 0, -100, 2000), "2"),
        (MOON, rasterio.Affine(100, 0, 1000, 0, -100, 60 * 30323.35), "0.5"),
        (MOON, rasterio.Affine(100, 0, 1000, 0, 100, -60 * 30323.35), "0.5"),
        ("+proj=eqc +lat_ts=60 +R=1737400", rasterio.Affine(100, 0, 0, 0, -100, 1819401), None),
        ("IAU_2015:30100", rasterio.Affine(0.01, 0, 20, 0, -0.01, 60), "0.5"),
        ("IAU_2015:30100", rasterio.Affine(0.02, 0, 20, 0, -0.01, 60), None),
        ("IAU_2015:30130", rasterio.Affine(100, 0, 1000, 0, -100, 2e5), None),
    ],
)
def test_pixels_that_are_not_square_on_the_ground(crs, transform, stretch: str | None) -> None:
    """The ground along a parallel shrinks with the cosine of the latitude."""
    wkt = rasterio.CRS.from_user_input(crs)
    decoded = decode_image(geotiff(GREY, crs=wkt, transform=transform))
    found = [w.message for w in decoded.warnings if w.code == "stretched"]
    assert len(found) == (stretch is not None)
    if stretch is not None:
        assert f"are {stretch} times as wide" in found[0]


def test_grey_and_alpha_in_turn() -> None:
    alpha = np.where(CORNER, 0, 255).astype(np.uint8)
    check(decode_image(geotiff(GREY, alpha, alpha="yes", interleave="pixel")))
    with pytest.raises(CropImageError, match="INTERLEAVE=PIXEL"):
        decode_image(geotiff(GREY, alpha, alpha="yes", interleave="band"))


@pytest.mark.parametrize("kind", ["PNG", "palette", "NPY"])
def test_colours_that_stand_for_elevation(kind: str) -> None:
    blue_to_red = np.array([[0, 0, 200], [0, 200, 200], [200, 200, 0], [200, 0, 0]], np.uint8)
    level = np.arange(400).reshape(20, 20) % 4
    codes = {False: np.repeat(60 * level[..., None], 3, axis=2), True: blue_to_red[level]}
    for coded, colours in codes.items():
        image = Image.fromarray(colours.astype(np.uint8))
        data = encoded(colours.astype(np.float32), "NPY") if kind == "NPY" else io.BytesIO()
        if isinstance(data, io.BytesIO):
            (image.quantize(4) if kind == "palette" else image).save(data, "PNG")
            data = data.getvalue()
        found = [warning.code for warning in decode_image(data).warnings]
        assert found == ["colour_code"] * coded
