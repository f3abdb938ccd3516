"""Virtual rasters are read as their sources mean it, or refused: small files of known truth."""

import zipfile

import numpy as np
import pytest
import rasterio
from raster_files import SHAPE, brightness, scene, vrt, write

from lunar_models.errors import MosaicError
from lunar_models.mosaic.raster import Mosaic

HOLE = np.zeros(SHAPE, bool)
HOLE[10:20, 30:40] = True


def grey(*, backwards):
    return {n: ((255 - n if backwards else n),) * 3 + (255,) for n in range(256)}


def paletted(path, *, backwards):
    write(path, scene(), photometric="palette")
    with rasterio.open(path, "r+") as target:
        target.write_colormap(1, grey(backwards=backwards))
    return path


def test_vrt_of_palettes(tmp_path):
    """A VRT has one palette, which GDAL applies to all tiles."""
    one, other = (paletted(tmp_path / f"{k}.tif", backwards=bool(k)) for k in (0, 1))
    with pytest.raises(MosaicError, match="palette, which the VRT leaves out"):
        Mosaic.open(vrt(tmp_path / "m.vrt", [one, one]))
    for tiles in ([one, other], [one, write(tmp_path / "plain.tif", scene())]):
        with pytest.raises(MosaicError, match="other tiles"):
            Mosaic.open(vrt(tmp_path / "m.vrt", tiles))


def test_vrt_of_masked_tiles_and_of_several_types(tmp_path):
    masked = write(tmp_path / "masked.tif", scene())
    with rasterio.open(masked, "r+") as target:
        target.write_mask(~HOLE)
    with pytest.raises(MosaicError, match="a mask of pixels without data"):
        Mosaic.open(vrt(tmp_path / "m.vrt", [masked]))
    small, large = (write(tmp_path / f"{t}.tif", scene().astype(t)) for t in ("uint8", "uint16"))
    for tiles, dtype in (([small, large], "uint16"), ([large], "uint8")):
        with pytest.raises(MosaicError, match="VRT and tiles are of uint16, uint8"):
            Mosaic.open(vrt(tmp_path / "m.vrt", tiles, dtype=dtype))
    read = brightness(vrt(tmp_path / "m.vrt", [large], dtype="float32"))
    np.testing.assert_array_equal(read, scene())


def test_vrt_with_gaps_must_state_a_nodata_value(tmp_path):
    tile = write(tmp_path / "tile.tif", scene())
    moon = vrt(tmp_path / "m.vrt", [tile, tile])
    assert Mosaic.open(moon).width == 2 * SHAPE[1]
    text = moon.read_text().replace('rasterXSize="160"', 'rasterXSize="170"')
    moon.write_text(text)
    with pytest.raises(MosaicError, match=r"leave gaps.*-vrtnodata"):
        Mosaic.open(moon)
    moon.write_text(text.replace("<SimpleSource>", "<NoDataValue>0</NoDataValue><SimpleSource>", 1))
    read = brightness(moon)
    assert np.isnan(read[:, 160:]).all()
    np.testing.assert_array_equal(read[:, :80], scene())


def test_a_vrt_is_one_by_its_content(tmp_path):
    """Its tiles are checked under another name, and in an archive."""
    write(tmp_path / "scaled.tif", scene(), scales=(2.0,))
    moon = vrt(tmp_path / "m.vrt", [tmp_path / "scaled.tif"], relative=True)
    (tmp_path / "m.xml").write_text(moon.read_text())
    with zipfile.ZipFile(tmp_path / "m.zip", "w") as archive:
        archive.write(moon, "m.vrt")
        archive.write(tmp_path / "scaled.tif", "scaled.tif")
    for path in (tmp_path / "m.xml", f"zip://{tmp_path}/m.zip!m.vrt"):
        with pytest.raises(MosaicError, match="has scale 2 and offset 0"):
            Mosaic.open(path)
    with pytest.raises(MosaicError, match="no path"):
        Mosaic.open(moon.read_text())


def test_complex_sources_are_checked_unless_they_convert(tmp_path):
    scaled = write(tmp_path / "scaled.tif", scene(), scales=(2.0,))
    moon = vrt(tmp_path / "m.vrt", [scaled])
    text = moon.read_text().replace("SimpleSource", "ComplexSource")
    moon.write_text(text)
    with pytest.raises(MosaicError, match="has scale 2"):
        Mosaic.open(moon)
    converting = "<ScaleRatio>2</ScaleRatio></ComplexSource>"
    moon.write_text(text.replace("</ComplexSource>", converting).replace("Byte", "Float32"))
    np.testing.assert_array_equal(brightness(moon), 2.0 * scene())
