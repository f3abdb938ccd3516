import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from planted_moon import SPHERE
from pyproj import CRS, Transformer

from lunar_models.errors import MosaicError
from lunar_models.mosaic.reference_system import parse_projection

METRES = Affine(100.0, 0, -5_458_203.0, 0, -100.0, 2_729_101.0)
DEGREES = Affine(0.01, 0, -180.0, 0, -0.01, 90.0)

PROJECTIONS = {
    "geographic": ("IAU_2015:30100", DEGREES),
    "equirectangular": ("IAU_2015:30110", METRES),
    "esri": ("ESRI:103881", METRES),
    "standard parallel": (f"+proj=eqc +lat_ts=35 +lon_0=120 +x_0=5000 +y_0=-700 {SPHERE}", METRES),
    "latitude of origin": (f"+proj=eqc +lat_ts=10 +lat_0=20 +lon_0=-60 {SPHERE}", METRES),
    "mercator": (f"+proj=merc +lat_ts=30 +lon_0=-20 {SPHERE}", METRES),
    "mercator scale": (f"+proj=merc +k=0.9 {SPHERE}", METRES),
    "north": ("IAU_2015:30130", METRES),
    "south": ("IAU_2015:30135", METRES),
    "true latitude": (f"+proj=stere +lat_0=-90 +lat_ts=-71 +lon_0=45 +x_0=1000 {SPHERE}", METRES),
    "kilometres": (f"+proj=eqc +lon_0=0 {SPHERE.replace('=m', '=km')}", Affine(1, 0, 0, 0, -1, 0)),
}


@pytest.mark.parametrize("name", PROJECTIONS)
def test_pixels_agree_with_proj(name):
    crs, transform = PROJECTIONS[name]
    projection = parse_projection(crs, transform, name)
    generator = np.random.default_rng(0)
    longitude, latitude = generator.uniform(-180, 180, 500), generator.uniform(-84, 84, 500)
    if projection.pole:
        latitude = projection.pole * np.abs(latitude)
    to_map = Transformer.from_crs(CRS("IAU_2015:30100"), CRS(crs), always_xy=True)
    x, y = to_map.transform(longitude, latitude)
    column, row = projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    expected = ((x - transform.c) / transform.a - 0.5, (y - transform.f) / transform.e - 0.5)
    np.testing.assert_allclose(column, expected[0], atol=1e-5)
    np.testing.assert_allclose(row, expected[1], atol=1e-5)


@pytest.mark.parametrize("name", PROJECTIONS)
@given(
    longitude=st.floats(-180, 179.9), latitude=st.floats(-84, 84), turn=st.sampled_from([0, 360])
)
def test_there_and_back(name, longitude, latitude, turn):
    projection = parse_projection(*PROJECTIONS[name], name)
    column, row = projection.to_pixels(longitude_deg=longitude + turn, latitude_deg=latitude)
    back = projection.to_degrees(column_px=column, row_px=row)
    np.testing.assert_allclose(back[1], latitude, atol=1e-6)
    assert abs((back[0] - longitude + 180) % 360 - 180) * np.cos(np.radians(latitude)) < 1e-6


@pytest.mark.parametrize("name", ["equirectangular", "mercator", "north", "true latitude"])
def test_scale_is_the_derivative(name):
    projection = parse_projection(*PROJECTIONS[name], name)
    latitude = 62.0 * (projection.pole or 1)
    step = 1e-4
    here = projection.to_pixels(longitude_deg=10.0, latitude_deg=latitude)
    north = projection.to_pixels(longitude_deg=10.0, latitude_deg=latitude + step)
    scale_x, scale_y = projection.scale_px(latitude)
    moved = np.hypot(north[0] - here[0], north[1] - here[1]) / np.radians(step)
    assert moved == pytest.approx(scale_y, rel=1e-4)
    if projection.pole:
        assert scale_x == pytest.approx(scale_y)


@pytest.mark.parametrize(
    ("crs", "transform", "complaint"),
    [
        (None, METRES, "no coordinate reference system.*gdal_edit"),
        ("EPSG:4326", DEGREES, r"6378\.1 km.*1737\.4 km"),
        ("EPSG:3857", METRES, "body of 6378"),
        ("IAU_2015:49900", DEGREES, "body of 3396"),
        ("nonsense", METRES, "unreadable reference system"),
        (f"+proj=sinu +lon_0=0 {SPHERE}", METRES, "'sinu'.*gdalwarp"),
        (f"+proj=stere +lat_0=40 +lon_0=0 {SPHERE}", METRES, "'stere'.*gdalwarp"),
        ("IAU_2015:30110", METRES @ Affine.rotation(10), "rotated"),
    ],
)
def test_what_cannot_be_placed_is_refused(crs, transform, complaint):
    with pytest.raises(MosaicError, match=complaint):
        parse_projection(crs, transform, "map.tif")
