"""What GDAL would misread without a word is read right, or refused: small files of known truth."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from planted_moon import GEOGRAPHIC
from raster_files import LOCAL, SHAPE, brightness, orient, pds3, scene, vrt, write
from rasterio import Affine
from rasterio.enums import ColorInterp

from lunar_models.errors import MosaicError
from lunar_models.mosaic.description import describe_mosaic
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic

EQUIRECTANGULAR = "IAU_2015:30110"
HOLE = np.zeros(SHAPE, bool)
HOLE[10:20, 30:40] = True


def opaque(*, where):
    return np.where(where, 0, 255).astype(np.uint8)


def test_complex_integers_and_opacity_are_no_brightness(tmp_path):
    path = write(tmp_path / "c.tif", scene().astype(np.complex64), dtype="complex_int16")
    with pytest.raises(MosaicError, match="complex_int16 values"):
        Mosaic.open(path)
    path = write(tmp_path / "a.tif", np.stack([scene(), opaque(where=HOLE)]), alpha="yes")
    with pytest.raises(MosaicError, match="band=2 is opacity"):
        Mosaic.open(path, band=2)


@pytest.mark.parametrize("kind", [ColorInterp.undefined, ColorInterp.red])
def test_a_band_beside_red_green_and_blue_is_a_question(tmp_path, kind):
    bands = np.stack([*[scene()] * 3, opaque(where=HOLE)])
    path = write(tmp_path / "m.tif", bands, photometric="RGB")
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, kind]
    with pytest.raises(MosaicError, match=r"4 bands.*-colorinterp_4 alpha.*-b 1 -b 2 -b 3"):
        Mosaic.open(path)
    np.testing.assert_array_equal(brightness(path, band=1), scene())


@pytest.mark.parametrize("scale", [0.0, np.nan])
def test_a_scale_that_makes_nothing_of_it(tmp_path, scale):
    with pytest.raises(MosaicError, match="no brightness can be computed"):
        Mosaic.open(write(tmp_path / "m.tif", scene(), scales=(scale,)))


@pytest.mark.parametrize("value", [3.4028235e38, -1e32, 1e31])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_huge_floats_are_no_data_undeclared(tmp_path, dtype, value):
    values = np.where(HOLE, value, scene()).astype(dtype)
    np.testing.assert_array_equal(np.isnan(brightness(write(tmp_path / "m.tif", values))), HOLE)


@pytest.mark.parametrize("other", ["mask", "nodata", "float"])
def test_opacity_counts_beside_other_marks_of_no_data(tmp_path, other):
    """GDAL's own mask of such a file is one of the two marks only."""
    left, right = HOLE.copy(), HOLE.copy()
    left[:, 35:], right[:, :35] = False, False
    bands = np.stack([scene(), opaque(where=right)])
    if other == "float":
        left[:] = False
        bands = bands.astype(np.float32)
    if other == "nodata":
        bands[0][left] = 0
    path = tmp_path / "m.tif"
    write(path, bands, alpha="yes", nodata=0 if other == "nodata" else None)
    if other == "mask":
        with rasterio.open(path, "r+") as target:
            target.write_mask(~left)
    np.testing.assert_array_equal(np.isnan(brightness(path)), left | right)
    thin = Mosaic.open(path).thin(SHAPE)
    np.testing.assert_array_equal(np.isnan(thin), left | right)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_min_is_white_of_signed_values_is_a_question(tmp_path, dtype):
    path = write(tmp_path / "m.tif", scene().astype(dtype), photometric="MINISWHITE")
    with pytest.raises(MosaicError, match="MinIsWhite"):
        Mosaic.open(path)


def test_pixels_that_are_not_in_the_file(tmp_path):
    """GDAL reads zeros past the end of an ENVI image, and for blocks of a sparse GeoTIFF."""
    path = write(tmp_path / "m.img", scene(), driver="ENVI")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(MosaicError, match="3000 bytes of at least 4800"):
        Mosaic.open(path)
    layout = {"sparse_ok": True, "tiled": True, "blockxsize": 16, "blockysize": 16}
    values = np.where(np.arange(SHAPE[1]) < 32, scene(), 0).astype(np.uint8)
    with pytest.raises(MosaicError, match=r"lacks blocks.*-a_nodata 0"):
        Mosaic.open(write(tmp_path / "m.tif", values, **layout))
    read = brightness(write(tmp_path / "m.tif", values, nodata=0, **layout))
    np.testing.assert_array_equal(np.isnan(read), values == 0)


