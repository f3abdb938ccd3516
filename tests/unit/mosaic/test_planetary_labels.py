"""Labels of PDS3, PDS4 and ISIS are read as the maps they describe: small files of known truth."""

import numpy as np
import pytest
from raster_files import METRES, brightness, pds3, scene, vrt, write

from lunar_models.errors import MosaicError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic


def as_bytes(path, **reading):
    mosaic = Mosaic.open(path, **reading)
    out = np.empty((mosaic.height, mosaic.width), np.uint8)
    with mosaic.reader(fit_radiometry((mosaic,))) as reader:
        reader.read(0, 0, out)
    return out


@pytest.mark.parametrize("dtype", ["<i2", ">i2"])
def test_pds3_label(tmp_path, dtype):
    values = scene().astype(dtype)
    values[4, :4] = [-20000, -21000, -5, -7]
    extra = (
        "SCALING_FACTOR = 0.5\n OFFSET = 3.0\n INVALID_TYPE = (SATURATION, MINUS)\n "
        "INVALID_VALUE = (-20000, -21000)\n MISSING_CONSTANT = -5\n CORE_HIGH_REPR_SATURATION = -7"
    )
    path = pds3(tmp_path, values, extra)
    read = brightness(path)
    assert np.isposinf(read[4, [0, 3]]).all()
    assert np.isnan(read[4, [1, 2]]).all()
    rest = np.delete(read, 4, axis=0)
    np.testing.assert_allclose(rest, np.delete(values, 4, axis=0) * 0.5 + 3.0)
    with pytest.raises(MosaicError, match=r"give the label instead: .*moon\.lbl"):
        Mosaic.open(tmp_path / "moon.img")


def test_pds3_map_that_lies_elsewhere_than_its_label_says(tmp_path):
    edges = "\n MAXIMUM_LATITUDE = {}\n MINIMUM_LATITUDE = {}\n WESTERNMOST_LONGITUDE = {}\n "
    edges += "EASTERNMOST_LONGITUDE = {}\nEND_OBJECT = IMAGE_MAP_PROJECTION"
    path = pds3(tmp_path, scene().astype("<i2"))
    label = path.read_text().replace("\n", "\r\n")

    def say(*numbers, more=""):
        text = edges.format(*numbers).replace("END_OBJECT", more + "END_OBJECT")
        path.write_text(label.replace("\r\nEND_OBJECT = IMAGE_MAP_PROJECTION", text))
        return Mosaic.open(path)

    assert say(3, -3, 16, 24).projection.lon0 == pytest.approx(np.radians(20))
    with pytest.raises(MosaicError, match=r"longitude 20\.000.*edges say 196 to 204.*-a_ullr"):
        say(3, -3, 196, 204)
    with pytest.raises(MosaicError, match="edges say"):
        say(9, 3, 16, 24)
    with pytest.raises(MosaicError, match="rotated pixels"):
        say(3, -3, 16, 24, more="MAP_PROJECTION_ROTATION = 90\n")


@pytest.mark.parametrize("west", [False, True])
def test_isis_positive_west_longitudes(tmp_path, west):
    crs = "+proj=eqc +lon_0=20 +R=1737400 +units=m +no_defs"
    path = write(tmp_path / "m.cub", scene(), driver="ISIS3", crs=crs, transform=METRES)
    label = path.read_bytes()
    if west:  # 20 deg W
        path.write_bytes(label.replace(b"PositiveEast", b"PositiveWest"))
    mosaic = Mosaic.open(path)
    assert np.degrees(mosaic.projection.lon0) == pytest.approx(-20 if west else 20)
    if west:
        moon = vrt(tmp_path / "m.vrt", [path], nodata=0)
        with pytest.raises(MosaicError, match="counted westward"):
            Mosaic.open(moon)


def test_what_an_isis_label_says_and_gdal_ignores(tmp_path):
    """A map turned in its Mapping group, and a band in metres."""
    crs = "+proj=eqc +lon_0=20 +R=1737400 +units=m +no_defs"
    path = write(tmp_path / "m.cub", scene(), driver="ISIS3", crs=crs, transform=METRES)
    label = path.read_bytes()

    def with_line(after: bytes, line: bytes):
        begin, end = label.split(after, 1)
        line = b"\n    " + line
        return path.write_bytes(begin + after + line + end.replace(b"\0" * len(line), b"", 1))

    with_line(b"Group = Mapping", b"Rotation = 0.0")
    np.testing.assert_array_equal(brightness(path), scene())
    with_line(b"Group = Mapping", b"Rotation = 30.0 <degrees>")
    with pytest.raises(MosaicError, match=r"turned by 30 deg.*map2map"):
        Mosaic.open(path)
    with pytest.raises(MosaicError, match="a rotated map"):
        Mosaic.open(vrt(tmp_path / "m.vrt", [path], nodata=0))
    for unit, refused in ((b"DN", False), (b"meters", True)):
        with_line(b"End_Group", b"Group = BandBin\n    Units = " + unit + b"\n  End_Group")
        if refused:
            with pytest.raises(MosaicError, match="heights, not brightness"):
                Mosaic.open(path)
        else:
            np.testing.assert_array_equal(brightness(path), scene())


@pytest.mark.parametrize("west", [False, True])
def test_pds4_label(tmp_path, west):
    crs = "+proj=eqc +lon_0=20 +R=1737400 +units=m +no_defs"
    values = scene().astype(np.int16)
    path = write(tmp_path / "m.xml", values, driver="PDS4", crs=crs, nodata=30, transform=METRES)
    text = path.read_text().replace(
        "</data_type>",
        "</data_type><scaling_factor>0.5</scaling_factor><value_offset>1.0</value_offset>",
    )
    constant = "<Special_Constants><high_instrument_saturation>40</high_instrument_saturation>"
    text = text.replace("<Special_Constants>", constant)
    if west:
        text = text.replace("Positive East", "Positive West")
    path.write_text(text)
    assert np.degrees(Mosaic.open(path).projection.lon0) == pytest.approx(-20 if west else 20)
    read = brightness(path)
    np.testing.assert_array_equal(np.isnan(read), values == 30)
    np.testing.assert_array_equal(np.isposinf(read), values == 40)
    kept = np.isfinite(read)
    np.testing.assert_allclose(read[kept], values[kept] * 0.5 + 1.0)


@pytest.mark.parametrize(("direction", "centre"), [("EAST", 20), ("WEST", 340), ("WEST", -20)])
def test_pds3_positive_west_longitudes(tmp_path, direction, centre):
    """20 deg E is 340 deg W; the image itself has east on the right either way."""
    path = pds3(tmp_path, scene().astype("<i2"), direction=direction, centre=centre)
    projection = Mosaic.open(path).projection
    longitude, latitude = projection.to_degrees(column_px=[39.5, 49.5], row_px=[29.5, 29.5])
    np.testing.assert_allclose(longitude, [20.0, 21.0], atol=1e-3)
    np.testing.assert_allclose(latitude, 0.0, atol=1e-3)
