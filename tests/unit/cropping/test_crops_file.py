import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lunar_models.cropping.storage.crops_file import CropsFile, kept_order, mirror


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_kept_order_takes_from_the_end_only(flags):
    keep = np.array(flags)
    order = kept_order(keep)
    assert sorted(order) == np.flatnonzero(keep).tolist()
    moved = order != np.arange(len(order))
    assert (order[moved] >= len(order)).all()


@pytest.mark.parametrize("size", [8, 15])
def test_mirror_swaps_left_and_right_of_the_chosen(size):
    crops = np.random.default_rng(0).integers(0, 256, (5, size, size)).astype(np.uint8)
    chosen = np.array([True, False, True, False, False])
    expected = np.where(chosen[:, None, None], crops[:, :, ::-1], crops)
    mirror(crops, chosen)
    np.testing.assert_array_equal(crops, expected)


@pytest.mark.parametrize("count", [1, 3, 37])
def test_finished_file_holds_the_crops_and_their_summary(tmp_path, monkeypatch, count):
    monkeypatch.setattr("lunar_models.cropping.storage.crops_file.PIECE_BYTES", 5 * 64)
    generator = np.random.default_rng(count)
    raw = generator.integers(0, 256, (count, 8, 8)).astype(np.uint8)
    keep = generator.random(count) < 0.7
    keep[-1] = True
    file = CropsFile(tmp_path / "crops.npy", 8)
    file.allocate(count)
    with open(file.path, "r+b") as target:
        for n in generator.permutation(count):
            file.write_raw(target.fileno(), np.array([n]), raw[n : n + 1], count=count)
    order = kept_order(keep)
    flipped = generator.random(len(order)) < 0.5
    ids = [f"c{n}" for n in order]
    summary = file.finish(order, flipped, ids, count=count, workers=3)
    expected = np.where(flipped[:, None, None], raw[order][:, :, ::-1], raw[order])
    np.testing.assert_array_equal(np.load(file.path), expected)
    np.testing.assert_array_equal(file.read(len(order) - 1, 1)[0], expected[-1])
    np.testing.assert_array_equal(summary.histogram, np.bincount(expected.ravel(), minlength=256))
    pieces = [expected[n : n + 5] for n in range(0, len(expected), 5)]
    whole = hashlib.sha256(b"".join(hashlib.sha256(p.tobytes()).digest() for p in pieces))
    whole.update("\n".join(ids).encode())
    assert summary.digest == whole.hexdigest()
