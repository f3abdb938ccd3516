"""Find craters that a catalogue holds twice, as merged ones do, or that two catalogues share."""

from itertools import chain

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial import cKDTree

from lunar_models.arrays import Float64Array
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
    row, other, ratio = _near(catalogue, catalogue)
    same = (row != other) & (ratio < ALIKE) & (ratio > 1.0 / ALIKE)
    pairs = np.unique(np.sort(np.stack((row[same], other[same]), axis=1), axis=1), axis=0)
    ids = catalogue["crater_id"].to_numpy()
    return pd.DataFrame({"crater_id": ids[pairs[:, 1]], "other_id": ids[pairs[:, 0]]})


def match_catalogues(catalogue: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Find the craters of one catalogue near those of another, whatever their diameters.

    Args:
        catalogue: crater_id, longitude_deg, latitude_deg, diameter_km.
        other: likewise.

    Returns:
        crater_id, other_id, diameter_ratio (of the other's diameter to the crater's): of each
        crater that has any, the entry of the other catalogue with the most similar diameter.
    """
    row, found, ratio = _near(catalogue, other)
    best = np.lexsort((found, np.abs(np.log(ratio)), row))
    _, first = np.unique(row[best], return_index=True)
    chosen = best[first]
    return pd.DataFrame(
        {
            "crater_id": catalogue["crater_id"].to_numpy()[row[chosen]],
            "other_id": other["crater_id"].to_numpy()[found[chosen]],
            "diameter_ratio": ratio[chosen],
        }
    )


def _near(
    catalogue: pd.DataFrame, other: pd.DataFrame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Float64Array]:
    """Rows of both that lie within `NEAR` of the former's diameter, and the ratio of diameters."""
    points, others = (
        unit_vectors(longitude_deg=t["longitude_deg"], latitude_deg=t["latitude_deg"])
        for t in (catalogue, other)
    )
    diameter = catalogue["diameter_km"].to_numpy()
    reach = 2.0 * np.sin(np.minimum(NEAR * diameter / MOON_RADIUS_KM, np.pi) / 2.0)
    found = cKDTree(others).query_ball_point(points, reach, return_sorted=False)
    count = np.array([len(near) for near in found], np.int64)
    row = np.repeat(np.arange(len(points)), count)
    near = np.fromiter(chain.from_iterable(found), np.int64, int(count.sum()))
    return row, near, other["diameter_km"].to_numpy()[near] / diameter[row]
