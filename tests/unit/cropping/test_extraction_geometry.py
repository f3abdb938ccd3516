"""Crops against planted truth: circles, seams, edges and poles, in every kind of mosaic."""

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
from planted_moon import (
    GEOGRAPHIC,
    SPHERE,
    angle_deg,
    disc,
    global_transform,
    window_transform,
    write_array,
    write_mosaic,
)
from rasterio.enums import Resampling
from rasterio.vrt import WarpedVRT

from lunar_models.cropping.single import extract_crop
from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.tangent_plane import half_side, plane_to_degrees

DIAMETER_KM = 9.0
SIZE = 96


def fit_ellipse(crop: npt.NDArray[np.uint8]) -> tuple[float, float, float]:
    """Centre offset in crop pixels, and axis ratio - 1, of the bright disc by its moments."""
    weight = np.clip((crop.astype(np.float64) - 60.0) / 140.0, 0.0, 1.0)
    y, x = np.mgrid[: len(crop), : len(crop)] - (len(crop) - 1) / 2.0
    total = weight.sum()
    cx, cy = (weight * x).sum() / total, (weight * y).sum() / total
    dx, dy = x - cx, y - cy
    covariance = [[(weight * a * b).sum() / total for a in (dx, dy)] for b in (dx, dy)]
    small, large = np.linalg.eigvalsh(covariance)
    return float(cx), float(cy), float(np.sqrt(large / small) - 1.0)


def rim_error(crop: npt.NDArray[np.uint8], context_diameters: float) -> float:
    """Relative error of the disc's radius, from its area."""
    weight = np.clip((crop.astype(np.float64) - 60.0) / 140.0, 0.0, 1.0)
    return float(np.sqrt(weight.sum() / np.pi) / (len(crop) / 2 / context_diameters) - 1.0)


LATITUDES = [0, 15, -30, 45, 60, 70, -80, 85, 87, 88, 89]
MAPS = {
    "equirectangular": f"+proj=eqc +lat_ts=0 +lon_0=0 {SPHERE}",
    "standard parallel": f"+proj=eqc +lat_ts=40 +lon_0=75 {SPHERE}",
    "mercator": f"+proj=merc +lon_0=20 {SPHERE}",
}


@pytest.mark.parametrize("latitude", LATITUDES)
@pytest.mark.parametrize("kind", MAPS)
def test_planted_circle_is_circular_at_any_latitude(tmp_path, kind, latitude):
    if kind == "mercator" and abs(latitude) > 80:
        pytest.skip("Mercator maps end before")
    crs, longitude = MAPS[kind], 80.0
    stretch = 1.0 / np.cos(np.radians(latitude))
    pixel_m = 150.0 * (stretch if kind == "mercator" else 1.0)
    width_px = int(3.0 * DIAMETER_KM * 1000 / pixel_m * max(stretch, 1.0)) + 60
    size = min(width_px, 24_000)
    transform = window_transform(
        crs, longitude_deg=longitude, latitude_deg=latitude, pixel_m=pixel_m, size=size
    )
    # Wide as the stretched crater, but only as tall as needed
    rows = min(size, 400)
    transform = transform @ rasterio.Affine.translation(0, (size - rows) // 2)
    path = write_mosaic(
        tmp_path / "moon.tif",
        disc(longitude, latitude, DIAMETER_KM),
        crs=crs,
        transform=transform,
        shape=(rows, size),
    )
    crop = extract_crop(
        path,
        longitude_deg=longitude,
        latitude_deg=latitude,
        diameter_km=DIAMETER_KM,
        crop_size_px=SIZE,
    )
    cx, cy, ellipticity = fit_ellipse(crop)
    assert abs(cx) < 0.2
    assert abs(cy) < 0.2
    assert ellipticity < 0.01
    assert abs(rim_error(crop, 1.5)) < 0.01


def waves(longitude, latitude):
    """Smooth on the whole sphere, poles and seams included, in 20..230."""
    a, b = np.radians(longitude), np.radians(latitude)
    x, y, z = np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)
    return 125.0 + 35.0 * (np.sin(23.0 * x + 1.0) + np.sin(19.0 * y) + np.cos(27.0 * z))


def expected(longitude, latitude, diameter_km, size, context=1.5):
    half = float(half_side(diameter_km, context))
    axis = half * ((2 * np.arange(size) + 1) / size - 1.0)
    u, v = np.meshgrid(axis, -axis)
    return waves(*plane_to_degrees(u, v, longitude_deg=longitude, latitude_deg=latitude))


PLACES = {
    "middle": (12.0, 20.0),
    "antimeridian": (180.0, 33.0),
    "zero meridian": (0.0, -41.0),
    "just west of the seam": (179.9, -5.0),
    "high latitude": (-30.0, 78.0),
    "near the pole": (-120.0, -87.5),
    "north pole": (50.0, 90.0),
    "south pole": (0.0, -90.0),
}