@pytest.mark.parametrize(("dtype", "mark"), [("int16", -32768), ("uint16", 65535), ("float32", -9)])
def test_an_undeclared_mark_of_no_data_is_told(tmp_path, dtype, mark):
    values = scene(100, 104).astype(dtype)
    values[HOLE] = mark
    path = write(tmp_path / "m.tif", values)
    with pytest.raises(MosaicError, match=rf"is exactly {mark:g}, far .*-a_nodata {mark:g} \("):
        fit_radiometry((Mosaic.open(path),))
    with pytest.raises(MosaicError, match="undeclared mark"):
        fit_radiometry((Mosaic.open(path, shade="90,60,m"),))
    declared = Mosaic.open(write(tmp_path / "m.tif", values, nodata=mark))
    assert fit_radiometry((declared,)).low == 100.0


def test_losses_beside_pixels_without_data_are_told(tmp_path):
    values = np.where(HOLE, 0, 200).astype(np.uint8)
    for name, compression in (("j.tif", "JPEG"), ("d.tif", "DEFLATE")):
        path = write(tmp_path / name, values, nodata=0, compress=compression)
        warnings = describe_mosaic(Mosaic.open(path)).warnings
        assert any("with losses" in text for text in warnings) == (compression == "JPEG")


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_a_turned_photograph_is_a_question(tmp_path, orientation):
    """Detectors count the pixels of the picture as it is shown, GDAL as it is stored."""
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(scene()).save(tmp_path / "m.jpg", quality=100, exif=exif)
    if orientation == 1:
        assert Mosaic.open(tmp_path / "m.jpg", picture=0).width == SHAPE[1]
    else:
        with pytest.raises(MosaicError, match="EXIF orientation"):
            Mosaic.open(tmp_path / "m.jpg", picture=0)


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("bigtiff", ["NO", "YES"])
@pytest.mark.parametrize("kind", [1, 3, 4, 8, 9])
def test_a_turned_tiff_is_a_question(tmp_path, orientation, bigtiff, kind):
    path = write(tmp_path / "m.tif", scene(), bigtiff=bigtiff)
    orient(path, orientation, bigtiff=bigtiff == "YES", kind=kind)
    if orientation == 1:
        np.testing.assert_array_equal(brightness(path), scene())
        assert Mosaic.open(vrt(tmp_path / "m.vrt", [path])).height == SHAPE[0]
    else:
        with pytest.raises(MosaicError, match="that of TIFF"):
            Mosaic.open(path)
        with pytest.raises(MosaicError, match="turns or mirrors it"):
            Mosaic.open(vrt(tmp_path / "m.vrt", [path]))


def test_cielab_is_no_grey(tmp_path):
    path = write(tmp_path / "m.tif", np.stack([scene()] * 3), photometric="CIELAB")
    with pytest.raises(MosaicError, match="CIELAB"):
        Mosaic.open(path)


@pytest.mark.parametrize("entries", [240, 100])
def test_values_beyond_the_end_of_a_palette(tmp_path, entries):
    """A nodata value may lie beyond; pixels with data may not."""
    path = write(tmp_path / "m.png", scene(), driver="PNG")
    stored = Path(path).read_bytes()
    palette = b"PLTE" + bytes(255 - n for n in range(entries) for _ in range(3))
    chunk = struct.pack(">I", 3 * entries) + palette + struct.pack(">I", zlib.crc32(palette))
    header = b"IHDR" + stored[16:25] + b"\x03" + stored[26:29]
    start = stored[:12] + header + struct.pack(">I", zlib.crc32(header))
    Path(path).write_bytes(start + chunk + stored[33:])
    if entries == 240:
        np.testing.assert_allclose(brightness(path), 255.0 - scene())
    else:
        with pytest.raises(MosaicError, match="value 239, but its palette has only 100 entries"):
            brightness(path)


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("LSB_INTEGER", 32), ("MSB_UNSIGNED_INTEGER", 32), ("VAX_REAL", 32), ("UNSIGNED_INTEGER", 16),
     ("PC_UNSIGNED_INTEGER", 16), ("MSB_BIT_STRING", 8)],
)  # fmt: skip
def test_pds3_types_that_gdal_misreads_are_refused(tmp_path, kind, bits):
    values = scene().astype({8: "u1", 16: "<u2", 32: "<u4"}[bits])
    path = pds3(tmp_path, values)
    text = path.read_text().replace("LSB_INTEGER", kind)
    path.write_text(text.replace("SAMPLE_BITS = 16", f"SAMPLE_BITS = {bits}"))
    with pytest.raises(MosaicError, match=rf"type {kind}, {bits} bits.*pds2isis"):
        Mosaic.open(path)


