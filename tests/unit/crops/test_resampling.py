import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lunar_models.crops.resampling import resize_crop


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 70), st.integers(0, 255))
def test_flat_image_stays_flat(height, width, size, grey):
    image = np.full((height, width), grey, np.uint8)
    resized = resize_crop(image, size)
    assert resized.shape == (size, size)
    assert (resized == grey).all()


@pytest.mark.parametrize("shape", [(64, 64), (31, 57)])
def test_same_size_is_the_identity(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    if shape == (64, 64):
        np.testing.assert_array_equal(resize_crop(image, 64), image)
    assert resize_crop(image.astype(np.float64), 40).dtype == np.float32


@pytest.mark.parametrize("size", [20, 50, 100, 224])
def test_agrees_with_pillow(size):
    """Away from the edges, which Pillow treats otherwise."""
    image = np.random.default_rng(1).normal(120, 25, (100, 100)).clip(0, 255).astype(np.uint8)
    ours = resize_crop(image, size).astype(float)
    theirs = np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC))
    inner = slice(size // 10, -(size // 10))
    assert np.abs(ours - theirs)[inner, inner].max() <= 1.0


def test_shrinking_removes_what_it_cannot_hold():
    stripes = np.tile(np.array([0, 200], np.uint8), (128, 64))
    inner = resize_crop(stripes, 31)[:, 2:-2]  # at the edges the last stripe goes on
    assert np.abs(inner.astype(float) - 100).max() < 2


def test_enlarging_keeps_a_ramp_straight():
    ramp = np.tile(np.linspace(0, 200, 21, dtype=np.float32), (21, 1))
    row = resize_crop(ramp, 84)[40, 12:-12]
    assert np.abs(np.diff(row) - 2.5).max() < 0.01
