"""Craters in heights are bowls on all sides; lit craters are not."""

import numpy as np
import pytest

from lunar_models.cropping.bowls import bowl_correlation, heights_doubt

SIZE, CONTEXT = 32, 1.5


def heights(rng, *, depth=1.0):
    """Bowls with rims on rough, tilted ground, (N, S, S)."""
    offset = (np.arange(SIZE) - (SIZE - 1) / 2.0) / (SIZE / CONTEXT / 2.0)
    east, north = np.meshgrid(offset, -offset)
    distance = np.hypot(east, north)
    bowl = np.where(distance < 1.0, distance**2, np.exp(-4.0 * (distance - 1.0)))
    tilt = rng.normal(0.0, 0.15, (40, 2, 1, 1))
    rough = rng.normal(0.0, 0.05, (40, SIZE, SIZE))
    return depth * bowl + tilt[:, 0] * east + tilt[:, 1] * north + rough


def lit(surface, azimuth_deg):
    down, right = np.gradient(surface, axis=(1, 2))
    azimuth = np.radians(azimuth_deg)
    return -(right * np.sin(azimuth) - down * np.cos(azimuth))


def to_bytes(values):
    low, high = np.percentile(values, (0.1, 99.9))
    return np.clip(255.0 * (values - low) / (high - low), 0, 255).astype(np.uint8)


def test_heights_are_doubted():
    crops = to_bytes(heights(np.random.default_rng(0)))
    assert (bowl_correlation(crops, CONTEXT) > 0.8).mean() > 0.9
    doubt = heights_doubt(crops, CONTEXT)
    assert doubt is not None
    assert "shade=90,65" in doubt
    assert "of 40 craters" in doubt
    turned = np.rot90(crops, axes=(1, 2))
    np.testing.assert_allclose(
        bowl_correlation(turned, CONTEXT), bowl_correlation(crops, CONTEXT), atol=1e-9
    )
    assert heights_doubt(crops[:11], CONTEXT) is None  # too few
    many = heights_doubt(np.tile(crops, (25, 1, 1)), CONTEXT)
    assert many is not None
    assert "of 500 craters" in many  # every second of 1,000


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, 200.0, "any"])
def test_lit_craters_are_not(azimuth_deg):
    rng = np.random.default_rng(1)
    azimuth = rng.uniform(0, 360, (40, 1, 1)) if azimuth_deg == "any" else azimuth_deg
    crops = to_bytes(lit(heights(rng), azimuth))
    assert (np.abs(bowl_correlation(crops, CONTEXT)) < 0.3).mean() > 0.9
    assert heights_doubt(crops, CONTEXT) is None


def test_crops_without_contrast_say_nothing():
    crops = np.full((40, SIZE, SIZE), 7, np.uint8)
    assert np.isnan(bowl_correlation(crops, CONTEXT)).all()
    assert heights_doubt(crops, CONTEXT) is None
    assert heights_doubt(crops[:0], CONTEXT) is None
