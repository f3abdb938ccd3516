import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from area_shapes import EQUIRECTANGULAR, GEOGRAPHIC, NORTH, RADIUS_KM, SOUTH, band_km2, write

from lunar_models.degradation.area_files import read_area
from lunar_models.degradation.areas import bounds_area
from lunar_models.degradation.mosaic_area import mosaic_area
from lunar_models.degradation.size_frequency import density_at
from lunar_models.errors import AreaError
from lunar_models.mosaic.raster import Mosaic


def cap_km2(radius_deg):
    return 2 * np.pi * RADIUS_KM**2 * (1 - np.cos(np.radians(radius_deg)))


def polar_circle(latitude_deg):
    radius_m = 2 * RADIUS_KM * 1000 * np.tan(np.radians(90 - latitude_deg) / 2)
    return shapely.Point(0, 0).buffer(radius_m, quad_segs=360)


def craters(*places):
    table = pd.DataFrame(places, columns=["longitude_deg", "latitude_deg"], dtype="float64")
    return table.assign(diameter_km=20.0)


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "geojson"])
def test_a_box_has_its_area_in_every_format(tmp_path, suffix):
    area = read_area(write(tmp_path, shapely.box(-20, 30, 15, 50), suffix=suffix))
    assert area.area_km2 == pytest.approx(band_km2(-20, 30, 15, 50), rel=1e-9)
    inside = area.contains(craters((0, 40), (16, 40), (0, 51), (-19.9, 30.1), (340.1, 40)))
    assert inside.tolist() == [True, False, False, True, True]


@pytest.mark.parametrize(
    "shape",
    [
        shapely.box(170, -10, 190, 10),
        shapely.Polygon([(170, -10), (-170, -10), (-170, 10), (170, 10)]),
        shapely.MultiPolygon([shapely.box(170, -10, 180, 10), shapely.box(-180, -10, -170, 10)]),
        shapely.box(-190, -10, -170, 10),
    ],
)
def test_across_180_degrees(tmp_path, shape):
    area = read_area(write(tmp_path, shape))
    assert area.area_km2 == pytest.approx(band_km2(170, -10, 190, 10), rel=1e-9)
    parallels = 2 * np.radians(20) * RADIUS_KM * np.cos(np.radians(10))
    assert area.perimeter_km == pytest.approx(parallels + 2 * np.radians(20) * RADIUS_KM, rel=1e-6)
    inside = area.contains(craters((175, 0), (180, 0), (-180, 0), (-175, 9), (0, 0), (169, 0)))
    assert inside.tolist() == [True] * 4 + [False] * 2


@pytest.mark.parametrize(("crs", "sign"), [(NORTH, 1), (SOUTH, -1)])
def test_over_a_pole(tmp_path, crs, sign):
    area = read_area(write(tmp_path, polar_circle(80), crs=crs))
    assert area.area_km2 == pytest.approx(cap_km2(10), rel=1e-5)
    inside = area.contains(craters((0, 90 * sign), (120, 81 * sign), (0, 79 * sign), (0, 0)))
    assert inside.tolist() == [True, True, False, False]
    ring = polar_circle(80) - polar_circle(85)
    area = read_area(write(tmp_path, ring, crs=crs))
    assert area.area_km2 == pytest.approx(cap_km2(10) - cap_km2(5), rel=1e-5)
    assert area.contains(craters((0, 90 * sign), (200, 83 * sign))).tolist() == [False, True]


def test_a_polar_polygon_beside_the_pole_does_not_hold_it(tmp_path):
    beside = shapely.transform(polar_circle(88), lambda points: points + np.array([200_000.0, 0]))
    area = read_area(write(tmp_path, beside, crs=NORTH))
    assert area.contains(craters((0, 90))).tolist() == [False]
    assert area.area_km2 == pytest.approx(cap_km2(2), rel=0.01)


@pytest.mark.parametrize(
    ("bounds", "truth"),
    [
        ((-180, -90, 180, 90), 4 * np.pi * RADIUS_KM**2),
        ((-180, -60, 180, 60), band_km2(-180, -60, 180, 60)),
        ((0, 60, 360, 90), cap_km2(30)),
    ],
)
def test_the_whole_moon_and_bands_around_it(tmp_path, bounds, truth):
    assert read_area(write(tmp_path, shapely.box(*bounds))).area_km2 == pytest.approx(truth)


def test_edges_are_straight_in_the_system_of_the_file(tmp_path):
    metres = np.radians(1) * RADIUS_KM * 1000
    box = shapely.box(-40 * metres, 50 * metres, 40 * metres, 60 * metres)
    area = read_area(write(tmp_path, box, crs=EQUIRECTANGULAR))
    assert area.area_km2 == pytest.approx(band_km2(-40, 50, 40, 60), rel=1e-9)
    # the chord between the same corners in polar stereographic runs outside the parallel
    corners = gpd.GeoSeries([shapely.box(-40, 50, 40, 60)], crs=GEOGRAPHIC).to_crs(NORTH)
    polar = read_area(write(tmp_path, corners[0], crs=NORTH))
    assert polar.area_km2 != pytest.approx(area.area_km2, rel=0.01)


