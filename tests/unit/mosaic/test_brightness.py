"""The same scene stored in many ways is the same brightness: small files with a known truth."""

import numpy as np
import pytest
from raster_files import SHAPE, brightness, scene, vrt, write

from lunar_models.errors import MosaicError
from lunar_models.mosaic.metadata import ISIS_SATURATED, ISIS_VALID
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic

ISIS_SPECIAL = {  # NULL, LRS, LIS, HIS, HRS (ISIS SpecialPixel.h)
    "uint8": [0, 0, 0, 255, 255],
    "int16": [-32768, -32767, -32766, -32765, -32764],
    "uint16": [0, 1, 2, 65534, 65535],
    "float32": [0xFF7FFFFB, 0xFF7FFFFC, 0xFF7FFFFD, 0xFF7FFFFE, 0xFF7FFFFF],
}


def as_bytes(path, **reading):
    mosaic = Mosaic.open(path, **reading)
    out = np.empty((mosaic.height, mosaic.width), np.uint8)
    with mosaic.reader(fit_radiometry((mosaic,))) as reader:
        reader.read(0, 0, out)
    return out


def isis_values(dtype):
    special = ISIS_SPECIAL[dtype]
    return np.array(special, np.uint32).view("f4") if dtype == "float32" else special


@pytest.mark.parametrize("dtype", ISIS_SPECIAL)
@pytest.mark.parametrize("wrapped", [False, True])
def test_isis_special_pixels(tmp_path, dtype, wrapped):
    """NULL, LRS and LIS have no data; HIS and HRS are saturated; in a VRT of a cube too."""
    values = scene().astype(dtype)
    values[3, :5] = isis_values(dtype)
    path = write(tmp_path / "moon.cub", values, driver="ISIS3")
    if wrapped:
        path = vrt(tmp_path / "moon.vrt", [path], dtype=dtype, nodata=isis_values(dtype)[0])
    read = brightness(path)
    assert np.isnan(read[3, :3]).all()
    assert np.isposinf(read[3, 3:5]).all()
    rest = np.ones(SHAPE, bool)
    rest[3, :5] = False
    np.testing.assert_array_equal(read[rest], values[rest])
    shown = as_bytes(path)
    assert (shown[3, :5] == [0, 0, 0, 255, 255]).all()
    assert (shown[rest] > 0).all()


def test_isis_special_pixels_after_conversion(tmp_path):
    """gdal_translate keeps the numbers and forgets all but NULL."""
    for dtype, nodata in (("float32", None), ("float32", -1.0), ("int16", -32768)):
        values = scene().astype(dtype)
        values[3, :5] = isis_values(dtype)
        read = brightness(write(tmp_path / f"{dtype}{nodata}.tif", values, nodata=nodata))
        assert not np.isfinite(read[3, :5]).any()
        assert np.isfinite(np.delete(read, 3, axis=0)).all()


def test_isis_tables_agree_with_the_special_pixels():
    for dtype in ISIS_SPECIAL:
        values = np.array(isis_values(dtype), np.float64)
        low, high = ISIS_VALID[dtype]
        assert ((values < low) | (values > high)).all()
        bright = (values >= ISIS_SATURATED[dtype][0]) & (values <= ISIS_SATURATED[dtype][1])
        assert bright.tolist() == [False, False, False, True, True]


