"""Crops as pictures show them."""

import numpy as np

from lunar_models.crops.display import LEAST_RANGE, display_alike, display_crop, typical_range


def test_percentiles_become_black_and_white() -> None:
    ramp = np.linspace(10, 60, 10_000).reshape(100, 100).astype(np.uint8)
    shown = display_crop(ramp)
    assert (shown == 0).mean() > 0.015
    assert (shown == 255).mean() > 0.015
    assert np.all(np.diff(shown.ravel().astype(int)) >= 0)
    assert abs(float(shown.mean()) - 127.5) < 3


def test_brightness_and_contrast_are_levelled() -> None:
    dark, bright = np.uint8([[20, 40], [40, 60]]), np.uint8([[60, 120], [120, 180]])
    np.testing.assert_array_equal(display_crop(dark), display_crop(bright))


def test_a_few_bright_pixels_do_not_darken_the_rest() -> None:
    crop = np.random.default_rng(0).integers(8, 24, (48, 48)).astype(np.uint8)
    crop[:3, :3] = 255
    assert display_crop(crop).std() > 60


def test_noise_is_not_blown_up() -> None:
    flat = np.full((32, 32), 90, np.uint8)
    assert set(np.unique(display_crop(flat))) == {128}
    flat[::2] += 1
    assert np.ptp(display_crop(flat)) <= np.ceil(255 / LEAST_RANGE)


def test_size_of_the_picture() -> None:
    assert display_crop(np.zeros((48, 48), np.uint8), 20).shape == (20, 20)


def test_contrast_can_be_compared_between_crops_that_are_stretched_alike() -> None:
    wave = np.sin(np.linspace(0, 20, 48))[:, None] * np.ones(48)
    crops = np.stack([np.rint(mean * (1 + depth * wave)) for mean in (60, 120)
                      for depth in (0.1, 0.2, 0.4)]).astype(np.uint8)  # fmt: skip
    shown = [float(display_alike(crop, typical_range(crops)).std()) for crop in crops]
    assert shown[1] > 1.8 * shown[0]
    assert shown[2] > 1.2 * shown[1]
    np.testing.assert_allclose(shown[:3], shown[3:], rtol=0.05)  # whatever the brightness
    low, high = typical_range(crops)
    assert 0.75 < low < 0.85
    assert 1.15 < high < 1.25
