import numpy as np
import pytest

from lunar_models.evaluation.bootstrap import BlockBootstrap, percentile_interval


@pytest.fixture
def blocks():
    return np.random.default_rng(0).integers(100, 130, 400)


def test_totals_are_those_of_the_repeated_rows(blocks):
    rows = np.random.default_rng(1).normal(size=(400, 2, 3))
    bootstrap = BlockBootstrap.draw(blocks, 5, seed=0)
    for replicate in range(6):
        repeats = bootstrap.weights(replicate).astype(int)
        expected = np.repeat(rows, repeats, axis=0).sum(0)
        assert bootstrap.totals(rows)[replicate] == pytest.approx(expected)


def test_counts_of_codes_equal_the_totals_of_their_indicators(blocks):
    codes = np.random.default_rng(2).integers(0, 6, 400)
    bootstrap = BlockBootstrap.draw(blocks, 7, seed=0)
    assert (bootstrap.counts_of(codes, 6) == bootstrap.totals(np.eye(6)[codes])).all()


def test_blocks_are_drawn_whole_and_by_seed(blocks):
    bootstrap = BlockBootstrap.draw(blocks, 50, seed=3)
    assert (bootstrap.counts.sum(1) == 30).all()
    weights = bootstrap.weights(1)
    assert all(len(set(weights[blocks == block])) == 1 for block in np.unique(blocks))
    assert (BlockBootstrap.draw(blocks, 50, seed=3).counts == bootstrap.counts).all()
    assert (BlockBootstrap.draw(blocks, 50, seed=4).counts != bootstrap.counts).any()
    assert (bootstrap.counts[0] == 1).all()


def test_interval_is_as_wide_as_theory_says():
    values = np.random.default_rng(0).normal(size=900)
    bootstrap = BlockBootstrap.draw(np.arange(900), 4000, seed=0)
    means = (bootstrap.totals(values) / bootstrap.totals(np.ones(900)))[1:]
    assert bootstrap.totals(values)[0] == pytest.approx(values.sum())
    low, high = percentile_interval(means, 0.95)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 30, rel=0.06)


def test_rows_of_one_block_count_as_one_observation():
    by_block = np.random.default_rng(0).normal(size=30)
    values, blocks = np.repeat(by_block, 30), np.repeat(np.arange(30), 30)
    bootstrap = BlockBootstrap.draw(blocks, 4000, seed=0)
    low, high = percentile_interval(bootstrap.totals(values)[1:] / 900, 0.95)
    assert (high - low) / 2 == pytest.approx(1.96 * by_block.std() / 30**0.5, rel=0.1)


def test_undefined_replicates_are_left_out():
    assert percentile_interval(np.array([np.nan, 1.0, 1.0]), 0.9) == (1.0, 1.0)
    assert np.isnan(percentile_interval(np.array([np.nan]), 0.9)).all()
