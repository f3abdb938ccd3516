"""Entries of one crater are found, and craters within craters are not taken for them."""

import pandas as pd
import pytest

from lunar_models.catalogue.duplicates import find_duplicates


@pytest.mark.parametrize(("second_km", "pairs"), [(50.0, 1), (48.0, 1), (5.0, 0)])
def test_two_entries_at_one_place(second_km: float, pairs: int) -> None:
    table = pd.DataFrame(
        {
            "crater_id": ["first", "second"],
            "longitude_deg": 10.0,
            "latitude_deg": 5.0,
            "diameter_km": [50.0, second_km],
        }
    )
    assert len(find_duplicates(table)) == pairs
