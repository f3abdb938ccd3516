"""Test what is read of a mosaic's light."""

import pytest
import torch

from lunar_models.encoders.mosaic_light import (
    CONTRAST_NOISE,
    CONTRAST_SLOPE,
    INCIDENCE_NOISE,
    MosaicLight,
    fit_contrast,
    fit_light,
    interior_contrast,
)


@pytest.fixture
def noise() -> torch.Tensor:
    return torch.randn(2000, generator=torch.Generator().manual_seed(0))


def test_a_sun_that_gets_lower_across_the_mosaic(noise) -> None:
    """Brightness tells the incidence: what remains is the error of the predictions."""
    units = torch.linspace(-2, 2, len(noise))
    light = fit_light(1.0 - 0.8 * units + INCIDENCE_NOISE * noise, (0.2 * units).exp())
    spread = 0.2 * 0.68 * 2  # half of the distance between the 16 % and 84 % quantiles
    assert light.brightness_spread == pytest.approx(spread, rel=0.02)
    assert light.brightness_slope == pytest.approx(-0.8 * spread / 0.2, rel=0.03)
    assert light.mosaic_incidence == pytest.approx(1.0, abs=0.03)
    assert light.incidence_share > 0.9
    dark = light.expected(torch.tensor([0.8, 1.0, 1.25]))
    assert dark[0] > dark[1] > dark[2]
    assert dark[1] == pytest.approx(light.mosaic_incidence)


@pytest.mark.parametrize("kind", ["albedo", "brighter where the Sun is lower"])
def test_brightness_that_is_not_light(noise, kind: str) -> None:
    units = torch.randn(2000, generator=torch.Generator().manual_seed(1))
    incidence = INCIDENCE_NOISE * noise + (0 if kind == "albedo" else 0.5 * units)
    light = fit_light(incidence, (0.2 * units).exp())
    assert -0.03 < light.brightness_slope <= 0


def test_few_crops_tell_little() -> None:
    incidence, brightness = torch.tensor([1.0, -1.0]), torch.tensor([0.9, 1.1])
    differences = []
    for times in (1, 500):
        dark, bright = fit_light(incidence.repeat(times), brightness.repeat(times)).expected(
            brightness
        )
        differences.append(float(dark - bright))
    assert 0 < differences[0] < 1.9
    assert differences[1] == pytest.approx(2, abs=0.01)
    one = fit_light(torch.tensor([0.7]), torch.tensor([1.0]))
    assert (one.mosaic_incidence, one.brightness_slope) == (pytest.approx(0.7), 0)


def test_pictures_exposed_otherwise_are_clipped() -> None:
    light = MosaicLight(0.0, 1.0, -0.5, 0.1)
    units = light.in_spreads(torch.tensor([0.0, 0.01, 1.0, 100.0]))
    assert units.tolist() == [-3, -3, 0, 3]


@pytest.fixture
def light() -> MosaicLight:
    return MosaicLight(0.0, 1.0, 0.0, 0.2)


def test_contrast_of_a_mosaic(noise, light) -> None:
    """Its plane over depth and brightness is found; what is left of a crater is its excess."""
    depth = torch.linspace(-2, 2, len(noise))
    units = torch.randn(len(noise), generator=torch.Generator().manual_seed(1)).clamp(-2, 2)
    excess = 0.8 * CONTRAST_NOISE * noise
    contrast = -1.5 + 0.7 * depth - 0.2 * units + excess
    found = fit_contrast(light, contrast, depth, (0.2 * units).exp())
    assert found.contrast_level == pytest.approx(-1.5, abs=0.02)
    assert found.contrast_per_depth == pytest.approx(0.7, abs=0.01)
    assert found.contrast_per_brightness == pytest.approx(-0.2, abs=0.02)
    assert found.contrast_share == 1
    said = found.excess(contrast, depth, (0.2 * units).exp())
    torch.testing.assert_close(said, excess, atol=0.06, rtol=0)
    spread = fit_contrast(light, contrast + 3 * excess, depth, (0.2 * units).exp())
    assert spread.contrast_share == pytest.approx(1 / 3.2**2, rel=0.1)


def test_brighter_ground_of_more_contrast_is_not_light(noise, light) -> None:
    units = torch.linspace(-2, 2, len(noise))
    found = fit_contrast(light, 0.4 * units, noise, (0.2 * units).exp())
    assert found.contrast_per_brightness == 0


