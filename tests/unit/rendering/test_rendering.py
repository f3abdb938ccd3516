import math

import pytest
import torch
from torch import Tensor

from lunar_models.degradation.crater_shape import depth_over_diameter
from lunar_models.rendering.craters import RenderedCrops, render_craters


def _render(count: int = 128, seed: int = 0, size: int = 32, context: float = 1.5) -> RenderedCrops:
    generator = torch.Generator().manual_seed(seed)
    return render_craters(count, crop_size_px=size, context_diameters=context, generator=generator)


def _contrast(brightness: Tensor) -> Tensor:
    return brightness.std((1, 2)) / brightness.mean((1, 2))


def test_shapes_and_ranges() -> None:
    crops = _render()
    assert crops.brightness.shape == (128, 32, 32)
    assert crops.brightness.dtype == torch.float32
    assert torch.isfinite(crops.brightness).all()
    assert (crops.brightness >= 0).all()
    assert crops.brightness.mean((1, 2)).sub(90).abs().max() < 5
    assert (crops.log_depth > math.log(0.005)).all()
    assert (crops.log_depth < math.log(0.25)).all()


def test_same_generator_same_crops() -> None:
    assert torch.equal(_render().brightness, _render().brightness)
    assert not torch.equal(_render(seed=1).brightness, _render().brightness)


def test_the_sun_stands_in_the_east() -> None:
    """The wall on the right lies in shade: darker than the left one in nearly all deep craters."""
    crops = _render(256)
    deep = crops.brightness[crops.log_depth > math.log(0.12)][:, 10:22]
    left, right = deep[:, :, 7:14].mean((1, 2)), deep[:, :, 18:25].mean((1, 2))
    assert (right < left).float().mean() > 0.95


def test_contrast_follows_depth() -> None:
    crops = _render(512)
    both = torch.stack([_contrast(crops.brightness).log(), crops.log_depth])
    assert torch.corrcoef(both)[0, 1] > 0.5


def test_depth_is_that_of_the_profile() -> None:
    """Without lava or another fresh depth, depth and K/R² belong together."""
    crops = _render(512)
    pure = torch.from_numpy(depth_over_diameter(crops.log_k_over_r2.exp().numpy()))
    ratio = crops.log_depth.exp() / pure
    assert ((ratio > 0.79) & (ratio < 1.11)).float().mean() > 0.6
    assert ratio.max() < 1.11


@pytest.mark.parametrize("context", [1.0, 3.0])
def test_more_context_shows_a_smaller_crater(context: float) -> None:
    """The darkest column of the mean deep crater lies at its wall, 0.7 radii from the middle."""
    crops = _render(256, size=48, context=context)
    deep = crops.brightness[crops.log_depth > math.log(0.1)].mean(0)[20:28].mean(0)
    darkest = (deep.argmin().item() + 0.5 - 24) / 24 * context
    assert darkest == pytest.approx(0.7, abs=0.25)
