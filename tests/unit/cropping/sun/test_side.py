import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunar_models.cropping.sun.side import sun_side_evidence, sun_side_template, vote_sun_side


def bowls(count, size=48, *, east, contrast=40.0, seed=0, context=1.5):
    """Bowls lit from the east (or west), on noisy ground with a slope of brightness."""
    generator = np.random.default_rng(seed)
    axis = (2 * np.arange(size) + 1 - size) / size * context
    x, y = np.meshgrid(axis, axis)
    shade = np.where(np.hypot(x, y) < 1, -x, 0.0) * np.where(east, 1.0, -1.0)[:, None, None]
    slope = generator.normal(0, 15, (count, 1, 1)) * x
    noise = generator.normal(0, 8, (count, size, size))
    return np.clip(110 + contrast * shade + slope + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("size", "context"), [(16, 1.5), (64, 1.5), (224, 2.5), (48, 1.0)])
def test_template_is_balanced(size, context):
    template = sun_side_template(size, context)
    assert template.dtype == np.float32
    assert template.sum() == pytest.approx(0, abs=1e-4)
    assert (template**2).sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(template, -template[:, ::-1], atol=1e-7)
    if context > 1.2:
        ramp = np.arange(size) - (size - 1) / 2
        assert (template * ramp).sum() == pytest.approx(0, abs=1e-3)


def test_dark_right_half_means_sun_in_the_east():
    east = np.random.default_rng(2).random(200) < 0.5
    evidence = sun_side_evidence(bowls(200, east=east))
    assert ((evidence > 0) == east).all()
    assert np.abs(evidence).max() <= 1.0


def test_evidence_ignores_a_slope_of_brightness():
    ramp = np.tile(np.linspace(20, 220, 64), (64, 1))[None]
    assert abs(sun_side_evidence(ramp)[0]) < 0.02
    assert abs(sun_side_evidence(np.full((1, 8, 8), 7.0))[0]) < 1e-6


@given(st.integers(0, 10_000))
def test_mirrored_crop_gives_opposite_evidence(seed):
    crops = np.random.default_rng(seed).integers(0, 256, (3, 24, 24)).astype(np.uint8)
    evidence = sun_side_evidence(crops)
    np.testing.assert_allclose(evidence, -sun_side_evidence(crops[:, :, ::-1]), atol=1e-5)


def scattered(count, seams, seed=0, strength=0.06, noise=0.08):
    """Craters anywhere; the Sun changes side at each seam; a fifth of the evidence is wrong."""
    generator = np.random.default_rng(seed)
    longitude = generator.uniform(-180, 180, count)
    latitude = generator.uniform(-60, 60, count)
    east = np.searchsorted(seams, longitude) % 2 == 0
    evidence = np.where(east, strength, -strength) + generator.normal(0, noise, count)
    return longitude, latitude, east, evidence


@pytest.mark.parametrize("seams", [(), (-90, 0, 90), (-151.3, -97.7, 3.2, 11.9, 140.0)])
def test_vote_mends_single_errors_and_finds_seams(seams):
    longitude, latitude, east, evidence = scattered(20_000, seams)
    assert ((evidence > 0) == east).mean() < 0.85
    probability = vote_sun_side(longitude_deg=longitude, latitude_deg=latitude, evidence=evidence)
    assert ((probability > 0.5) == east).mean() > 0.995
    sure = np.maximum(probability, 1 - probability) > 0.99
    assert sure.mean() > 0.95
    assert ((probability > 0.5) == east)[sure].mean() > 0.999


def test_seams_may_differ_between_zones_of_latitude():
    longitude, latitude, _, _ = scattered(20_000, ())
    east = longitude > np.where(latitude > 0, 20.0, -20.0)
    evidence = np.where(east, 0.06, -0.06) + np.random.default_rng(1).normal(0, 0.08, len(east))
    probability = vote_sun_side(longitude_deg=longitude, latitude_deg=latitude, evidence=evidence)
    assert ((probability > 0.5) == east).mean() > 0.99


def test_lone_crater_falls_back_on_its_own_evidence():
    for evidence in (0.2, -0.2):
        (probability,) = vote_sun_side(
            longitude_deg=np.zeros(1), latitude_deg=np.zeros(1), evidence=np.array([evidence])
        )
        assert (probability > 0.9) == (evidence > 0)
        assert 0.9 < max(probability, 1 - probability) < 0.99


def test_distant_neighbours_do_not_outvote_a_crater():
    probability = vote_sun_side(
        longitude_deg=np.array([-120.0, 0.0, 120.0]),
        latitude_deg=np.zeros(3),
        evidence=np.array([0.3, -0.1, 0.3]),
    )
    assert probability[1] < 0.2


def test_vote_does_not_depend_on_order_or_turn():
    longitude, latitude, _, evidence = scattered(3_000, (-20.0, 70.0))
    first = vote_sun_side(longitude_deg=longitude, latitude_deg=latitude, evidence=evidence)
    shuffle = np.random.default_rng(4).permutation(len(longitude))
    again = vote_sun_side(
        longitude_deg=longitude[shuffle] % 360,
        latitude_deg=latitude[shuffle],
        evidence=evidence[shuffle],
    )
    np.testing.assert_allclose(again, first[shuffle], rtol=1e-9)
