"""Test the profiles of fresh and diffused craters."""

import numpy as np

from lunar_models.degradation.crater_shape import (
    depth_over_diameter,
    diffused_profile,
    fresh_profile,
    state_of,
)


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
