"""Files from the field: what has no data is marked, what is turned is set upright."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from crop_images import CORNER, GREY, check, encoded, geotiff, png
from PIL import Image
from rasterio.io import MemoryFile

from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import CropImageError
from serving.model.crop_input import decode_base64
from serving.model.crop_units import to_crop_units
from serving.model.images import decode_image


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("beneath", [0, 255])
def test_transparent_pixels_have_no_data(mode: str, beneath: int) -> None:
    grey = Image.fromarray(np.where(CORNER, beneath, GREY).astype(np.uint8))
    alpha = Image.fromarray(np.where(CORNER, 0, 255).astype(np.uint8))
    check(decode_image(png(Image.merge(mode, [*[grey] * (len(mode) - 1), alpha]))))


def test_alpha_of_an_npy_and_of_a_tiff() -> None:
    alpha = np.where(CORNER, 0, 255).astype(np.uint8)
    check(decode_image(encoded(np.stack([GREY, GREY, GREY, alpha], -1), "NPY")))
    rgba = geotiff(GREY, GREY, GREY, alpha, photometric="RGB", alpha="NON-PREMULTIPLIED")
    check(decode_image(rgba))


def test_the_transparent_colour_of_a_palette_and_of_grey() -> None:
    grey = Image.fromarray(np.where(CORNER, 7, GREY).astype(np.uint8))
    check(decode_image(png(grey, transparency=7)))
    palette = Image.fromarray(np.asarray(grey), "P")
    palette.putpalette([v for v in range(256) for _ in range(3)])
    check(decode_image(png(palette, transparency=7)))


@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [("float32", np.nan), ("float32", -9999.0), ("float32", -3.4028226550889045e38),
     ("uint8", 255), ("uint8", 0), ("uint16", 65535), ("int16", -32768)],
)  # fmt: skip
def test_the_nodata_tag_of_a_tiff(dtype: str, nodata: float) -> None:
    values = GREY.astype(dtype)
    values[CORNER] = np.float32(nodata) if dtype == "float32" else nodata
    decoded = decode_image(geotiff(values, nodata=nodata))
    assert decoded.dtype == dtype
    check(decoded)


def test_the_nodata_tag_counts_before_grey_is_turned() -> None:
    stored = np.where(CORNER, 0, 255 - GREY).astype(np.uint8)
    check(decode_image(geotiff(stored, nodata=0, photometric="MINISWHITE")))
    with pytest.raises(CropImageError, match="WhiteIsZero"):
        decode_image(geotiff(-GREY.astype(np.float32), photometric="MINISWHITE"))


def test_the_nodata_tag_of_a_palette_is_an_entry() -> None:
    with MemoryFile() as memory:
        profile = {"photometric": "palette", "nodata": 3}
        with memory.open(
            driver="GTiff", height=24, width=20, count=1, dtype="uint8", **profile
        ) as data:
            data.write(np.where(CORNER, 3, 255 - np.maximum(GREY, 4)).astype(np.uint8), 1)
            data.write_colormap(1, {n: (255 - n,) * 3 + (255,) for n in range(256)})
        check(decode_image(bytes(memory.read())), np.maximum(GREY, 4).astype(float))


@pytest.mark.parametrize("nodata", [0, 300])
def test_the_nodata_tag_of_16_bit_colours(nodata: int) -> None:
    deep = GREY.astype(np.uint16) * 256 + 44
    bands = [np.where(CORNER, nodata, deep)] * 3
    check(decode_image(geotiff(*bands, photometric="RGB", nodata=nodata)), deep)


def test_a_mask_inside_a_tiff_is_refused() -> None:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), MemoryFile() as memory:
        with memory.open(driver="GTiff", height=24, width=20, count=1, dtype="uint8") as data:
            data.write(GREY, 1)
            data.write_mask(~CORNER)
        with pytest.raises(CropImageError, match="alpha band"):
            decode_image(bytes(memory.read()))


@pytest.mark.parametrize(
    ("dtype", "options"), [("int8", {}), ("uint32", {}), ("uint16", {"NBITS": 12})]
)
def test_pixel_types_that_would_be_misread_are_refused(dtype: str, options: dict) -> None:
    with pytest.raises(CropImageError, match="bits") as raised:
        decode_image(geotiff(GREY.astype(dtype), **options))
    assert raised.value.code == "bad_dtype"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(kind: str, orientation: int) -> None:
    """An image stored turned is decoded as it was before."""
    back = {1: (), 2: (0,), 3: (3,), 4: (1,), 5: (5,), 6: (2,), 7: (6,), 8: (4,)}[orientation]
    smooth = np.kron(GREY[:6, :5], np.ones((8, 8), np.uint8))  # blocks survive JPEG
    stored = Image.fromarray(smooth)
    for method in back:
        stored = stored.transpose(Image.Transpose(method))
    exif = Image.Exif()
    exif[274] = orientation
    stream = io.BytesIO()
    stored.save(stream, kind, exif=exif, **({"quality": 100} if kind == "JPEG" else {}))
    decoded = decode_image(stream.getvalue())
    np.testing.assert_allclose(decoded.values, smooth, atol=3)
    assert [w.code for w in decoded.warnings] == (["turned"] if orientation > 1 else [])


def scaled_tiff(bands: int = 1, scales: tuple = (1e-4,), offsets: tuple = (0.1,)) -> bytes:
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff",
            height=24,
            width=20,
            count=bands,
            dtype="uint16",
            nodata=50,
            **({"photometric": "RGB"} if bands == 3 else {}),
        ) as data:
            data.write(np.stack([np.where(CORNER, 50, GREY)] * bands).astype(np.uint16))
            data.scales, data.offsets = scales, offsets
        return bytes(memory.read())  # fmt: skip


def test_gdal_scale_and_offset_give_brightness() -> None:
    """A window of a mosaic whose brightness is scaled is read as preprocess reads it."""
    decoded = decode_image(scaled_tiff())
    truth = np.where(CORNER | (GREY == 50), np.nan, GREY * 1e-4 + 0.1)
    np.testing.assert_allclose(decoded.values, truth, rtol=1e-6)
    own = Radiometry("float32", 0.1, 0.12)  # as `fit_radiometry` has it of such mosaics
    found, warnings = to_crop_units(decoded, own)
    np.testing.assert_allclose(found, (truth - 0.1) / 0.02 * 255.0, rtol=1e-4)
    assert not warnings
    found, _ = to_crop_units(decoded, Radiometry("uint8", 0.0, 255.0))
    np.testing.assert_allclose(found, truth * 255.0, rtol=1e-5)
    colours = decode_image(scaled_tiff(3, (1e-4,) * 3, (0.1,) * 3))
    np.testing.assert_allclose(colours.values, truth, rtol=1e-5)


@pytest.mark.parametrize(
    ("dtype", "scale", "offset"),
    [("uint8", -1.0, 255.0), ("uint16", 1e-5, 0.0), ("int16", 1e-3, 0.5)],
)
@pytest.mark.parametrize("source", ["uint8", "uint16", "int16"])
def test_scaled_numbers_of_any_type_are_brightness(
    dtype: str, scale: float, offset: float, source: str
) -> None:
    """A mosaic of plain integers tells nothing of what has a scale."""
    stored = GREY.astype(dtype)
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=24, width=20, count=1, dtype=dtype
        ) as data:  # fmt: skip
            data.write(stored, 1)
            data.scales, data.offsets = (scale,), (offset,)
        decoded = decode_image(bytes(memory.read()))
    truth = stored * scale + offset
    np.testing.assert_allclose(decoded.values, truth, rtol=1e-6)
    radiometry = Radiometry() if source == "uint8" else Radiometry(source, 20.0, 9000.0)
    found, warnings = to_crop_units(decoded, radiometry)
    np.testing.assert_allclose(found, truth * (255.0 if truth.max() <= 1 else 1.0), rtol=1e-5)
    assert not warnings


def placed(a: float, e: float, crs: str | None = "+proj=eqc +R=1737400 +units=m") -> bytes:
    return geotiff(GREY, crs=crs, transform=rasterio.Affine(a, 0, 1000, 0, e, 2000))


@pytest.mark.parametrize(
    ("a", "e", "truth"),
    [
        (100, -100, GREY),
        (100, 100, GREY[::-1]),
        (-100, -100, GREY[:, ::-1]),
        (-100, 100, GREY[::-1, ::-1]),
    ],
)
def test_a_geotiff_comes_north_up(a: float, e: float, truth: np.ndarray) -> None:
    decoded = decode_image(placed(a, e))
    np.testing.assert_array_equal(decoded.values, truth)
    assert [w.code for w in decoded.warnings] == ([] if truth is GREY else ["turned"])


def test_coordinates_of_pixels_are_no_geotransform() -> None:
    decoded = decode_image(placed(1, 1, crs=None))
    np.testing.assert_array_equal(decoded.values, GREY)
    assert decoded.warnings == ()


@pytest.mark.parametrize(("most", "warned"), [(4095, True), (8000, True), (9000, False)])
@pytest.mark.parametrize("kind", ["NPY", "PNG", "TIFF"])
def test_16_bits_hardly_used_are_warned_of(most: int, warned: bool, kind: str) -> None:
    deep = np.linspace(0, most, 400).reshape(20, 20).astype(np.uint16)
    decoded = decode_image(encoded(deep, kind))
    _, warnings = to_crop_units(decoded, Radiometry())
    assert [w.code for w in warnings] == (["little_range"] if warned else [])
    _, warnings = to_crop_units(decoded, Radiometry("uint16", 0.0, 5000.0))
    assert not warnings


@pytest.mark.parametrize(
    ("bands", "scales", "offsets"),
    [(1, (0.0,), (0.1,)), (1, (np.inf,), (0.1,)), (3, (1e-4, 2e-4, 1e-4), (0.1,) * 3)],
)
def test_scales_that_cannot_be_meant_are_refused(bands: int, scales: tuple, offsets: tuple) -> None:
    with pytest.raises(CropImageError, match="scale or offset") as raised:
        decode_image(scaled_tiff(bands, scales, offsets))
    assert raised.value.code == "bad_dtype"


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("kind", [1, 3, 4, 8, 9])
@pytest.mark.parametrize("orientation", [0, 1, 3, 6, 77])
def test_an_orientation_of_another_type(
    tmp_path: Path, orientation: int, kind: int, deep: bool
) -> None:
    """libtiff takes a BYTE or LONG as it takes a SHORT, and numbers beyond 8 for none."""
    values = GREY.astype(np.uint16) * 256 + 44 if deep else GREY
    bands, options = ([values] * 3, {"photometric": "RGB"}) if deep else ([values], {})
    (tmp_path / "t.tif").write_bytes(geotiff(*bands, **options))
    name = 284 if deep else 277
    stored = bytearray((tmp_path / "t.tif").read_bytes())
    place = stored.index(struct.pack("<HHIH", name, 3, 1, 1))
    value = struct.pack({1: "<B", 3: "<H", 4: "<I", 8: "<h", 9: "<i"}[kind], orientation)
    struct.pack_into("<HHI4s", stored, place, 274, kind, 1, value)
    decoded = decode_image(bytes(stored))
    upright = {3: values[::-1, ::-1], 6: np.rot90(values, -1)}.get(orientation, values)
    np.testing.assert_allclose(decoded.values, upright, rtol=1e-6)
    assert [w.code for w in decoded.warnings] == (["turned"] if orientation in (3, 6) else [])


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_of_several_pages_the_first_is_used(kind: str) -> None:
    stream = io.BytesIO()
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    first.save(stream, kind, save_all=True, append_images=[second])
    decoded = decode_image(stream.getvalue())
    np.testing.assert_array_equal(decoded.values, GREY)
    assert [w.code for w in decoded.warnings] == ["several_pages"]


def test_overviews_are_no_pages() -> None:
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", height=24, width=20, count=1, dtype="uint8") as data:
            data.write(GREY, 1)
            data.build_overviews([2])
        assert decode_image(bytes(memory.read())).warnings == ()


def test_base64_as_people_send_it() -> None:
    data = bytes(range(256)) * 3
    plain = base64.b64encode(data).decode()
    url_safe = base64.urlsafe_b64encode(data).decode()
    for text in (
        plain,
        base64.encodebytes(data).decode(),
        plain.replace("\n", "\r\n"),
        url_safe,
        url_safe.rstrip("="),
        f"data:image/png;base64,{plain}",
        f"data:image/png;name=a.png;base64,{plain}",
        f"DATA:IMAGE/PNG;BASE64,{plain}",
        f"\ufeffdata:image/png;base64,{plain}",
        f"\ufeff{plain}",
    ):
        assert decode_base64(text) == data


def test_a_tiff_that_does_not_hold_the_whole_image_is_refused() -> None:
    """Missing blocks would be read from the header; a thumbnail would be taken for the image."""
    sparse = {"sparse_ok": True, "tiled": True, "blockxsize": 16, "blockysize": 16}
    with pytest.raises(CropImageError, match="lacks blocks"):
        decode_image(geotiff(np.where(np.arange(20) < 16, GREY, 0).astype(np.uint8), **sparse))
    stream = io.BytesIO()
    small = Image.fromarray(GREY[:8, :8])
    small.save(
        stream, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)], tiffinfo={254: 1}
    )
    with pytest.raises(CropImageError, match="thumbnail"):
        decode_image(stream.getvalue())


def test_a_fourth_band_of_unknown_meaning_is_refused() -> None:
    with pytest.raises(CropImageError, match="further band"):
        decode_image(geotiff(GREY, GREY, GREY, GREY // 2, photometric="RGB", alpha="no"))


@pytest.mark.parametrize("entries", [256, 50])
def test_pixels_beyond_the_end_of_a_palette_are_refused(entries: int) -> None:
    stored = png(Image.fromarray(GREY))
    palette = b"PLTE" + bytes(n for n in range(entries) for _ in range(3))
    chunk = struct.pack(">I", 3 * entries) + palette + struct.pack(">I", zlib.crc32(palette))
    header = b"IHDR" + stored[16:25] + b"\x03" + stored[26:29]
    image = stored[:12] + header + struct.pack(">I", zlib.crc32(header)) + chunk + stored[33:]
    if entries == 256:
        np.testing.assert_allclose(decode_image(image).values, GREY, rtol=1e-5)
    else:
        with pytest.raises(CropImageError, match="end of its palette"):
            decode_image(image)


def test_cielab_has_no_single_grey() -> None:
    with pytest.raises(CropImageError, match="CIELAB"):
        decode_image(geotiff(GREY, GREY, GREY, photometric="CIELAB"))
