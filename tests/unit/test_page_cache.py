import platform
from pathlib import Path

import numpy as np
import pytest

from lunar_models.page_cache import keep_memory, read_crops

CROPS = np.random.default_rng(0).integers(0, 256, (20, 5, 5), dtype=np.uint8)


@pytest.fixture
def mapped(tmp_path: Path) -> np.memmap:
    np.save(tmp_path / "crops.npy", CROPS)
    return np.load(tmp_path / "crops.npy", mmap_mode="r")


@pytest.mark.parametrize("positions", [[3], [0, 19], [7, 7, 2], [4, 5, 6, 9, 10], []])
def test_reads_what_the_map_holds(mapped: np.memmap, positions: list[int]) -> None:
    at = np.array(positions, np.int64)
    np.testing.assert_array_equal(read_crops(mapped, at), CROPS[at])
    np.testing.assert_array_equal(read_crops(CROPS, at), CROPS[at])


def test_part_of_a_map(mapped: np.memmap) -> None:
    np.testing.assert_array_equal(read_crops(mapped[5:], np.array([0, 2])), CROPS[[5, 7]])


def test_a_file_that_was_cut_short(mapped: np.memmap) -> None:
    with open(mapped.filename, "r+b") as file:
        file.truncate(mapped.offset + 30)
    with pytest.raises(OSError, match="before crop 1"):
        read_crops(mapped, np.array([0, 1]))


def test_freed_memory_is_kept_where_the_library_can() -> None:
    assert keep_memory() == (platform.libc_ver()[0] == "glibc")
