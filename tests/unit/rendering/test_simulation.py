import math

import numpy as np
import pytest
import torch
from torch import Tensor

from lunar_models.crops.normalisation import Normalisation
from lunar_models.degradation.complex_craters import complex_depth_km
from lunar_models.rendering.central_crater import COMPLEX_KM, complex_crater, simple_crater
from lunar_models.rendering.fields import Grid
from lunar_models.rendering.photography import PSF_PX, SCALE_DEVIATIONS, contrast_scale
from lunar_models.rendering.random_numbers import Chance
from lunar_models.rendering.simulation import (
    QUANTITIES,
    SimulatedCrops,
    normalised,
    simulate_crops,
)

DEPTH, SUPERPOSED, FILL, INCIDENCE, BLUR = (
    QUANTITIES.index(name)
    for name in ("log_depth", "log_superposed", "fill", "incidence", "log_blur")
)
GRID = Grid(64, 3 / 48, torch.device("cpu"))


def _generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def crops() -> SimulatedCrops:
    return simulate_crops(256, crop_size_px=32, context_diameters=1.5, generator=_generator())


def test_shapes_and_ranges(crops: SimulatedCrops) -> None:
    assert crops.brightness.shape == (256, 2, 32, 32)
    assert torch.equal(crops.brightness, crops.brightness.round())
    assert crops.brightness.min() >= 0
    assert crops.brightness.max() <= 255
    assert crops.truth.shape == (256, 2, len(QUANTITIES))
    assert torch.isfinite(crops.truth).all()
    assert (crops.truth[..., DEPTH] <= math.log(0.25)).all()
    assert crops.truth[..., INCIDENCE].min() >= 48
    assert crops.truth[..., INCIDENCE].max() <= 87


@pytest.mark.parametrize("seed", range(4))
def test_few_crops(seed: int) -> None:
    """Among so few none may be blurred, or none enlarged."""
    few = simulate_crops(2, crop_size_px=32, context_diameters=1.5, generator=_generator(seed))
    assert torch.isfinite(few.truth).all()


def test_some_crops_are_unsharp_and_their_truth_says_so(crops: SimulatedCrops) -> None:
    """What is blurred beyond the optics has little contrast between neighbouring pixels."""
    unsharp = crops.truth[..., BLUR] > math.log(2 * PSF_PX[1])
    assert 0.02 < unsharp.float().mean() < 0.2
    near = (crops.brightness[..., 1:] - crops.brightness[..., :-1]).square().mean((2, 3))
    far = (crops.brightness[..., 6:] - crops.brightness[..., :-6]).square().mean((2, 3))
    part = near / far
    assert part[unsharp].median() < 0.6 * part[~unsharp].median()


def test_same_generator_same_crops(crops: SimulatedCrops) -> None:
    again = simulate_crops(256, crop_size_px=32, context_diameters=1.5, generator=_generator())
    assert torch.equal(again.brightness, crops.brightness)
    other = simulate_crops(256, crop_size_px=32, context_diameters=1.5, generator=_generator(1))
    assert not torch.equal(other.brightness, crops.brightness)


def test_two_photographs_of_one_crater_in_other_light(crops: SimulatedCrops) -> None:
    first, second = crops.truth[:, 0], crops.truth[:, 1]
    assert torch.equal(first[:, :INCIDENCE], second[:, :INCIDENCE])
    assert not torch.equal(first[:, INCIDENCE], second[:, INCIDENCE])
    # The second one is upside down: turned over, it resembles the first more.
    one, two = (crops.brightness[:, n] for n in (0, 1))
    assert _correlation(one, two.flip(1)).mean() > _correlation(one, two).mean() + 0.05


def _correlation(one: Tensor, two: Tensor) -> Tensor:
    one, two = (v - v.mean((1, 2), keepdim=True) for v in (one, two))
    norms = one.square().sum((1, 2)) * two.square().sum((1, 2))
    return (one * two).sum((1, 2)) / norms.sqrt().clamp_min(1e-6)


