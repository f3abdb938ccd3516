"""The freshest craters come first, with honest intervals; equal runs give equal files."""

import numpy as np
import pandas as pd

from lunar_models.export.freshest import degradation_columns, freshest_table
from lunar_models.export.tables import write_geopackage


def craters(**columns) -> pd.DataFrame:
    place = {"longitude_deg": [1.0, 2.0, 3.0, 4.0], "latitude_deg": 0.0, "diameter_km": 5.0}
    return pd.DataFrame({"crater_id": list("abcd"), **place, **columns})


def test_ranked_from_fresh_to_worn_and_ties_keep_their_order():
    table = craters(degradation=[0.9, 0.1, 0.5, 0.1], degradation_uncertainty=[0.1, 0.2, 0.0, 0.2])
    ranked = freshest_table(table)
    assert ranked["crater_id"].tolist() == ["b", "d", "c", "a"]
    assert ranked["rank"].tolist() == [1, 2, 3, 4]
    assert ranked["degradation"].tolist() == [0.1, 0.1, 0.5, 0.9]
    np.testing.assert_allclose(ranked["degradation_low"], [0, 0, 0.5, 0.9 - 0.16449])
    np.testing.assert_allclose(ranked["degradation_high"], [0.1 + 0.32898, 0.1 + 0.32898, 0.5, 1])


def test_the_head_is_believed_before_the_encoder():
    encoder = {"encoder_degradation": [0.1, 0.2, 0.3, 0.4], "encoder_degradation_uncertainty": 0.1}
    both = craters(degradation=[4, 3, 2, 1], degradation_uncertainty=0.0, state=[4, 3, 2, 1],
                   **encoder)  # fmt: skip
    assert freshest_table(both)["crater_id"].tolist() == list("dcba")
    assert freshest_table(both)["state"].tolist() == [1, 2, 3, 4]
    assert freshest_table(craters(**encoder))["crater_id"].tolist() == list("abcd")


def test_nothing_is_ranked_where_nothing_tells():
    assert degradation_columns(craters()) is None
    assert freshest_table(craters()) is None


def test_two_geopackages_of_one_table_are_equal(tmp_path):
    table = craters(cluster_id=np.array([0, 1, 0, -1], np.int32))
    files = [tmp_path / f"{name}.gpkg" for name in "ab"]
    for file in files:
        write_geopackage(file, table, ["#0072b2", "#e69f00"])
    assert files[0].read_bytes() == files[1].read_bytes()
