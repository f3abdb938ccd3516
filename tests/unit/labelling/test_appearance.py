"""The look of a crop ring by ring: what turning changes, what it does not, what it shows."""

import numpy as np
import pytest

from lunar_models.labelling.appearance import appearance, search_features

SIZE, CONTEXT = 49, 1.5
AXIS = (2 * np.arange(SIZE) + 1 - SIZE) / SIZE * CONTEXT
X, Y = np.meshgrid(AXIS, -AXIS)
RADIUS, ANGLE = np.hypot(X, Y), np.arctan2(Y, X)


def crop(harmonic: int = 0, *, within: tuple[float, float] = (1.15, 1.42), phase: float = 0.0):
    """Uniform ground with a wave of brightness along one ring."""
    ring = (within[0] <= RADIUS) & (within[1] > RADIUS)
    return 120.0 * (1.0 + 0.3 * ring * np.cos(harmonic * ANGLE + phase) * (harmonic > 0))


def looks(*crops: np.ndarray) -> np.ndarray:
    return appearance(np.stack(crops), context_diameters=CONTEXT)


def test_a_pattern_is_the_same_however_it_is_turned() -> None:
    plain, ray, turned = looks(crop(), crop(6), crop(6, phase=1.3))
    assert np.abs(ray - turned).max() < 0.2 * np.abs(ray - plain).max()
    brighter = looks(2.0 * crop(6))[0]
    np.testing.assert_allclose(brighter, ray, atol=1e-4)


@pytest.mark.parametrize(
    ("within", "ring"), [((0.12, 0.45), 0), ((0.75, 0.95), 2), ((1.15, 1.42), 4)]
)
def test_power_is_in_the_ring_and_the_harmonics_of_the_wave(within, ring: int) -> None:
    """Eleven features a ring; 1 to 5 are harmonics 1, 2-3, 4-6, 7-9, 10-13."""
    plain, wave = looks(crop(), crop(8, within=within))
    gain = (wave - plain).reshape(5, 11)[:, 1:6]
    assert np.unravel_index(gain.argmax(), gain.shape) == (ring, 3)


def test_bright_streaks_and_dark_ones_differ_in_skewness() -> None:
    streaks = np.maximum(np.cos(6 * ANGLE), 0) ** 3 * (RADIUS > 1.1)
    bright, dark = looks(120 * (1 + 0.4 * streaks), 120 * (1 - 0.4 * streaks))
    assert bright.reshape(5, 11)[4, 7] > 0.5 > -0.5 > dark.reshape(5, 11)[4, 7]


def test_what_a_crop_does_not_show_is_left_out() -> None:
    narrow = appearance(np.full((2, 32, 32), 7, np.uint8), context_diameters=1.0)
    assert narrow.shape == (2, 33)
    assert np.isfinite(narrow).all()
    assert np.isfinite(appearance(np.zeros((1, 32, 32)), context_diameters=1.5)).all()


def test_both_parts_weigh_alike() -> None:
    rng = np.random.default_rng(0)
    joined = search_features(rng.normal(0, 50, (400, 8)), rng.normal(3, 0.1, (400, 20)))
    assert joined.shape == (400, 28)
    for part in (joined[:, :8], joined[:, 8:]):
        assert part.var(axis=0).sum() == pytest.approx(1.0, rel=1e-3)
