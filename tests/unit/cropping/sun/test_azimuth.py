"""Azimuths found against azimuths planted."""

import numpy as np
import pandas as pd
import pytest

from lunar_models.cropping.sun.azimuth import (
    azimuth_evidence,
    own_azimuth,
    vote_azimuth,
)
from lunar_models.cropping.sun.confidence import AZIMUTH, SIDE, calibrate
from lunar_models.cropping.sun.estimation import find_sun
from lunar_models.cropping.sun.side_test import coherence, is_lit_from_the_side

SIZE = 48


def bowls(azimuth_deg, *, noise=3.0, seed=0):
    """Crops of a bowl whose half towards the azimuth is dark, north up."""
    axis = (2 * np.arange(SIZE) + 1 - SIZE) / SIZE * 1.5
    x, y = np.meshgrid(axis, -axis)
    radius = np.hypot(x, y)
    turn = np.radians(np.asarray(azimuth_deg, float))[:, None, None]
    facing = x * np.sin(turn) + y * np.cos(turn)
    shade = np.where(radius < 1, -facing, np.where(radius < 1.3, 0.5 * facing / radius, 0))
    return 90 + 40 * shade + np.random.default_rng(seed).normal(0, noise, shade.shape)


def away(a, b):
    return np.abs((np.asarray(a) - b + 180) % 360 - 180)


def scattered(count, seed=0, *, longitude=(-20, 20), latitude=(-20, 20)):
    generator = np.random.default_rng(seed)
    return {
        "longitude_deg": generator.uniform(*longitude, count),
        "latitude_deg": generator.uniform(*latitude, count),
    }


def vectors(azimuth_deg, length, *, noise=0.06, seed=1):
    """Evidence as craters give it: towards the azimuth, and noise."""
    turn = np.radians(azimuth_deg)
    towards = length * np.stack((np.sin(turn), np.cos(turn)), axis=1)
    return towards + np.random.default_rng(seed).normal(0, noise, towards.shape)


@pytest.mark.parametrize("azimuth_deg", [0, 37, 90, 151, 180, 222, 270, 333])
def test_evidence_points_to_the_planted_azimuth(azimuth_deg):
    evidence = azimuth_evidence(bowls([azimuth_deg] * 8))
    belief = own_azimuth(evidence)
    assert away(belief.azimuth_deg, azimuth_deg).max() < 3
    assert (np.hypot(*evidence.T) > 0.5).all()
    assert (belief.std_deg < 45).all()


def test_evidence_of_blank_ground_is_none():
    assert np.abs(azimuth_evidence(np.full((2, SIZE, SIZE), 80.0))).max() < 5e-3
    assert own_azimuth(np.zeros((1, 2))).confidence[0] == pytest.approx(30 / 360, abs=0.01)


def test_own_confidence_is_calibrated():
    """Of vectors with the noise that is assumed, as many point the right way as is said."""
    generator = np.random.default_rng(0)
    azimuth = generator.uniform(0, 360, 6000)
    evidence = vectors(azimuth, generator.uniform(0, 0.45, 6000)[:, None], noise=0.09)
    belief = own_azimuth(evidence)
    right = away(belief.azimuth_deg, azimuth) < 15
    for low, high in ((0.1, 0.3), (0.3, 0.5), (0.5, 0.8)):
        said = (belief.confidence >= low) & (belief.confidence < high)
        assert right[said].mean() == pytest.approx(belief.confidence[said].mean(), abs=0.08)


def test_neighbours_mend_weak_evidence():
    place = scattered(800)
    azimuth = np.full(800, 140.0)
    evidence = vectors(azimuth, 0.2, noise=0.09)
    belief = vote_azimuth(**place, evidence=evidence)
    assert (away(own_azimuth(evidence).azimuth_deg, azimuth) < 15).mean() < 0.6
    assert (away(belief.azimuth_deg, azimuth) < 15).mean() > 0.93


def test_seams_stay_sharp():
    """Two scenes meet at longitude 3: craters beside the seam are not drawn across."""
    place = scattered(2000)
    azimuth = np.where(place["longitude_deg"] < 3, 60.0, 200.0)
    belief = vote_azimuth(**place, evidence=vectors(azimuth, 0.4, noise=0.09))
    wrong = away(belief.azimuth_deg, azimuth) > 15
    assert wrong.mean() < 0.01
    near = np.abs(place["longitude_deg"] - 3) < 0.5
    assert wrong[near].mean() < 0.1


@pytest.mark.parametrize("pole", [1, -1])
def test_one_sun_around_a_pole(pole):
    """The Sun stands in one direction of space; its azimuth goes with the longitude."""
    place = scattered(800, longitude=(-180, 180), latitude=(84, 89.9))
    place["latitude_deg"] *= pole
    azimuth = (40.0 + pole * place["longitude_deg"]) % 360
    belief = vote_azimuth(**place, evidence=vectors(azimuth, 0.2, noise=0.07))
    assert (away(belief.azimuth_deg, azimuth) < 15).mean() > 0.97


