"""The synthetic Moon against what was planted in it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from lunar_models.catalogue.labels import read_labels
from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.degradation.crater_shape import (
    depth_over_diameter,
    diffused_profile,
    fresh_profile,
    state_of,
)
from lunar_models.errors import ConfigError
from lunar_models.mosaic.raster import Mosaic
from lunar_models.synthetic.frame import MapFrame
from lunar_models.synthetic.population import (
    Craters,
    catalogued_craters,
    sample_degradation,
    sample_diameters,
)
from lunar_models.synthetic.relief import elevation
from lunar_models.synthetic.render import limb_parameter, shade
from lunar_models.synthetic.synthesize import SyntheticMoon, synthesize

SMALL = {
    "width_px": 500,
    "height_px": 400,
    "crater_count": 60,
    "diameter_max_km": 6.0,
    "seam_bands": 3,
    "latitude_deg": 50.0,
    "longitude_deg": 179.0,
}

SEAMS_PX = [167, 333]


@pytest.fixture(scope="module")
def moon(tmp_path_factory: pytest.TempPathFactory) -> SyntheticMoon:
    return synthesize(SynthesizeConfig(output=str(tmp_path_factory.mktemp("moon")), **SMALL))


def flat_frame(size_px: int = 201, latitude_deg: float = 0.0) -> MapFrame:
    return MapFrame.of(
        SynthesizeConfig(
            width_px=size_px, height_px=size_px, longitude_deg=0, latitude_deg=latitude_deg
        )
    )


def one_crater(frame: MapFrame, diameter_m: float, k_over_r2: float = 1e-3) -> Craters:
    centre = np.array([frame.width_px / 2])
    return Craters(centre, centre, np.array([diameter_m]), np.array([k_over_r2]))


# --- profiles --------------------------------------------------------------------------------


def test_fresh_profile_at_hand_computed_points() -> None:
    x = [0.0, 0.5, 0.9, 1.0, 1.2, 2.0]
    h = [-0.181, -0.099125, 0.014999, 0.036, 0.01544, 0.0]
    np.testing.assert_allclose(fresh_profile(x), h, atol=2e-6)


def test_depth_falls_with_diffusion_as_published() -> None:
    ratio = depth_over_diameter([0.01, 0.05, 0.10, 0.15, 0.30]) / 0.217
    np.testing.assert_allclose(ratio, [0.89, 0.60, 0.41, 0.30, 0.15], atol=0.01)


def test_diffusion_is_a_gaussian_blur_of_the_relief() -> None:
    from scipy.ndimage import gaussian_filter

    step, k_over_r2 = 0.02, 0.04
    axis = np.arange(-4, 4 + step / 2, step)
    relief = fresh_profile(np.hypot(*np.meshgrid(axis, axis)))
    blurred = gaussian_filter(relief, np.sqrt(2 * k_over_r2) / step)
    middle = len(axis) // 2
    analytic = diffused_profile(axis[middle : middle + 120], k_over_r2)[0]
    np.testing.assert_allclose(analytic, blurred[middle, middle : middle + 120], atol=5e-4)


def test_states_by_their_thresholds() -> None:
    assert state_of([0.0099, 0.01, 0.0499, 0.05, 0.1499, 0.15, 0.3]).tolist() == [
        1, 2, 2, 3, 3, 4, 4,
    ]  # fmt: skip


# --- population ------------------------------------------------------------------------------


def test_sizes_follow_the_slope() -> None:
    sizes = sample_diameters(np.random.default_rng(0), 100_000, 1, 10, -2)
    assert sizes.min() >= 1
    assert sizes.max() <= 10
    # N(>2) / N(>1), cut off at 10: (1/4 - 1/100) / (1 - 1/100)
    assert np.mean(sizes > 2) == pytest.approx(0.2424, abs=0.005)


def test_the_four_states_are_equally_likely() -> None:
    states = state_of(sample_degradation(np.random.default_rng(0), 8000))
    np.testing.assert_allclose(np.bincount(states)[1:] / 8000, 0.25, atol=0.02)


def test_craters_overlap_only_larger_and_older_ones() -> None:
    config = SynthesizeConfig(width_px=800, height_px=800, crater_count=300)
    frame = MapFrame.of(config)
    craters = catalogued_craters(np.random.default_rng(1), config, frame)
    cosine = frame.cosine(craters.y_px).mean()
    radius = craters.diameter_m / 2
    distance = config.pixel_size_m * np.hypot(
        np.subtract.outer(craters.x_px, craters.x_px) * cosine,
        np.subtract.outer(craters.y_px, craters.y_px),
    )
    large, small = np.nonzero(np.triu(distance < 0.99 * np.add.outer(radius, radius), k=1))
    assert len(large) < 30
    assert np.all(radius[small] < 0.4 * radius[large])
    assert np.all(craters.k_over_r2[small] < craters.k_over_r2[large])


def test_too_many_or_too_large_craters_are_an_error() -> None:
    with pytest.raises(ConfigError, match="crater_count=2500 craters do not fit into 200 x 200"):
        synthesize(SynthesizeConfig(width_px=200, height_px=200, diameter_max_km=2))
    with pytest.raises(ConfigError, match="does not fit into 200 x 200 px; lower diameter_max_km"):
        synthesize(
            SynthesizeConfig(
                width_px=200, height_px=200, diameter_min_km=30, diameter_max_km=30, crater_count=1
            )
        )


# --- relief ----------------------------------------------------------------------------------


@pytest.mark.parametrize("latitude_deg", [0.0, 60.0])
def test_a_crater_is_round_on_the_ground(latitude_deg: float) -> None:
    frame = flat_frame(301, latitude_deg)
    ground = elevation(
        np.random.default_rng(0), one_crater(frame, 6000, 0.02), frame, relief_slope_deg=0
    )
    y, x = np.nonzero(ground < ground.min() / 2)
    stretch = np.std(x) / np.std(y)
    assert stretch * np.cos(np.deg2rad(latitude_deg)) == pytest.approx(1, abs=0.1)
    assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx((150.5, 150.5), abs=1)


@pytest.mark.parametrize("k_over_r2", [0.001, 0.05, 0.3])
def test_a_planted_crater_has_its_depth(k_over_r2: float) -> None:
    frame = flat_frame(301)
    crater = one_crater(frame, 8000, k_over_r2)
    ground = elevation(np.random.default_rng(0), crater, frame, relief_slope_deg=0)
    depth = float(depth_over_diameter(k_over_r2)) * 8000
    assert np.ptp(ground) == pytest.approx(depth, rel=0.02)


def test_a_crater_levels_what_it_replaces() -> None:
    frame = flat_frame()
    older, younger = one_crater(frame, 2000, 0.01), one_crater(frame, 8000, 0.001)
    both = Craters(
        *(
            np.concatenate(pair)
            for pair in zip(vars(older).values(), vars(younger).values(), strict=True)
        )
    )
    alone = elevation(np.random.default_rng(0), younger, frame, relief_slope_deg=0)
    after = elevation(np.random.default_rng(0), both, frame, relief_slope_deg=0)
    assert abs(after[100, 100] - alone[100, 100]) < 0.05 * 2000 * 0.2


# --- light -----------------------------------------------------------------------------------


def test_level_ground_has_brightness_one() -> None:
    frame = flat_frame()
    light = shade(np.zeros((201, 201), np.float32), frame, map_azimuth_deg=90, incidence_deg=65)
    np.testing.assert_allclose(light, 1, rtol=1e-5)


def test_limb_parameter_of_mcewen() -> None:
    assert limb_parameter(0) == 1
    assert limb_parameter(60) == pytest.approx(1 - 1.14 + 0.8712 - 0.31536)


@pytest.mark.parametrize(("azimuth_deg", "away"), [(90, -1), (270, 1)])
@pytest.mark.parametrize("latitude_deg", [0.0, 60.0])
def test_a_wall_casts_a_shadow_of_its_height_times_tan_incidence(
    azimuth_deg: float, away: int, latitude_deg: float
) -> None:
    frame = flat_frame(201, latitude_deg)
    ground = np.zeros((201, 201), np.float32)
    ground[:, 100] = 1000.0
    light = shade(ground, frame, map_azimuth_deg=azimuth_deg, incidence_deg=65)
    dark = np.flatnonzero(light[100] < 0.5) - 100
    cosine = np.cos(np.deg2rad(latitude_deg))
    length_px = 1000 * np.tan(np.deg2rad(65)) / (100 * cosine)
    assert away * dark.mean() > 0
    assert np.abs(dark).max() == pytest.approx(length_px, abs=1.1)
    sunward = 100 - away * np.arange(2, 90)
    np.testing.assert_allclose(light[100, sunward], 1, rtol=1e-5)


def test_slopes_towards_the_sun_are_bright() -> None:
    frame = flat_frame()
    ramp = np.tile(np.arange(201, dtype=np.float32) * 10, (201, 1))  # rises to the east
    assert shade(ramp, frame, map_azimuth_deg=270, incidence_deg=65)[100, 100] > 1.1
    assert shade(ramp, frame, map_azimuth_deg=90, incidence_deg=65)[100, 100] < 0.9


@pytest.mark.parametrize("latitude_deg", [0.0, 60.0])
@pytest.mark.parametrize("azimuth_deg", [0, 35, 110, 180, 200, 250, 300, 340])
def test_a_hill_casts_its_shadow_away_from_the_azimuth(
    azimuth_deg: float, latitude_deg: float
) -> None:
    frame = flat_frame(201, latitude_deg)
    ground = np.zeros((201, 201), np.float32)
    half_width = round(5 / np.cos(np.deg2rad(latitude_deg)))
    ground[95:106, 100 - half_width : 101 + half_width] = 800.0
    light = shade(ground, frame, map_azimuth_deg=azimuth_deg, incidence_deg=70)
    y, x = np.nonzero(light < 0.3)
    east, north = (x - 100) * np.cos(np.deg2rad(latitude_deg)), 100 - y
    far = np.hypot(east, north) > 9
    shadow = np.rad2deg(np.arctan2(east[far].mean(), north[far].mean()))
    assert (shadow - azimuth_deg) % 360 == pytest.approx(180, abs=4)
    # from the edge of the hill (5 pixels away) or its corner (7) on
    assert np.hypot(east, north).max() == pytest.approx(6 + 8 * np.tan(np.deg2rad(70)), abs=2.5)


def test_slopes_are_lit_alike_from_everywhere() -> None:
    frame = flat_frame()
    y, x = np.indices((201, 201)) * 20.0
    for azimuth_deg in (0, 45, 90, 200, 315):
        turn = np.deg2rad(azimuth_deg)
        facing = -(x * np.sin(turn) - y * np.cos(turn)).astype(np.float32)  # falls to the Sun
        light = shade(facing, frame, map_azimuth_deg=azimuth_deg, incidence_deg=65)[100, 100]
        assert light == pytest.approx(_facing_brightness(slope=0.2, incidence_deg=65), rel=1e-3)


def _facing_brightness(*, slope: float, incidence_deg: float) -> float:
    """Lunar-Lambert brightness of a slope that faces the Sun, relative to level ground."""
    limb, tilt = limb_parameter(incidence_deg), np.arctan(slope)

    def bright(tilt: float) -> float:
        sun, view = np.cos(np.deg2rad(incidence_deg) - tilt), np.cos(tilt)
        return float(2 * limb * sun / (sun + view) + (1 - limb) * sun)

    return bright(tilt) / bright(0.0)


# --- the files -------------------------------------------------------------------------------


def test_mosaic_is_a_lunar_geotiff(moon: SyntheticMoon) -> None:
    with rasterio.open(moon.mosaic_path) as mosaic:
        assert (mosaic.width, mosaic.height, mosaic.dtypes) == (500, 400, ("uint8",))
        assert mosaic.crs.to_dict()["proj"] == "eqc"
        assert mosaic.crs.to_dict()["R"] == 1737400
        assert mosaic.res == (100, 100)
        assert mosaic.profile["tiled"]
        picture = mosaic.read(1)
    assert 60 < picture.mean() < 110
    assert picture.min() >= 1  # 0 is nodata
    assert np.mean(picture == 255) < 0.001


def test_files_agree_with_each_other_and_can_be_read_back(moon: SyntheticMoon) -> None:
    catalogue, rejected = read_catalogue(moon.catalogue_path)
    labels = read_labels(moon.truth_path)
    truth = pd.read_csv(moon.truth_path)
    assert rejected.empty
    assert len(catalogue) == 60
    assert catalogue["crater_id"].tolist() == labels["crater_id"].tolist()
    assert (labels["state"] == state_of(truth["k_over_r2"])).all()
    assert truth["d_over_d"].between(0.03, 0.217).all()
    assert set(truth["sun_side"]) == {"east", "west"}
    assert truth["incidence_deg"].between(55, 75).all()
    assert pd.read_csv(moon.catalogue_path)["LON_CIRC_IMG"].between(0, 360).all()


def test_catalogue_positions_and_sun_sides_match_the_picture(moon: SyntheticMoon) -> None:
    """The half of a fresh crater's bowl away from the Sun is lit, the other dark."""
    catalogue = pd.read_csv(moon.catalogue_path).merge(pd.read_csv(moon.truth_path))
    fresh = catalogue[(catalogue["state"] <= 2) & (catalogue["DIAM_CIRC_IMG"] > 1.5)]
    with rasterio.open(moon.mosaic_path) as mosaic:
        picture = mosaic.read(1).astype(float)
        left, top, pixel = mosaic.transform.c, mosaic.transform.f, mosaic.transform.a
    x = (np.deg2rad(fresh["LON_CIRC_IMG"].to_numpy()) * 1_737_400 - left) / pixel
    y = (top - np.deg2rad(fresh["LAT_CIRC_IMG"].to_numpy()) * 1_737_400) / pixel
    radius = fresh["DIAM_CIRC_IMG"].to_numpy() * 5
    rows, columns = np.indices(picture.shape) + 0.5
    cosine = np.cos(np.deg2rad(fresh["LAT_CIRC_IMG"].to_numpy()))
    compared = 0
    for n, side in enumerate(fresh["sun_side"]):
        dx, dy = (columns - x[n]) * cosine[n], rows - y[n]
        inside = np.hypot(dx, dy) < 0.8 * radius[n]
        if np.ptp(np.searchsorted(SEAMS_PX, columns[inside])):
            continue  # half of it is lit from the other side
        contrast = picture[inside & (dx < 0)].mean() - picture[inside & (dx > 0)].mean()
        assert (contrast > 0) == (side == "east")
        compared += 1
    assert compared >= 8