def test_depth_explains_what_brightness_may_not(noise, light) -> None:
    """Where deep craters are bright, the slope over depth alone is the one of all contrast."""
    units = noise.clamp(-2, 2)
    found = fit_contrast(light, 0.6 * units, units, (0.2 * units).exp())
    assert found.contrast_per_brightness == 0
    assert found.contrast_per_depth == pytest.approx(0.6, abs=0.01)


@pytest.mark.parametrize("garbage", [-6.9, 2.0])
def test_a_tenth_of_garbage_does_not_turn_the_plane(noise, light, garbage) -> None:
    """Black, empty and saturated crops: one contrast whatever the depth, which comes out low."""
    depth = torch.linspace(-2, 2, len(noise))
    units = torch.randn(len(noise), generator=torch.Generator().manual_seed(1)).clamp(-2, 2)
    contrast = -1.5 + 0.4 * depth - 0.2 * units + 0.8 * CONTRAST_NOISE * noise
    depth[::10], units[::10], contrast[::10] = -2.5, -3, garbage
    found = fit_contrast(light, contrast, depth, (0.2 * units).exp())
    assert found.contrast_level == pytest.approx(-1.5, abs=0.03)
    assert found.contrast_per_depth == pytest.approx(0.4, abs=0.02)
    assert found.contrast_per_brightness == pytest.approx(-0.2, abs=0.02)
    assert found.contrast_share == 1


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_craters_all_alike(light, count) -> None:
    """Nothing to fit a plane to: the one that is expected goes through them."""
    alike = torch.ones(count)
    found = fit_contrast(light, -2 * alike, 0.5 * alike, alike)
    assert found.contrast_per_depth == CONTRAST_SLOPE
    assert found.contrast_per_brightness == 0
    assert found.contrast_share == 1
    torch.testing.assert_close(found.excess(-2 * alike, 0.5 * alike, alike), 0 * alike)


def test_of_few_craters_contrast_tells_little(light) -> None:
    one = torch.tensor([0.4])
    found = fit_contrast(light, one, torch.tensor([1.0]), torch.tensor([1.2]))
    assert (found.contrast_per_depth, found.contrast_per_brightness) == (CONTRAST_SLOPE, 0)
    assert found.excess(one, torch.tensor([1.0]), torch.tensor([1.2])) == pytest.approx(0)
    assert light.excess(one, one, one) == 0  # no mosaic seen


def test_excess_does_not_depend_on_the_unit_of_depth(noise, light) -> None:
    seen = fit_contrast(light, 0.5 * noise, noise.flip(0), torch.ones_like(noise))
    other = seen.with_depths(0.7, -0.4)
    one, brightness = torch.ones(3), torch.tensor([0.8, 1.0, 1.3])
    depth = torch.tensor([-1.0, 0.0, 2.0])
    torch.testing.assert_close(
        other.excess(one, 0.7 * depth - 0.4, brightness), seen.excess(one, depth, brightness)
    )
    assert light.with_depths(0.7, -0.4) == light


def test_contrast_is_measured_inside_the_rim() -> None:
    """A wave of known deviation; what lies outside, and texture finer than a cell, do not count."""
    side = torch.arange(48) + 0.5
    wave = 0.3 * torch.sin(2 * torch.pi * side / 24).expand(2, 1, 48, 48).clone()
    expected = torch.tensor([0.3 / 2**0.5]).log()
    scale = torch.tensor([1.0, 0.5])
    found = interior_contrast(wave, scale, 1.5)
    torch.testing.assert_close(found, expected + scale.log(), atol=0.08, rtol=0)
    radius = torch.hypot(side[:, None] - 24, side[None] - 24) / 16
    outside = torch.where(radius > 1.5, 0.9, wave)
    chequered = wave + 0.1 * torch.where((side[:, None] + side) % 2 == 1, 1.0, -1.0)
    for other in (outside, chequered):
        torch.testing.assert_close(interior_contrast(other, scale, 1.5), found)


def test_contrast_changes_sure_depths_little(light) -> None:
    """As the weighted mean of two measurements with independent errors."""
    seen = MosaicLight(contrast_level=-1.0, contrast_per_depth=0.6, contrast_share=0.25)
    variance = torch.tensor([1e-6, 0.2, 1e6])
    of_contrast = CONTRAST_NOISE**2 / 0.25 / 0.6**2  # variance of depth that it tells
    expected = variance / (variance + of_contrast) / 0.6
    torch.testing.assert_close(seen.contrast_gain(variance), expected)