def test_noise_is_unknown():
    belief = vote_azimuth(
        **scattered(2000), evidence=np.random.default_rng(0).normal(0, 0.06, (2000, 2))
    )
    assert (belief.confidence > 0.5).mean() < 0.02
    assert belief.confidence.mean() < 0.3


def test_result_depends_neither_on_order_nor_on_threads():
    place, azimuth = scattered(300), np.full(300, 250.0)
    evidence = vectors(azimuth, 0.3)
    first = vote_azimuth(**place, evidence=evidence)
    order = np.random.default_rng(2).permutation(300)
    again = vote_azimuth(
        longitude_deg=place["longitude_deg"][order],
        latitude_deg=place["latitude_deg"][order],
        evidence=evidence[order],
        workers=3,
    )
    np.testing.assert_allclose(first.azimuth_deg[order], again.azimuth_deg, atol=0.01)
    alone = vote_azimuth(longitude_deg=[5.0], latitude_deg=[70.0], evidence=evidence[:1])
    np.testing.assert_allclose(alone, own_azimuth(evidence[:1]))


@pytest.mark.parametrize(
    ("azimuths_deg", "answer"),
    [((90, 270), True), ((97, 263), True), ((120, 240), False), ((180, 180), False)],
)
def test_mosaics_lit_from_the_side_are_recognised(azimuths_deg, answer):
    place = scattered(1500)
    in_east = place["longitude_deg"] < 0
    evidence = vectors(np.where(in_east, *azimuths_deg), 0.4, noise=0.09)
    east = np.where(evidence[:, 0] > 0, 0.99, 0.01)
    assert is_lit_from_the_side(**place, evidence=evidence, east=east) is answer


def test_texture_without_light_is_no_sun_from_elsewhere():
    """Strong evidence that agrees with nobody, as of blurred noise: nothing is turned for it."""
    place = scattered(3000)
    evidence = np.random.default_rng(0).normal(0, 0.2, (3000, 2))
    assert abs(coherence(**place, evidence=evidence)) < 0.1
    east = np.full(3000, 0.5)
    assert is_lit_from_the_side(**place, evidence=evidence, east=east)
    around = scattered(3000, longitude=(-180, 180), latitude=(80, 89.9))
    lit = vectors((30 + around["longitude_deg"]) % 360, 0.3, noise=0.09)
    assert coherence(**around, evidence=lit) > 0.7
    assert not is_lit_from_the_side(**around, evidence=lit, east=east)


def one_region(count, seed=0):
    rng = np.random.default_rng(seed)
    return {"longitude_deg": rng.uniform(0, 5, count), "latitude_deg": rng.uniform(40, 45, count)}


def test_a_crater_that_contradicts_all_its_neighbours_is_seldom_believed():
    """Its neighbours, faint and scattered, are lit from the east: 0.05 of strays believes 30."""
    believed = 0
    for mean in (0.2, 0.3):
        for seed in range(40):
            evidence = np.random.default_rng(seed).normal((mean, 0.0), 0.3, (60, 2))
            evidence[0] = [-0.4, 0.0]
            belief = vote_azimuth(**one_region(60, seed), evidence=evidence)
            believed += belief.azimuth_deg[0] > 180.0 and belief.confidence[0] >= 0.5
    assert believed <= 24


def test_confidence_is_lowered_and_keeps_its_order():
    stated = np.linspace(0.0, 1.0, 101)
    for calibration in (AZIMUTH, SIDE):
        lowered = calibrate(stated, calibration)
        assert (lowered <= stated).all()
        assert (np.diff(lowered) >= 0.0).all()
        assert lowered[0] < 1e-6
        assert lowered[-1] > 0.999
    # logit(0.7) = 0.8473; 1 / (1 + exp(1.04 - 1.79 * 0.8473)) = 0.6169
    assert calibrate(np.array([0.7]), AZIMUTH)[0] == pytest.approx(0.6169, abs=1e-4)


def test_the_side_of_a_lone_contradiction_is_stated_as_uncertain():
    """East everywhere, one crop beyond doubt in the west: as likely a stray as a seam."""
    place = {"longitude_deg": np.arange(60) * 0.5, "latitude_deg": np.zeros(60)}
    evidence = np.column_stack([np.full(60, 0.4), np.zeros(60)]).astype(np.float32)
    evidence[30, 0] = -0.4
    table = find_sun(pd.DataFrame(place), evidence)
    assert table["illumination_confidence"].between(0.5, 1.0).all()
    assert (table["sun_azimuth_deg"].to_numpy() == 90.0).all()
