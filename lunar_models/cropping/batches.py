"""Turn rows of a crop plan into the kernels' input, batch by batch."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.cropping.kernels.separable import Sites


def make_sites(craters: pd.DataFrame) -> Sites:
    """Convert catalogue rows joined with those of `placement.place_crops` to kernel input."""
    north_up = pd.Series(0.0, index=craters.index)
    rotation = craters.get("rotation_deg", north_up).to_numpy(np.float64)
    return Sites(
        longitude=np.radians(craters["longitude_deg"].to_numpy()),
        latitude=np.radians(craters["latitude_deg"].to_numpy()),
        half_side=craters["half_side"].to_numpy().copy(),
        column_px=craters["column_px"].to_numpy().copy(),
        separable=craters["separable"].to_numpy().copy(),
        rotation=np.radians(rotation),
    )


def level_batches(level: npt.NDArray[np.int64], length: int) -> list[slice]:
    """Divide positions into runs of one level, at most `length` long."""
    edges = np.flatnonzero(np.diff(level)) + 1
    bounds = [0, *edges.tolist(), len(level)]
    return [
        slice(start, min(start + length, stop))
        for begin, stop in pairwise(bounds)
        for start in range(begin, stop, length)
    ]