@pytest.mark.parametrize("projection", ["north_polar", "south_polar"])
def test_a_polar_moon_is_lit_as_its_truth_says(projection: str, tmp_path: Path) -> None:
    """The bowl's dark half of fresh craters lies at the azimuth of the Sun, north from the map."""
    size = {"width_px": 500, "height_px": 500, "crater_count": 60, "diameter_max_km": 6.0}
    moon = synthesize(
        SynthesizeConfig(
            output=str(tmp_path), projection=projection, sun_azimuth_deg=200, seam_bands=3, **size
        )
    )
    table = pd.read_csv(moon.catalogue_path).merge(pd.read_csv(moon.truth_path))
    fresh = table[(table["state"] <= 2) & (table["DIAM_CIRC_IMG"] > 1.5)]
    assert fresh["sun_azimuth_deg"].between(0, 360).all()
    mosaic = Mosaic.open(moon.mosaic_path)
    with rasterio.open(moon.mosaic_path) as file:
        picture = file.read(1).astype(float)
    rows, columns = np.indices(picture.shape)
    errors = []
    for _, crater in fresh.iterrows():
        longitude, latitude = crater["LON_CIRC_IMG"], crater["LAT_CIRC_IMG"]
        x, y = mosaic.projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
        # a tenth of a kilometre further north, one pixel, on the map
        step = {"longitude_deg": longitude, "latitude_deg": latitude + 1e-4}
        north = np.subtract(mosaic.projection.to_pixels(**step), (x, y))
        inside = np.hypot(columns - x, rows - y) < 8 * crater["DIAM_CIRC_IMG"] / 2
        dark = (picture[inside].mean() - picture)[inside]
        sun_x, sun_y = (dark * (columns - x)[inside]).sum(), (dark * (rows - y)[inside]).sum()
        clockwise = np.arctan2(sun_x, -sun_y) - np.arctan2(north[0], -north[1])
        errors.append((np.rad2deg(clockwise) - crater["sun_azimuth_deg"] + 180) % 360 - 180)
    assert len(errors) >= 8
    assert np.median(np.abs(errors)) < 8


def test_same_seed_same_bytes_other_seed_other_moon(moon: SyntheticMoon, tmp_path: Path) -> None:
    again = synthesize(SynthesizeConfig(output=str(tmp_path / "again"), **SMALL))
    other = synthesize(SynthesizeConfig(output=str(tmp_path / "other"), seed=1, **SMALL))
    for name in ("mosaic_path", "catalogue_path", "truth_path"):
        assert getattr(again, name).read_bytes() == getattr(moon, name).read_bytes()
        assert getattr(other, name).read_bytes() != getattr(moon, name).read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"diameter_min_km": 11.0}, "above diameter_max_km"),
        ({"incidence_min_deg": 80.0}, "above incidence_max_deg"),
        ({"diameter_min_km": 0.3}, "under 4 pixels"),
        ({"latitude_deg": 80.0, "height_px": 6000}, "beyond 85 deg"),
        ({"crater_count": 0}, "too small"),
    ],
)
def test_impossible_parameters(change: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SynthesizeConfig(**change)


def test_an_output_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        synthesize(SynthesizeConfig(output=str(tmp_path / "taken"), **SMALL))