def test_pds3_constants_in_hexadecimal_have_a_sign(tmp_path):
    """GDAL takes 16#8000# for 16."""
    values = np.where(HOLE, -32768, scene(low=10).astype(int)).astype("<i2")
    assert (values == 16).any()
    path = pds3(tmp_path, values, extra="MISSING_CONSTANT = 16#8000#")
    np.testing.assert_array_equal(np.isnan(brightness(path)), HOLE)


def test_pds3_flags_above_the_bits_in_use(tmp_path):
    values = np.where(HOLE, 0x8000, scene().astype(int)).astype("<u2")
    path = pds3(tmp_path, values, extra="SAMPLE_BIT_MASK = 2#0000111111111111#")
    path.write_text(path.read_text().replace("LSB_INTEGER", "LSB_UNSIGNED_INTEGER"))
    np.testing.assert_array_equal(np.isnan(brightness(path)), HOLE)
    path.write_text(path.read_text().replace("2#0000111111111111#", "2#1111111111110000#"))
    with pytest.raises(MosaicError, match="in some bits only"):
        Mosaic.open(path)


@pytest.mark.parametrize("system", ["PLANETOGRAPHIC", "PLANETOCENTRIC"])
def test_planetographic_latitudes_on_an_ellipsoid(tmp_path, system):
    """GDAL lays the map on a sphere either way, which is wrong for one of the two."""
    path = pds3(tmp_path, scene().astype("<i2"))
    text = path.read_text().replace("C_AXIS_RADIUS = 1737.4", "C_AXIS_RADIUS = 1735.3")
    path.write_text(text.replace("CENTER_LAT", f'COORDINATE_SYSTEM_NAME = "{system}"\n CENTER_LAT'))
    if system == "PLANETOCENTRIC":
        assert Mosaic.open(path).projection.lon0 == pytest.approx(np.radians(20))
    else:
        with pytest.raises(MosaicError, match=r"planetographic.*1737.4 by 1735.3.*Planetocentric"):
            Mosaic.open(path)


def test_degrees_for_metres_and_metres_for_degrees(tmp_path):
    path = write(tmp_path / "m.tif", scene(), crs=None)
    assert Mosaic.open(path, crs=GEOGRAPHIC)
    with pytest.raises(MosaicError, match=r"look like degrees.*crs=IAU_2015:30100"):
        Mosaic.open(path, crs=EQUIRECTANGULAR)
    metres = Affine(300, 0, 300_000, 0, -300, 150_000)
    path = write(tmp_path / "n.tif", scene(), crs=None, transform=metres)
    assert Mosaic.open(path, crs=EQUIRECTANGULAR)
    with pytest.raises(MosaicError, match=r"latitude 132000 to 150000.*crs=IAU_2015:30110"):
        Mosaic.open(path, crs=GEOGRAPHIC)


def test_alpha_may_be_any_band(tmp_path):
    path = write(tmp_path / "m.tif", np.stack([opaque(where=HOLE), scene()]), transform=LOCAL)
    moon = vrt(tmp_path / "m.vrt", [path])
    text = moon.read_text()
    band = text[text.index("<VRTRasterBand") : text.index("</VRTDataset>")]
    second = band.replace('band="1"', 'band="2"').replace("<SourceBand>1", "<SourceBand>2")
    alpha = band.replace('band="1">', 'band="1"><ColorInterp>Alpha</ColorInterp>')
    moon.write_text(text.replace(band, alpha + second))
    with rasterio.open(moon) as data:
        assert data.colorinterp[0] == ColorInterp.alpha
    np.testing.assert_array_equal(np.isnan(brightness(moon)), HOLE)
