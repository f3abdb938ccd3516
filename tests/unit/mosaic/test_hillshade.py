"""A plane of known slope has a known brightness, in every projection."""

import numpy as np
import pytest
import rasterio
from planted_moon import GEOGRAPHIC, METRES_PER_DEGREE, SPHERE, window_transform, write_array
from rasterio import Affine

from lunar_models.errors import ConfigError, MosaicError
from lunar_models.mosaic.radiometry import fit_radiometry
from lunar_models.mosaic.raster import Mosaic, MosaicReader
from lunar_models.mosaic.reference_system import parse_projection

SIZE = 64
PLACES = {
    "equirectangular": (f"+proj=eqc +lat_ts=0 {SPHERE}", 20.0, 50.0),
    "mercator": (f"+proj=merc {SPHERE}", 20.0, 50.0),
    "north": (f"+proj=stere +lat_0=90 +lon_0=10 {SPHERE}", 70.0, 80.0),
    "south": (f"+proj=stere +lat_0=-90 +lon_0=0 {SPHERE}", -130.0, -75.0),
}


def slope(crs, longitude_deg, latitude_deg, direction_deg, gradient, size=SIZE):
    """Heights in metres that rise by `gradient` towards a direction (clockwise from north)."""
    transform = window_transform(
        crs, longitude_deg=longitude_deg, latitude_deg=latitude_deg, pixel_m=100.0, size=size
    )
    projection = parse_projection(crs, transform, "slope")
    rows, columns = np.mgrid[:size, :size]
    longitude, latitude = projection.to_degrees(column_px=columns, row_px=rows)
    north_m = (latitude - latitude_deg) * METRES_PER_DEGREE
    east_m = (longitude - longitude_deg) * METRES_PER_DEGREE * np.cos(np.radians(latitude_deg))
    direction = np.radians(direction_deg)
    return gradient * (east_m * np.sin(direction) + north_m * np.cos(direction)), transform


def lit(path, shade, row=SIZE // 2, column=SIZE // 2):
    mosaic = Mosaic.open(path, shade=shade)
    with MosaicReader(mosaic) as reader:
        return reader.read_brightness(row, column, 1, 1)[0, 0]


@pytest.mark.parametrize("name", PLACES)
@pytest.mark.parametrize("direction_deg", [0.0, 90.0, 200.0])
def test_brightness_of_a_plane(tmp_path, name, direction_deg):
    """Lambert: the cosine between the normal and the Sun, which stands where the plane rises."""
    crs, longitude, latitude = PLACES[name]
    heights, transform = slope(crs, longitude, latitude, direction_deg, 0.2)
    path = write_array(tmp_path / "dem.tif", heights, crs=crs, transform=transform)
    tilt = np.degrees(np.arctan(0.2))
    for azimuth, angle in ((direction_deg, 60.0 + tilt), (direction_deg + 180.0, 60.0 - tilt)):
        assert lit(path, f"{azimuth % 360},60") == pytest.approx(
            np.cos(np.radians(angle)), abs=2e-3
        )
    sideways = np.cos(np.radians(60.0)) * np.cos(np.radians(tilt))
    assert lit(path, f"{direction_deg - 90.0},60") == pytest.approx(sideways, abs=2e-3)


def test_strips_meet_without_a_seam(tmp_path):
    crs, longitude, latitude = PLACES["equirectangular"]
    heights, transform = slope(crs, longitude, latitude, 30.0, 0.1)
    heights += np.random.default_rng(0).normal(0, 20, heights.shape)
    mosaic = Mosaic.open(
        write_array(tmp_path / "dem.tif", heights, crs=crs, transform=transform), shade="90,65"
    )
    with MosaicReader(mosaic) as reader:
        whole = reader.read_brightness(0, 0, SIZE, SIZE)
        parts = [reader.read_brightness(row, 0, 16, SIZE) for row in range(0, SIZE, 16)]
    np.testing.assert_array_equal(np.vstack(parts), whole)


def test_scale_unit_and_gaps(tmp_path):
    """int16 half metres with a base radius are the same relief as metres or kilometres."""
    crs, longitude, latitude = PLACES["equirectangular"]
    heights, transform = slope(crs, longitude, latitude, 90.0, 0.2)
    stored = np.rint(heights * 2).astype(np.int16)
    stored[3, 3] = -32768
    path = write_array(tmp_path / "half.tif", stored, crs=crs, transform=transform, nodata=-32768)
    with rasterio.open(path, "r+") as target:
        target.scales, target.offsets, target.units = (0.5,), (1_737_400.0,), ("m",)
    expected = np.cos(np.radians(60.0 - np.degrees(np.arctan(0.2))))
    assert lit(path, "270,60") == pytest.approx(expected, abs=3e-3)
    assert np.isnan(lit(path, "270,60", 3, 3))
    with pytest.raises(MosaicError, match=r"holds heights.*shade=90,65"):
        Mosaic.open(path)
    km = write_array(tmp_path / "km.tif", heights / 1000.0, crs=crs, transform=transform)
    with pytest.raises(MosaicError, match=r"metres or kilometres.*shade=270,60,km"):
        Mosaic.open(km, shade="270,60")
    assert lit(km, "270,60,km") == pytest.approx(expected, abs=2e-3)
    out = np.empty((SIZE, SIZE), np.uint8)
    mosaic = Mosaic.open(path, shade="270,60")
    radiometry = fit_radiometry((mosaic,))
    assert radiometry.source_dtype == "float32"
    with mosaic.reader(radiometry) as reader:
        reader.read(0, 0, out)
    assert out[3, 3] == 0
    assert (out[10:, 10:] > 0).all()


@pytest.mark.parametrize("shade", ["90", "east,60", "90,60,miles", "90,90", "90,0", "900,50"])
def test_suns_that_are_not_understood(tmp_path, shade):
    path = write_array(
        tmp_path / "m.tif",
        np.zeros((8, 8), np.float32),
        crs=GEOGRAPHIC,
        transform=Affine(0.01, 0, 10, 0, -0.01, 5),
    )
    with pytest.raises(ConfigError, match="shade="):
        Mosaic.open(path, shade=shade)
