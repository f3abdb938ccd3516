"""Test what is read of a mosaic's light."""

import pytest
import torch

from lunar_models.encoders.mosaic_light import INCIDENCE_NOISE, MosaicLight, fit_light


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
