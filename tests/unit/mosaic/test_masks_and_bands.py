"""Masks of single bands hide pixels as those of rasters do; bands of ink are no brightness."""

import matplotlib as mpl
import numpy as np
import pytest
import rasterio
from raster_files import SHAPE, brightness, scene, vrt, write
from rasterio.enums import ColorInterp

from lunar_models.errors import MosaicError
from lunar_models.mosaic.description import describe_mosaic
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic

HOLE = np.zeros(SHAPE, bool)
HOLE[10:20, 30:40] = True


def hide(path, *holes, of_bands=True):
    """Write a mask beside a raster: one for each band, or one for all."""
    profile = {"driver": "GTiff", "height": SHAPE[0], "width": SHAPE[1], "dtype": "uint8"}
    with rasterio.open(f"{path}.msk", "w", count=len(holes), **profile) as mask:
        mask.write(np.stack([np.where(hole, 0, 255) for hole in holes]).astype(np.uint8))
        flags = 0 if of_bands else 2
        mask.update_tags(**{f"INTERNAL_MASK_FLAGS_{n + 1}": str(flags) for n in range(len(holes))})


@pytest.mark.parametrize("of_bands", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_masks_beside_a_raster(tmp_path, of_bands, dtype):
    path = write(tmp_path / "m.tif", scene().astype(dtype))
    hide(path, HOLE, of_bands=of_bands)
    read = brightness(path)
    np.testing.assert_array_equal(np.isnan(read), HOLE)
    np.testing.assert_array_equal(read[~HOLE], scene()[~HOLE])
    with pytest.raises(MosaicError, match="a mask of pixels without data"):
        Mosaic.open(vrt(tmp_path / "m.vrt", [path]))


def test_colours_are_known_where_no_band_is_hidden(tmp_path):
    path = write(tmp_path / "m.tif", np.stack([scene()] * 3), photometric="RGB")
    left, right = HOLE.copy(), HOLE.copy()
    left[:, 35:], right[:, :35] = False, False
    hide(path, left, right, np.zeros_like(HOLE))
    np.testing.assert_array_equal(np.isnan(brightness(path)), HOLE)


def test_several_bands_of_opacity_are_a_question(tmp_path):
    opaque = np.full(SHAPE, 255, np.uint8)
    path = write(tmp_path / "m.tif", np.stack([scene(), opaque, opaque]))
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [ColorInterp.gray, ColorInterp.alpha, ColorInterp.alpha]
    with pytest.raises(MosaicError, match=r"2 bands of opacity \(2, 3\)"):
        Mosaic.open(path)


@pytest.mark.parametrize(
    "kind", [ColorInterp.black, ColorInterp.cyan, ColorInterp.hue, ColorInterp.saturation]
)
def test_ink_is_no_brightness(tmp_path, kind):
    path = write(tmp_path / "m.tif", scene())
    with rasterio.open(path, "r+") as target:
        target.colorinterp = [kind]
    for band in (None, 1):
        with pytest.raises(MosaicError, match=rf"is {kind.name}.*-colorinterp_1 gray"):
            Mosaic.open(path, band=band)


@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("name", ["jet", "gray"])
def test_colours_that_stand_for_elevation_are_warned_of(tmp_path, caplog, name, palette):
    table = (255 * mpl.colormaps[name](np.arange(256) / 255.0)).astype(np.uint8)
    path = tmp_path / "m.tif"
    if palette:
        write(path, scene())
        with rasterio.open(path, "r+") as target:
            target.write_colormap(1, dict(enumerate(map(tuple, table.tolist()))))
    else:
        write(path, np.moveaxis(table[scene()][..., :3], -1, 0), photometric="RGB")
    mosaic = Mosaic.open(path)
    said = "grey made of them is no brightness"
    assert (said in str(describe_mosaic(mosaic).warnings)) == (name == "jet")
    fit_radiometry((mosaic,))
    assert caplog.text.count(said) == (name == "jet")


@pytest.mark.parametrize("smeared", [False, True])
def test_marks_smeared_by_resampling_are_warned_of(tmp_path, caplog, smeared):
    values = 3000.0 + 10.0 * scene().astype(np.float32)
    if smeared:  # 0.7 % of the pixels, in even steps from the data to the mark
        values.flat[:: values.size // int(0.007 * values.size)] = np.nan
        count = int(np.isnan(values).sum())
        values[np.isnan(values)] = np.linspace(-32000.0, 3000.0, count)
    mosaic = Mosaic.open(write(tmp_path / "m.tif", values, nodata=-32768.0))
    fit_radiometry((mosaic,))
    assert caplog.text.count("may have been resampled with the data") == smeared
    assert ("may have been resampled" in str(describe_mosaic(mosaic).warnings)) == smeared
