import numpy as np
import pytest
import rasterio
from planted_moon import GEOGRAPHIC, global_transform, write_array
from rasterio import Affine

from lunar_models.cropping.single import extract_crop
from lunar_models.crops.crop_set import Radiometry
from lunar_models.errors import MosaicError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic

LOCAL = Affine(0.01, 0, 10, 0, -0.01, 5)


def noise(shape=(300, 400), low=1, high=250):
    return np.random.default_rng(0).integers(low, high, shape).astype(np.uint8)


def write(path, values, **profile):
    return write_array(path, values, crs=GEOGRAPHIC, transform=LOCAL, **profile)


def read_all(path, radiometry=None):
    mosaic = Mosaic.open(path)
    out = np.empty((mosaic.height, mosaic.width), np.uint8)
    with mosaic.reader(radiometry or Radiometry()) as reader:
        reader.read(0, 0, out)
    return out


def test_nodata_becomes_zero_and_valid_pixels_do_not(tmp_path):
    values = noise(low=0, high=256)
    read = read_all(write(tmp_path / "m.tif", values, nodata=200))
    np.testing.assert_array_equal(read == 0, values == 200)
    kept = (values != 200) & (values > 0)
    np.testing.assert_array_equal(read[kept], values[kept])


def test_without_nodata_zero_is_a_value(tmp_path):
    path = write(tmp_path / "m.tif", np.zeros((20, 20), np.uint8))
    assert not Mosaic.open(path).has_nodata
    assert (read_all(path) == 0).all()


def test_mask_band_counts_as_nodata(tmp_path):
    path = write(tmp_path / "m.tif", noise())
    with rasterio.open(path, "r+") as target:
        mask = np.full((300, 400), 255, np.uint8)
        mask[:, :100] = 0
        target.write_mask(mask)
    read = read_all(path)
    assert (read[:, :100] == 0).all()
    assert (read[:, 100:] > 0).all()


def test_nan_is_without_data(tmp_path):
    values = noise().astype(np.float32)
    values[5, 7] = np.nan
    path = write(tmp_path / "m.tif", values)
    read = read_all(path, fit_radiometry((Mosaic.open(path),)))
    assert read[5, 7] == 0
    assert (np.delete(read.ravel(), 5 * 400 + 7) > 0).all()


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_radiometry_maps_percentiles_to_the_ends(tmp_path, dtype):
    values = (np.random.default_rng(1).normal(5000, 900, (300, 400))).astype(dtype)
    path = write(tmp_path / "m.tif", values)
    radiometry = fit_radiometry((Mosaic.open(path),))
    assert radiometry.low == pytest.approx(np.percentile(values, 0.1), rel=0.02)
    assert radiometry.high == pytest.approx(np.percentile(values, 99.9), rel=0.02)
    read = read_all(path, radiometry)
    lowest = 1 if Mosaic.open(path).has_nodata else 0
    np.testing.assert_array_equal(read, np.maximum(radiometry.to_uint8(values), lowest))


def test_mixed_types_and_flat_mosaics_are_refused(tmp_path):
    plain = Mosaic.open(write(tmp_path / "a.tif", noise()))
    deep = Mosaic.open(write(tmp_path / "b.tif", noise().astype(np.uint16)))
    with pytest.raises(MosaicError, match="different types"):
        fit_radiometry((plain, deep))
    flat = Mosaic.open(write(tmp_path / "c.tif", np.full((9, 9), 7, np.uint16)))
    with pytest.raises(MosaicError, match="same brightness"):
        fit_radiometry((flat,))


def test_unsupported_type_and_unreadable_file(tmp_path):
    with pytest.raises(MosaicError, match="complex64"):
        Mosaic.open(write(tmp_path / "c.tif", np.zeros((9, 9), np.complex64)))
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(MosaicError, match=r"text\.tif cannot be opened"):
        Mosaic.open(tmp_path / "text.tif")


def test_global_mosaics_wrap_and_reach_the_poles(tmp_path):
    values = noise((180, 360))
    whole = write_array(tmp_path / "g.tif", values, crs=GEOGRAPHIC, transform=global_transform(360))
    part = write_array(
        tmp_path / "p.tif",
        values[20:-20],
        crs=GEOGRAPHIC,
        transform=global_transform(360) @ Affine.translation(0, 20),
    )
    assert Mosaic.open(whole).wraps
    assert Mosaic.open(whole).reaches_poles == (True, True)
    assert Mosaic.open(part).wraps
    assert Mosaic.open(part).reaches_poles == (False, False)
    assert not Mosaic.open(write(tmp_path / "l.tif", values)).wraps


FORMATS = {
    "striped": {},
    "strips of many rows": {"blockysize": 37},
    "tiled": {"tiled": True, "blockxsize": 64, "blockysize": 128},
    "deflate": {"tiled": True, "compress": "deflate", "blockxsize": 128, "blockysize": 64},
    "lzw strips": {"compress": "lzw", "predictor": 2},
}


@pytest.mark.parametrize("name", FORMATS)
def test_layout_of_the_file_does_not_matter(tmp_path, name):
    where = {"longitude_deg": 12.0, "latitude_deg": 3.6, "diameter_km": 23.0}
    plain = extract_crop(write(tmp_path / "a.tif", noise()), **where)
    other = extract_crop(write(tmp_path / "b.tif", noise(), **FORMATS[name]), **where)
    np.testing.assert_array_equal(plain, other)


def test_virtual_mosaic_of_two_files(tmp_path):
    values = noise()
    write(tmp_path / "west.tif", values[:, :200])
    write_array(
        tmp_path / "east.tif",
        values[:, 200:],
        crs=GEOGRAPHIC,
        transform=LOCAL @ Affine.translation(200, 0),
    )
    wkt = rasterio.crs.CRS.from_user_input(GEOGRAPHIC).to_wkt().replace('"', "&quot;")
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}.tif</SourceFilename>'
        f'<SourceBand>1</SourceBand><SrcRect xOff="0" yOff="0" xSize="200" ySize="300"/>'
        f'<DstRect xOff="{x}" yOff="0" xSize="200" ySize="300"/></SimpleSource>'
        for name, x in (("west", 0), ("east", 200))
    )
    (tmp_path / "both.vrt").write_text(
        f'<VRTDataset rasterXSize="400" rasterYSize="300"><SRS>{wkt}</SRS>'
        "<GeoTransform>10,0.01,0,5,0,-0.01</GeoTransform>"
        f'<VRTRasterBand dataType="Byte" band="1">{sources}</VRTRasterBand></VRTDataset>'
    )
    where = {"longitude_deg": 12.0, "latitude_deg": 3.6, "diameter_km": 23.0}
    whole = extract_crop(write(tmp_path / "whole.tif", values), **where)
    np.testing.assert_array_equal(extract_crop(tmp_path / "both.vrt", **where), whole)
    assert len(Mosaic.open(tmp_path / "both.vrt").files) == 3
