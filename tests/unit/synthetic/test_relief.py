"""Test the relief of synthetic craters and the light on it."""

import numpy as np
import pytest

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.degradation.crater_shape import (
    depth_over_diameter,
)
from lunar_models.synthetic.frame import MapFrame
from lunar_models.synthetic.population import (
    Craters,
)
from lunar_models.synthetic.relief import elevation
from lunar_models.synthetic.render import limb_parameter, shade


def flat_frame(size_px: int = 201, latitude_deg: float = 0.0) -> MapFrame:
    return MapFrame.of(
        SynthesizeConfig(
            width_px=size_px, height_px=size_px, longitude_deg=0, latitude_deg=latitude_deg
        )
    )


def one_crater(frame: MapFrame, diameter_m: float, k_over_r2: float = 1e-3) -> Craters:
    centre = np.array([frame.width_px / 2])
    return Craters(centre, centre, np.array([diameter_m]), np.array([k_over_r2]))


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
