import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold

from lunar_models.catalogue.splits import (
    assign_splits,
    fitting_block_deg,
    footprint_radius_km,
    overlapping,
    spatial_blocks,
    spatial_folds,
)
from lunar_models.errors import ConfigError
from lunar_models.moon import MOON_RADIUS_KM

FRACTIONS = {"block_deg": 4.0, "validation_fraction": 0.1, "test_fraction": 0.2}


def places(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "longitude_deg": rng.uniform(-180, 180, count),
        "latitude_deg": np.degrees(np.arcsin(rng.uniform(-1, 1, count))),
    }


def blocks_at(*pairs: tuple[float, float]) -> list[int]:
    longitude, latitude = np.array(pairs, float).T
    ids = spatial_blocks(longitude_deg=longitude, latitude_deg=latitude, block_deg=4.0)
    return ids.tolist()


def test_blocks_have_their_edges_at_multiples_of_their_side():
    low, high, next_column, next_row, below_zero = blocks_at(
        (4.0, 8.0), (7.99, 11.99), (8.0, 8.0), (4.0, 12.0), (-0.01, 8.0)
    )
    assert low == high
    assert len({low, next_column, next_row, below_zero}) == 4


@given(st.floats(-180, 179.9), st.floats(-90, 90), st.sampled_from([-360, 360, 720]))
def test_a_turn_of_the_longitude_changes_no_block(longitude, latitude, turn):
    near, far = blocks_at((longitude, latitude), (longitude + turn, latitude))
    assert near == far or abs(longitude / 4 - round(longitude / 4)) < 1e-9


def test_splits_depend_on_place_and_seed_only():
    everyone = places(5000)
    chosen = np.random.default_rng(1).permutation(5000)[:700]
    some = {name: values[chosen] for name, values in everyone.items()}
    splits = assign_splits(**everyone, **FRACTIONS, seed=7)
    assert (assign_splits(**some, **FRACTIONS, seed=7) == splits[chosen]).all()
    assert (assign_splits(**everyone, **FRACTIONS, seed=8) != splits).any()


def test_without_a_side_blocks_follow_the_extent_of_all_craters():
    """So splits of a part agree with those of the whole only where block_deg is given."""
    everyone = places(5000)
    near = (abs(everyone["longitude_deg"]) < 8) & (abs(everyone["latitude_deg"]) < 8)
    some = {name: values[near] for name, values in everyone.items()}
    options = {**FRACTIONS, "block_deg": None}
    own_side = fitting_block_deg(**some)
    assert own_side < fitting_block_deg(**everyone) == 4.0
    of_part, of_all = (assign_splits(**each, **options, seed=7) for each in (some, everyone))
    assert (of_part != of_all[near]).any()
    same_side = {**FRACTIONS, "block_deg": own_side}
    assert (of_part == assign_splits(**everyone, **same_side, seed=7)[near]).all()


def test_no_block_is_in_two_splits_and_the_fractions_hold():
    craters = places(60_000)
    splits = assign_splits(**craters, **FRACTIONS, seed=0)
    blocks = spatial_blocks(**craters, block_deg=4.0)
    _, first, inverse = np.unique(blocks, return_index=True, return_inverse=True)
    assert (splits == splits[first][inverse]).all()
    assert np.mean(splits == "test") == pytest.approx(0.2, abs=0.03)
    assert np.mean(splits == "validation") == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(("validation", "test"), [(-0.1, 0.2), (0.5, 0.5)])
def test_fractions_that_leave_nothing_to_train_on(validation, test):
    with pytest.raises(ConfigError, match="sum below 1"):
        assign_splits(
            **places(3),
            block_deg=4.0,
            validation_fraction=validation,
            test_fraction=test,
            seed=0,
        )


def test_a_block_must_have_a_size():
    with pytest.raises(ConfigError, match="above 0"):
        spatial_blocks(**places(3), block_deg=0.0)


def test_folds_are_those_of_group_k_fold():
    blocks = np.random.default_rng(0).integers(0, 40, 500)
    folds = spatial_folds(blocks, 5)
    for fold, (_, test) in enumerate(GroupKFold(5).split(blocks, groups=blocks)):
        assert (np.flatnonzero(folds == fold) == test).all()


def test_too_few_blocks_for_the_folds():
    with pytest.raises(ConfigError, match="3 spatial blocks"):
        spatial_folds(np.array([1, 2, 3, 3]), 5)


def test_footprint_reaches_the_corners():
    assert footprint_radius_km(np.array([2.0]), 1.5) == pytest.approx(np.hypot(1.5, 1.5))


def test_overlap_equals_the_pairwise_rule():
    crops, reference = places(400, seed=2), places(300, seed=3)
    rng = np.random.default_rng(4)
    radius, reference_radius = 10 ** rng.uniform(0, 2.4, 400), 10 ** rng.uniform(0, 2.4, 300)
    found = overlapping(
        **crops,
        radius_km=radius,
        reference_longitude_deg=reference["longitude_deg"],
        reference_latitude_deg=reference["latitude_deg"],
        reference_radius_km=reference_radius,
    )
    cosine = _unit(crops) @ _unit(reference).T
    distance = np.arccos(np.clip(cosine, -1, 1)) * MOON_RADIUS_KM
    expected = (distance < radius[:, None] + reference_radius[None, :]).any(axis=1)
    assert (found == expected).all()
    assert 20 < expected.sum() < 380


@pytest.mark.parametrize(("gap_km", "expected"), [(-0.01, True), (0.01, False)])
def test_overlap_across_the_antimeridian(gap_km, expected):
    step_deg = np.degrees((5.0 + gap_km) / MOON_RADIUS_KM)
    found = overlapping(
        longitude_deg=np.array([180.0 - step_deg / 2]),
        latitude_deg=np.array([0.0]),
        radius_km=np.array([2.0]),
        reference_longitude_deg=np.array([-180.0 + step_deg / 2]),
        reference_latitude_deg=np.array([0.0]),
        reference_radius_km=np.array([3.0]),
    )
    assert found.tolist() == [expected]


def test_nothing_overlaps_an_empty_reference():
    empty = np.empty(0)
    found = overlapping(
        **places(3),
        radius_km=np.ones(3),
        reference_longitude_deg=empty,
        reference_latitude_deg=empty,
        reference_radius_km=empty,
    )
    assert not found.any()


def _unit(craters):
    longitude, latitude = (np.radians(craters[name]) for name in ("longitude_deg", "latitude_deg"))
    across = np.cos(latitude)
    return np.stack([across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], 1)


@pytest.mark.parametrize(("extent_deg", "block_deg"), [(360, 4), (60, 4), (10, 1), (3, 0.25)])
def test_small_maps_get_smaller_blocks(extent_deg, block_deg):
    longitude = np.linspace(0, extent_deg, 500, endpoint=False)
    latitude = np.zeros(500)
    assert fitting_block_deg(longitude_deg=longitude, latitude_deg=latitude) == block_deg
    given, fitting = (
        spatial_blocks(longitude_deg=longitude, latitude_deg=latitude, block_deg=side)
        for side in (block_deg, None)
    )
    np.testing.assert_array_equal(given, fitting)
