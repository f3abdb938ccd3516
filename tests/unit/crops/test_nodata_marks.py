"""Undeclared marks of no data are found by how far they lie from all other values."""

import numpy as np
import pytest

from lunar_models.crops.nodata_marks import find_marks

DATA = np.linspace(3000.0, 4500.0, 5000)


@pytest.mark.parametrize(
    "marks",
    [[-32768.0], [65535.0], [0.0, 1.0, 2.0], [-32768.0, -32764.0], list(range(-32768, -32760)),
     [0.0, 65535.0], [-9999.0, -32768.0]],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.002, 0.05, 0.6])
def test_marks_are_found_alone_and_in_groups(marks: list[float], share: float) -> None:
    repeats = int(share / (1.0 - share) * DATA.size / len(marks)) + 1
    found = find_marks(np.concatenate([np.repeat(marks, repeats), DATA]))
    assert found is not None
    assert min(marks) <= found.low <= found.high <= max(marks)
    assert "far from all other values" in str(found)


@pytest.mark.parametrize(
    "mixture", ["shadows", "few levels", "four levels", "hot pixels", "mare and highland"]
)
def test_brightness_has_no_marks(mixture: str) -> None:
    values = {
        "shadows": np.r_[np.zeros(2000), np.linspace(0.02, 0.12, 5000)],
        "few levels": np.repeat([5.0, 6, 7, 8, 9, 10, 11, 12], [15, 46, 55, 322, 448, 70, 45, 23]),
        "four levels": np.repeat([100.0, 101, 102, 103], 100),
        "hot pixels": np.r_[DATA, np.full(4, 60000.0)],
        "mare and highland": np.r_[np.linspace(20, 40, 3000), np.linspace(60, 100, 3000)],
    }[mixture]
    assert find_marks(values) is None
    assert find_marks(values[:0]) is None