def test_the_sun_stands_in_the_east(crops: SimulatedCrops) -> None:
    deep = crops.brightness[crops.truth[:, 0, DEPTH] > math.log(0.13), 0][:, 10:22]
    left, right = deep[:, :, 7:14].mean((1, 2)), deep[:, :, 18:25].mean((1, 2))
    assert len(deep) > 20
    assert (right < left).float().mean() > 0.9


def test_depth_of_a_simple_crater_is_that_of_its_relief() -> None:
    crater = simple_crater(Chance(40, _generator()), GRID)
    found = (crater.height.amax((1, 2)) - crater.height.amin((1, 2))) / 2
    assert ((found / crater.depth - 1).abs() < 0.15).float().mean() > 0.9


def test_a_fresh_complex_crater_is_as_deep_as_pike_found() -> None:
    crater = complex_crater(Chance(400, _generator()), GRID)
    fresh = (crater.root_k < 0.06) & (crater.fill == 0)
    assert fresh.sum() > 10
    assert crater.relative_depth[fresh].median().item() == pytest.approx(1.0, abs=0.15)
    ends = [complex_depth_km(d) / d for d in COMPLEX_KM]
    assert crater.depth[fresh].min() > 0.6 * min(ends)
    assert crater.depth[fresh].max() < 1.4 * max(ends)


def test_lava_makes_shallow(crops: SimulatedCrops) -> None:
    crater = complex_crater(Chance(400, _generator()), GRID)
    filled, empty = crater.fill > 0.6, crater.fill == 0
    assert crater.relative_depth[filled].median() < 0.5 * crater.relative_depth[empty].median()


def test_worn_craters_carry_more_younger_ones(crops: SimulatedCrops) -> None:
    together = torch.stack([crops.truth[:, 0, 0], crops.truth[:, 0, SUPERPOSED]])
    assert torch.corrcoef(together)[0, 1] > 0.5


def test_contrast_scale_of_known_contrast() -> None:
    """Half of the pixels at 1 + c, half at 1 - c, at any level: the deviation is c."""
    sign = torch.ones(16, 16)
    sign[:8] = -1
    contrast = torch.tensor([0.1, 0.3, 0.1, 0.3, 0.1, 0.3])
    brightness = (1 + contrast[:, None, None] * sign) * torch.linspace(40, 90, 6)[:, None, None]
    scale = contrast_scale(brightness, torch.arange(6) % 2, 2)
    torch.testing.assert_close(scale, SCALE_DEVIATIONS * contrast, rtol=0.01, atol=0)


def test_normalised_as_stored_crops_are() -> None:
    stored = torch.randint(1, 255, (3, 16, 16), generator=_generator())
    expected = Normalisation(kind="ratio", clip=0.7)(stored)
    torch.testing.assert_close(normalised(stored, torch.full((3,), 0.7)), expected)


def test_several_mosaics_at_once_have_each_their_own_light() -> None:
    made = simulate_crops(
        512, crop_size_px=16, context_diameters=1.5, generator=_generator(), mosaics=4
    )
    assert made.brightness.shape == (512, 2, 16, 16)
    # Quantiles of the part of complex craters, 0.6 u²: 1, 11, 30 and 59 of 128, after the simple.
    numbers = [1, 11, 30, 59]
    mosaic = np.repeat([*range(4), *range(4)], [*(128 - n for n in numbers), *numbers])
    incidence = made.truth[:, 0, INCIDENCE].numpy()
    means = [incidence[mosaic == n].mean() for n in range(4)]
    within = np.mean([incidence[mosaic == n].std() for n in range(4)])
    shuffled = np.random.default_rng(0).permutation(mosaic)
    apart = np.std([incidence[shuffled == n].mean() for n in range(4)])
    assert np.std(means) > 3 * apart
    assert within < incidence.std()


def test_contrast_of_several_mosaics_is_that_of_each() -> None:
    brightness = 100 + 20 * torch.randn(30, 8, 8, generator=_generator())
    mosaic = torch.arange(30) % 3
    together = contrast_scale(brightness, mosaic, 3)
    for n in range(3):
        part = brightness[mosaic == n]
        alone = contrast_scale(part, torch.zeros(len(part), dtype=torch.int64), 1)
        assert torch.equal(together[mosaic == n], alone)