def test_isis_base_and_multiplier(tmp_path):
    values = scene().astype(np.int16)
    path = write(tmp_path / "m.cub", values, driver="ISIS3")
    label = path.read_bytes().replace(b"Base       = 0.0", b"Base       = 7.0")
    path.write_bytes(label.replace(b"Multiplier = 1.0", b"Multiplier = 0.5"))
    np.testing.assert_allclose(brightness(path), values * 0.5 + 7.0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float64"])
def test_scale_and_offset(tmp_path, dtype):
    values = scene().astype(dtype)
    path = write(tmp_path / "m.tif", values, scales=(0.25,), offsets=(-3.0,), nodata=50)
    read = brightness(path)
    np.testing.assert_array_equal(np.isnan(read), values == 50)
    np.testing.assert_allclose(read[values != 50], values[values != 50] * 0.25 - 3.0)


def test_storage_does_not_change_the_bytes(tmp_path):
    """Float, scaled int16, and tiles of different scales give the same uint8."""
    light = scene().astype(np.float32) / 1000.0 + 0.05
    stored = np.rint((light - 0.05) / 1e-5).astype(np.int16)
    plain = as_bytes(write(tmp_path / "f.tif", light))
    scaled = as_bytes(write(tmp_path / "s.tif", stored, scales=(1e-5,), offsets=(0.05,)))
    assert np.abs(plain.astype(int) - scaled).max() <= 1
    tiles = [
        write(tmp_path / "a.tif", stored, scales=(1e-5,), offsets=(0.05,)),
        write(tmp_path / "b.tif", stored // 4, scales=(4e-5,), offsets=(0.05,)),
        write(tmp_path / "c.tif", light.astype(np.float64)),
    ]
    mosaics = tuple(Mosaic.open(tile) for tile in tiles)
    radiometry = fit_radiometry(mosaics)
    read = []
    for mosaic in mosaics:
        out = np.empty(SHAPE, np.uint8)
        with mosaic.reader(radiometry) as reader:
            reader.read(0, 0, out)
        read.append(out.astype(int))
    assert max(np.abs(read[0] - other).max() for other in read[1:]) <= 1


def test_tiles_that_cannot_be_compared(tmp_path):
    values = scene().astype(np.int16)
    raw = Mosaic.open(write(tmp_path / "raw.tif", values * 100))
    scaled = Mosaic.open(write(tmp_path / "scaled.tif", values, scales=(1e-3,)))
    with pytest.raises(MosaicError, match=r"scaled\.tif .*nothing in common.*-scale"):
        fit_radiometry((raw, scaled))
    byte = Mosaic.open(write(tmp_path / "byte.tif", scene()))
    with pytest.raises(MosaicError, match=r"different types.*-scale"):
        fit_radiometry((byte, raw))


@pytest.mark.parametrize(("times", "refused"), [(3.0, False), (1000.0, True), (0.001, True)])
def test_tiles_of_one_type_that_cannot_be_compared(tmp_path, times, refused):
    """Reflectance beside numbers that are none; darker ground is comparable."""
    values = scene(100, 240).astype(np.float32) / 1000.0
    one = Mosaic.open(write(tmp_path / "one.tif", values))
    other = Mosaic.open(write(tmp_path / "other.tif", values * times))
    if refused:
        with pytest.raises(MosaicError, match=r"other\.tif .*nothing in common.*-scale"):
            fit_radiometry((one, other))
    else:
        assert fit_radiometry((one, other)).high > 0.3


def test_tiles_of_different_bits_cannot_be_compared(tmp_path):
    byte = Mosaic.open(write(tmp_path / "byte.tif", scene()))
    nibble = Mosaic.open(write(tmp_path / "nibble.tif", scene(1, 16), nbits=4))
    with pytest.raises(MosaicError, match=r"4 and 8 bits.*-scale"):
        fit_radiometry((byte, nibble))
    assert fit_radiometry((nibble, nibble)).high <= 15.0


RGB_WEIGHTS = np.array([0.299, 0.587, 0.114])


def test_rgb_is_grey_by_the_weights_of_the_served_model(tmp_path):
    from serving.model.images import decode_image

    colours = np.stack([scene(), scene()[::-1], scene()[:, ::-1]])
    path = write(tmp_path / "rgb.tif", colours)
    read = brightness(path)
    np.testing.assert_allclose(read, np.tensordot(RGB_WEIGHTS, colours, 1))
    np.testing.assert_allclose(read, decode_image(path.read_bytes()).values, atol=1e-3)
    np.testing.assert_array_equal(as_bytes(path), np.rint(read).astype(np.uint8))
    assert (brightness(path, band=2) == colours[1]).all()


def test_rgb_nodata_counts_where_all_bands_have_it(tmp_path):
    colours = np.stack([scene()] * 3)
    colours[:, 5, 5] = 0
    colours[0, 6, 6] = 0  # blue-green, not without data
    read = brightness(write(tmp_path / "rgb.tif", colours, nodata=0))
    assert np.isnan(read[5, 5])
    assert np.isnan(read).sum() == 1


def test_bands_of_different_scale(tmp_path):
    colours = np.stack([scene()] * 3)
    path = write(tmp_path / "m.tif", colours, scales=(1.0, 2.0, 4.0), offsets=(0.0, 1.0, 2.0))
    expected = RGB_WEIGHTS @ np.array([[1, 0], [2, 1], [4, 2]]) @ np.array([100.0, 1.0])
    assert brightness(path)[colours[0] == 100] == pytest.approx(expected)


@pytest.mark.parametrize("bands", [1, 3])
def test_alpha_is_no_data(tmp_path, bands):
    alpha = np.full(SHAPE, 255, np.uint8)
    alpha[:10] = 0
    values = np.stack([scene()] * bands + [alpha])
    path = write(tmp_path / "a.tif", values, alpha="yes")
    assert (as_bytes(path)[:10] == 0).all()
    np.testing.assert_array_equal(as_bytes(path)[10:], scene()[10:])


def test_palette(tmp_path):
    """An inverted grey palette whose entry 9 is transparent."""
    values = scene(0, 256)
    write(tmp_path / "p.tif", values)
    path = vrt(tmp_path / "p.vrt", [tmp_path / "p.tif"])
    entries = (
        f'<Entry c1="{255 - n}" c2="{255 - n}" c3="{255 - n}" c4="{255 * (n != 9)}"/>'
        for n in range(256)
    )
    table = f"<ColorInterp>Palette</ColorInterp><ColorTable>{''.join(entries)}</ColorTable>"
    path.write_text(path.read_text().replace("<SimpleSource>", table + "<SimpleSource>", 1))
    read = brightness(path)
    np.testing.assert_array_equal(np.isnan(read), values == 9)
    np.testing.assert_allclose(read[values != 9], 255.0 - values[values != 9])


@pytest.mark.parametrize(("dtype", "top"), [("uint8", 255), ("uint16", 65535)])
def test_min_is_white(tmp_path, dtype, top):
    values = scene().astype(dtype)
    path = write(tmp_path / "m.tif", values, photometric="MINISWHITE", nodata=33)
    read = brightness(path)
    np.testing.assert_array_equal(np.isnan(read), values == 33)
    np.testing.assert_allclose(read[values != 33], top - values[values != 33].astype(float))


@pytest.mark.parametrize(
    ("dtype", "bits", "profile"),
    [
        ("uint16", 12, {}),
        ("uint16", 12, {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}),
        ("uint8", 4, {}),
        ("uint16", 16, {"ENDIANNESS": "BIG"}),
        ("int16", 16, {"ENDIANNESS": "BIG"}),
        ("float32", 32, {"ENDIANNESS": "BIG"}),
        ("float32", 32, {"BIGTIFF": "YES", "compress": "deflate", "predictor": 3}),
    ],
)
def test_bits_and_byte_order(tmp_path, dtype, bits, profile):
    top = min(2.0 ** min(bits, 15) - 1, 4095.0)
    values = (scene(0, 256) / 255.0 * top).astype(dtype)
    profile = {"NBITS": bits, **profile} if bits in (4, 12) else profile
    path = write(tmp_path / f"m.{'jp2' if 'driver' in profile else 'tif'}", values, **profile)
    np.testing.assert_array_equal(brightness(path), values)
    assert as_bytes(path).max() == 255  # not a sixteenth of it


def test_several_bands_are_a_question(tmp_path):
    values = np.stack([scene() // n for n in (1, 2, 3, 4, 5)])
    path = write(tmp_path / "m.tif", values, photometric="minisblack")
    with pytest.raises(MosaicError, match=r"5 bands, 1 \(gray\).*band=1"):
        Mosaic.open(path)
    assert (brightness(path, band=4) == values[3]).all()
    with pytest.raises(MosaicError, match="band=6 is not among them"):
        Mosaic.open(path, band=6)


def test_vrt_of_tiles_that_mean_other_numbers(tmp_path):
    values = scene()
    plain = write(tmp_path / "plain.tif", values)
    scaled = write(tmp_path / "scaled.tif", values, scales=(2.0,))
    inverted = write(tmp_path / "inverted.tif", values, photometric="MINISWHITE")
    empty = write(tmp_path / "empty.tif", values, nodata=77)
    both = brightness(vrt(tmp_path / "same.vrt", [scaled, scaled], scale=2.0))
    np.testing.assert_array_equal(both, np.hstack([values, values]) * 2.0)
    for bad, said in (
        (scaled, "scale 2"),
        (inverted, "MinIsWhite"),
        (empty, "nodata value 77, the VRT none"),
    ):
        mixed = vrt(tmp_path / "mixed.vrt", [plain, bad])
        with pytest.raises(MosaicError, match=rf"{bad.name} has .*{said}.*mosaic=A\.tif,B\.tif"):
            Mosaic.open(mixed)


def test_vrt_with_a_missing_tile(tmp_path):
    plain = write(tmp_path / "plain.tif", scene())
    for relative in (False, True):
        moon = vrt(tmp_path / "m.vrt", [plain, tmp_path / "gone.tif"], relative=relative)
        with pytest.raises(MosaicError, match=r"1 are missing, such as .*gone\.tif"):
            Mosaic.open(moon)
    (tmp_path / "bad.vrt").write_text("<VRTDataset")
    with pytest.raises(MosaicError, match="not a readable VRT"):
        Mosaic.open(tmp_path / "bad.vrt")
