"""Find craters that a catalogue holds twice, as merged catalogues do."""

from itertools import chain

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from lunar_models.moon import MOON_RADIUS_KM, unit_vectors

NEAR = 0.25
"""Two entries are one crater where their centres lie closer than this part of the diameter…"""
ALIKE = 1.3
"""…and their diameters differ by less than this factor."""


def find_duplicates(catalogue: pd.DataFrame) -> pd.DataFrame:
    """Find pairs of entries that are probably the same crater.

    Args:
        catalogue: crater_id, longitude_deg, latitude_deg, diameter_km.

    Returns:
        crater_id, other_id: a row per pair, the earlier entry second.
    """
    points = unit_vectors(
        longitude_deg=catalogue["longitude_deg"], latitude_deg=catalogue["latitude_deg"]
    )
    diameter = catalogue["diameter_km"].to_numpy()
    reach = 2.0 * np.sin(np.minimum(NEAR * diameter / MOON_RADIUS_KM, np.pi) / 2.0)
    found = cKDTree(points).query_ball_point(points, reach, return_sorted=False)
    count = np.array([len(others) for others in found], np.int64)
    row = np.repeat(np.arange(len(points)), count)
    other = np.fromiter(chain.from_iterable(found), np.int64, int(count.sum()))
    ratio = diameter[row] / diameter[other]
    same = (row != other) & (ratio < ALIKE) & (ratio > 1.0 / ALIKE)
    pairs = np.unique(np.sort(np.stack((row[same], other[same]), axis=1), axis=1), axis=0)
    ids = catalogue["crater_id"].to_numpy()
    return pd.DataFrame({"crater_id": ids[pairs[:, 1]], "other_id": ids[pairs[:, 0]]})