def test_holes_and_overlaps(tmp_path):
    holed = shapely.box(0, 0, 10, 10) - shapely.box(2, 2, 4, 4)
    area = read_area(write(tmp_path, holed, shapely.box(9, 0, 11, 10)))
    truth = band_km2(0, 0, 11, 10) - band_km2(2, 2, 4, 4)
    assert area.area_km2 == pytest.approx(truth, rel=1e-9)
    assert "overlap" in area.notes[0]
    assert area.contains(craters((3, 3), (5, 5))).tolist() == [False, True]


def test_the_share_of_a_crater_inside():
    area = bounds_area(0, -10, 10, 10)
    share = area.fractions(craters((5, 0), (0, 0), (-1, 0), (0.329, 0)))
    np.testing.assert_allclose(share[:3], [1.0, 0.5, 0.0], atol=1e-3)
    assert 0.95 < share[3] <= 1.0
    polar = bounds_area(-180, 80, 180, 90).fractions(craters((0, 90), (77, 89.9)))
    np.testing.assert_allclose(polar, 1.0, rtol=1e-6)


def test_craters_that_reach_the_area_and_the_area_they_are_counted_on():
    area = bounds_area(175, -5, -175, 5)  # 30.3 km are a degree
    table = craters((180, 0), (174.9, 0), (174.5, 0), (0, 0), (-174.8, 5.1))
    assert area.touched(table).tolist() == [True, True, False, False, True]
    long = bounds_area(0, -60, 10, 60)  # edges along meridians have no vertices between
    assert long.touched(craters((-0.2, 30), (-0.6, 30), (10.2, -45))).tolist() == [
        True, False, True,
    ]  # fmt: skip
    polar = bounds_area(-180, 85, 180, 90)
    wider = polar.buffered_km2(np.array([1e-6, 20.0, 200.0]))
    reach = np.degrees(np.array([0.0, 10.0, 100.0]) / RADIUS_KM)
    np.testing.assert_allclose(wider, [cap_km2(5 + r) for r in reach], rtol=1e-6)


def test_buffered_counts_have_the_true_density():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "longitude_deg": rng.uniform(-6, 6, 20_000),
            "latitude_deg": rng.uniform(-6, 6, 20_000),
            "diameter_km": 30.0 * rng.random(20_000) ** (-1 / 2),
        }
    ).query("diameter_km < 100")
    truth = len(table) / bounds_area(-6, -6, 6, 6).area_km2
    area = bounds_area(-2, -2, 2, 2)
    reached = table[area.touched(table)]
    count, _, low, high = density_at(
        reached["diameter_km"].to_numpy(), area.buffered_km2, 30.0, level=0.99
    )
    assert count == len(reached) > 1.3 * area.contains(table).sum()
    assert low < truth < high


def test_bounds_across_180_and_their_intersection():
    far = bounds_area(170, -10, -170, 10)
    assert far.area_km2 == pytest.approx(band_km2(170, -10, 190, 10))
    both = far.intersection(bounds_area(0, 0, 180, 90))
    assert both.area_km2 == pytest.approx(band_km2(170, 0, 180, 10))
    with pytest.raises(AreaError, match="nothing in common"):
        far.intersection(bounds_area(0, 0, 10, 10))


@pytest.mark.parametrize("code", [30115, 30120, 30125, 30130, 30165, 30175])
def test_one_outline_in_six_projections_is_one_area(tmp_path, code):
    """Sinusoidal, Mollweide, Robinson, polar stereographic and others of the IAU's systems."""
    outline = shapely.segmentize(
        shapely.MultiPolygon(
            [shapely.box(0, 10, 10, 20) - shapely.box(2, 12, 4, 14), shapely.box(20, 10, 25, 20)]
        ),
        0.1,
    )
    crs = f"IAU_2015:{code}"
    projected = gpd.GeoSeries([outline], crs=GEOGRAPHIC).to_crs(crs)
    area = read_area(write(tmp_path, projected[0], crs=crs))
    truth = band_km2(0, 10, 10, 20) - band_km2(2, 12, 4, 14) + band_km2(20, 10, 25, 20)
    assert area.area_km2 == pytest.approx(truth, rel=1e-6)
    assert area.contains(craters((3, 13), (5, 15), (22, 15), (15, 15))).tolist() == [
        False, True, True, False,
    ]  # fmt: skip


def test_the_valid_pixels_of_a_mosaic(tmp_path):
    path = tmp_path / "mosaic.tif"
    degree = np.radians(1) * RADIUS_KM * 1000
    pixels = np.full((40, 60), 7, np.uint8)
    pixels[:, :20] = 255
    transform = rasterio.transform.from_origin(0, 40 * degree, degree, degree)
    with rasterio.open(
        path, "w", driver="GTiff", width=60, height=40, count=1, dtype="uint8", nodata=255,
        crs=EQUIRECTANGULAR, transform=transform,
    ) as file:  # fmt: skip
        file.write(pixels, 1)
    area = mosaic_area([Mosaic.open(path)])
    assert area.area_km2 == pytest.approx(band_km2(20, 0, 60, 40), rel=1e-9)
    with rasterio.open(path, "r+") as file:
        file.write(np.full_like(pixels, 255), 1)
    with pytest.raises(AreaError, match="no valid pixel"):
        mosaic_area([Mosaic.open(path)])
