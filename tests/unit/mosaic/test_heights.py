"""Heights without a unit are not taken for a photograph, nor photographs for heights."""

import logging

import numpy as np
import pytest
import rasterio
from planted_moon import GEOGRAPHIC, write_array
from raster_files import pds3, scene

from lunar_models.errors import MosaicError
from lunar_models.mosaic.description import describe_mosaic
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic

SIZE = 32
RAMP = np.linspace(0.0, 1.0, SIZE * SIZE).reshape(SIZE, SIZE)


def raster(path, values, description=None, unit=None, **tags):
    transform = rasterio.Affine(0.01, 0.0, 10.0, 0.0, -0.01, 5.0)
    write_array(path, values, crs=GEOGRAPHIC, transform=transform)
    with rasterio.open(path, "r+") as file:
        if description is not None:
            file.descriptions = (description,)
        if unit is not None:
            file.units = (unit,)
        file.update_tags(1, **tags)
    return path


HEIGHTS = (1000 + 1500 * RAMP).astype(np.int16)


@pytest.mark.parametrize(
    "text", ["Elevation", "height", "LOLA DEM", "topography (m)", "DTM", "surface_altitude", "Höhe"]
)
@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_a_band_that_says_heights_is_refused(tmp_path, text, dtype):
    path = raster(tmp_path / "map.tif", HEIGHTS.astype(dtype), description=text)
    with pytest.raises(MosaicError, match=r"holds heights.*shade=90,65.*gdal_edit.py -units DN"):
        Mosaic.open(path)
    assert Mosaic.open(path, shade="90,65").height_m == 1.0


def test_a_tag_of_the_band_says_it_too(tmp_path):
    path = raster(tmp_path / "map.tif", HEIGHTS, long_name="elevation above the sphere")
    with pytest.raises(MosaicError, match="elevation above the sphere"):
        Mosaic.open(path)


def test_a_pds3_label_names_its_values(tmp_path):
    path = pds3(tmp_path, scene().astype("<i2"), "NAME = HEIGHT")
    with pytest.raises(MosaicError, match="as 'HEIGHT' says"):
        Mosaic.open(path)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("LDEM_16.tif", HEIGHTS),
        ("apollo_dtm.tif", HEIGHTS.astype(np.float32)),
        ("sldem2015_km.tif", (-3.0 + 4.0 * RAMP).astype(np.float32)),
        ("WAC_GLD100.tif", HEIGHTS),
    ],
)
def test_the_name_of_a_file_says_it(tmp_path, name, values):
    path = raster(tmp_path / name, values)
    with pytest.raises(MosaicError, match="holds heights, not brightness, as"):
        Mosaic.open(path)


@pytest.mark.parametrize(
    ("name", "values", "told"),
    [
        ("map.tif", HEIGHTS, {}),
        ("map.tif", (0.3 * RAMP).astype(np.float32), {"description": "I/F at the DTM"}),
        ("map.tif", (255 * RAMP).astype(np.uint8), {"description": "Hillshade of the DEM"}),
        ("map.tif", HEIGHTS, {"description": "Elevation", "unit": "DN"}),
        ("map.tif", HEIGHTS, {"description": "Sun elevation"}),
        ("dem_shaded.tif", (255 * RAMP).astype(np.uint8), {}),
        ("nac_dtm_apollo11.tif", (0.01 + 0.2 * RAMP).astype(np.float32), {}),
        ("NAC_DTM_APOLLO11_M150361817_50CM.tif", HEIGHTS, {}),
        ("demo.tif", HEIGHTS, {}),
    ],
)
def test_brightness_is_taken_as_before(tmp_path, name, values, told):
    Mosaic.open(raster(tmp_path / name, values, **told))


@pytest.mark.parametrize(
    ("values", "told", "shade", "doubt"),
    [
        (HEIGHTS, {"unit": "DN"}, "90,65", "'DN', which is no length"),
        (HEIGHTS, {"unit": "m above the sphere"}, "90,65", None),
        (HEIGHTS, {"unit": "m s-1"}, "90,65", "'m s-1', which is no length"),
        (HEIGHTS, {"unit": "deg"}, "90,65", "'deg', which is no length"),
        (HEIGHTS, {"unit": "m"}, "90,65,km", "says that a unit is 1 m, and shade= says 1000 m"),
        ((255 * RAMP).astype(np.uint8), {}, "90,65", "8 bits and no unit"),
        ((255 * RAMP).astype(np.uint8), {"unit": "m"}, "90,65", None),
        ((255 * RAMP).astype(np.uint8), {}, "90,65,m", None),
        (HEIGHTS, {"unit": "m"}, "90,65,m", None),
        (HEIGHTS, {}, "90,65", None),
    ],
)
def test_only_heights_are_lit(tmp_path, values, told, shade, doubt):
    path = raster(tmp_path / "m.tif", values, **told)
    if doubt is None:
        Mosaic.open(path, shade=shade)
    else:
        with pytest.raises(MosaicError, match=rf"{doubt}.*Leave shade= out"):
            Mosaic.open(path, shade=shade)


def test_brightness_below_zero_is_warned_of(tmp_path, caplog):
    below = Mosaic.open(raster(tmp_path / "a.tif", (-300 + 2500 * RAMP).astype(np.int16)))
    noisy = Mosaic.open(raster(tmp_path / "b.tif", (-0.001 + 0.2 * RAMP).astype(np.float32)))
    for mosaic, expected in ((below, 1), (noisy, 0)):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            fit_radiometry((mosaic,))
        found = [text for text in describe_mosaic(mosaic).warnings if "below zero" in text]
        assert len(found) == caplog.text.count("below zero") == expected
        assert all("shade=90,65" in text for text in found)