@pytest.mark.parametrize("diameter_km", [90.0, 330.0, 900.0])
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("west_deg", [-180.0, 0.0])
def test_crop_has_the_true_values_anywhere_on_a_global_mosaic(
    global_maps, west_deg, place, diameter_km
):
    longitude, latitude = PLACES[place]
    where = {"longitude_deg": longitude, "latitude_deg": latitude, "diameter_km": diameter_km}
    crop = extract_crop(global_maps[west_deg], crop_size_px=48, **where)
    truth = expected(longitude, latitude, diameter_km, 48)
    assert np.abs(crop - truth).max() < 3.0
    assert np.abs(crop - truth).mean() < 0.6


@pytest.fixture(scope="module")
def global_maps(tmp_path_factory):
    folder = tmp_path_factory.mktemp("global")
    return {
        west: write_mosaic(
            folder / f"{west}.tif",
            waves,
            crs=GEOGRAPHIC,
            transform=global_transform(1440, west_deg=west),
            shape=(720, 1440),
        )
        for west in (-180.0, 0.0)
    }


@pytest.mark.parametrize("pole", [90, -90])
@pytest.mark.parametrize("latitude", [90, 88, 75, 62])
@pytest.mark.parametrize("longitude", [-100.0, 10.0, 180.0])
def test_polar_stereographic_crops_have_the_true_values(tmp_path, pole, latitude, longitude):
    crs = f"+proj=stere +lat_0={pole} +lon_0=30 {SPHERE}"
    path = write_mosaic(
        tmp_path / "pole.tif",
        waves,
        crs=crs,
        transform=window_transform(
            crs, longitude_deg=0.0, latitude_deg=pole, pixel_m=5000.0, size=420
        ),
        shape=(420, 420),
    )
    latitude = latitude * np.sign(pole)
    where = {"longitude_deg": longitude, "latitude_deg": latitude, "diameter_km": 150.0}
    crop = extract_crop(path, crop_size_px=64, **where)
    truth = expected(longitude, latitude, 150.0, 64)
    assert np.abs(crop - truth).max() < 2.0


@pytest.mark.parametrize(("latitude", "diameter_km"), [(3, 12.0), (-55, 12.0), (72, 25.0)])
def test_crop_equals_gdal_warp(tmp_path, latitude, diameter_km):
    """An enlarged crop of rough ground differs from `WarpedVRT` by interpolation alone."""
    longitude, size, crs = -43.0, 256, MAPS["equirectangular"]
    transform = window_transform(
        crs, longitude_deg=longitude, latitude_deg=latitude, pixel_m=1000.0, size=160
    )
    path = write_mosaic(
        tmp_path / "rough.tif", rough, crs=crs, transform=transform, shape=(160, 160)
    )
    where = {"longitude_deg": longitude, "latitude_deg": latitude, "diameter_km": diameter_km}
    crop = extract_crop(path, crop_size_px=size, **where)
    half_m = float(half_side(diameter_km, 1.5)) * MOON_RADIUS_KM * 1000
    step = 2 * half_m / size
    with (
        rasterio.open(path) as source,
        WarpedVRT(
            source,
            crs=f"+proj=ortho +lat_0={latitude} +lon_0={longitude} {SPHERE}",
            transform=rasterio.Affine(step, 0, -half_m, 0, -step, half_m),
            width=size,
            height=size,
            resampling=Resampling.cubic,
            tolerance=0.001,  # by default GDAL may be off by an eighth of a pixel
        ) as warped,
    ):
        reference = warped.read(1).astype(float)
    difference = crop - reference
    assert reference.std() > 10.0
    assert np.sqrt(np.mean(difference**2)) < 1.0
    assert np.percentile(np.abs(difference), 99) <= 2.0


def rough(longitude, latitude):
    values = np.zeros(np.shape(longitude))
    generator = np.random.default_rng(5)
    for _ in range(6):
        k = generator.normal(size=2) * 30.0
        values += np.sin(k[0] * longitude + k[1] * latitude + generator.uniform(0, 6))
    return 128.0 + 16.0 * values


def test_shrinking_is_antialiased(tmp_path):
    """A one-pixel chequerboard, shrunk, is grey: aliasing would show as a pattern."""
    crs = MAPS["equirectangular"]
    size = 700
    transform = window_transform(crs, longitude_deg=0, latitude_deg=0, pixel_m=100.0, size=size)
    board = (np.indices((size, size)).sum(axis=0) % 2 * 200).astype(np.uint8)
    path = write_array(tmp_path / "board.tif", board, crs=crs, transform=transform)
    for diameter_km in (8.0, 11.3, 20.0, 40.0):
        crop = extract_crop(
            path, longitude_deg=0, latitude_deg=0, diameter_km=diameter_km, crop_size_px=32
        )
        assert np.abs(crop - 100.0).max() <= 6.0


def test_crater_diameter_spans_its_part_of_the_crop():
    assert angle_deg(1.0, 0.0, from_longitude_deg=0.0, from_latitude_deg=0.0) == pytest.approx(1.0)
    for diameter_km in (1.0, 100.0, 2000.0):
        longitude, _ = plane_to_degrees(
            half_side(diameter_km, 1.5) / 1.5, 0.0, longitude_deg=0.0, latitude_deg=0.0
        )
        assert np.radians(longitude) * MOON_RADIUS_KM == pytest.approx(diameter_km / 2)
