"""Changed crops and damaged files of a crop set are named."""

import pickle

import numpy as np
import pytest
from helpers import make_crop_set_folder

from lunar_models.crops import digests
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.digests import DIGESTS_FILE, write_digests
from lunar_models.errors import CropSetError


@pytest.fixture
def crop_set(tmp_path):
    """60 crops with the digests of pieces of 7."""
    made = make_crop_set_folder(tmp_path / "crops")
    pieces = [made.crops[n : n + 7] for n in range(0, 60, 7)]
    sums = [digests.hashlib.sha256(piece.tobytes()).hexdigest() for piece in pieces]
    write_digests(made.path, sums, piece_crops=7)
    return CropSet.open(made.path)


def change(crop_set, crop: int) -> None:
    file = crop_set.path / "crops.npy"
    data = bytearray(file.read_bytes())
    data[128 + crop * 32 * 32 + 5] ^= 1
    file.write_bytes(data)


def test_unchanged_crops_pass(crop_set):
    assert (crop_set.path / DIGESTS_FILE).is_file()  # without it there is nothing to compare
    crop_set.check_bytes()
    crop_set.check_bytes(None)


@pytest.mark.parametrize("crop", [0, 30, 59])
def test_a_changed_bit_is_found_by_a_whole_check(crop_set, crop):
    change(crop_set, crop)
    first = crop // 7 * 7
    with pytest.raises(CropSetError, match=f"crops {first} to {min(first + 6, 59)} have changed"):
        CropSet.open(crop_set.path).check_bytes(None)


def test_samples_differ_so_that_one_of_them_finds_it(crop_set):
    change(crop_set, 30)
    found = 0
    for _ in range(60):  # one piece of nine each: missed by all with a chance below 0.1 %
        try:
            CropSet.open(crop_set.path).check_bytes(1)
        except CropSetError:
            found += 1
    assert 0 < found < 60


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"piece_crops": 0, "sha256": []}',
                                  '{"piece_crops": 7, "sha256": ["00"]}'])  # fmt: skip
def test_damaged_digests_are_named(crop_set, text):
    (crop_set.path / DIGESTS_FILE).write_text(text)
    with pytest.raises(CropSetError, match=r"digests\.json is damaged"):
        crop_set.check_bytes()


@pytest.mark.parametrize("rows", [0, 3])
def test_garbage_metadata(crop_set, rows):
    file = crop_set.path / "metadata.parquet"
    if rows:
        CropSet.open(crop_set.path).metadata.head(rows).to_parquet(file)
    else:
        file.write_bytes(b"garbage" * 100)
    fresh = CropSet.open(crop_set.path)
    for read in (lambda: fresh.metadata, lambda: fresh.indices("train")):
        with pytest.raises(CropSetError, match=r"metadata\.parquet is damaged.*run preprocess"):
            read()


@pytest.mark.parametrize("kind", ["pickled", "wide", "text"])
def test_crops_that_are_none(crop_set, kind):
    file = crop_set.path / "crops.npy"
    if kind == "pickled":
        np.save(file, np.array([{"a": 1}] * 60000, object), allow_pickle=True)
    elif kind == "wide":
        np.save(file, np.zeros((60, 32, 32), np.float64))
    else:
        file.write_bytes(pickle.dumps(list(range(60000))))
    with pytest.raises(CropSetError, match=r"crops\.npy is damaged.*run preprocess"):
        _ = CropSet.open(crop_set.path).crops
