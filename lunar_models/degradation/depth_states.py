"""Classify degradation states from depths, also of craters large enough to be complex."""

import numpy as np
import numpy.typing as npt

from lunar_models.degradation.complex_craters import complex_depth_km
from lunar_models.degradation.crater_shape import STATE_EDGES, depth_over_diameter

FRESH_K_OVER_R2 = 1e-4
"""Least K/R² of the tabulated profiles."""


def fresh_depth_over_diameter(diameter_km: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Depth over diameter of fresh craters, same shape.

    That of the fresh simple profile, and of Pike's (1977) complex craters where these are
    shallower, above about 10 km.
    """
    diameter = np.asarray(diameter_km, np.float64)
    simple = float(depth_over_diameter(FRESH_K_OVER_R2))
    return np.asarray(np.minimum(simple, complex_depth_km(diameter) / diameter))


def state_of_depth(depth: npt.ArrayLike, diameter_km: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Degradation state, 1 New to 4 Old, same shape.

    A crater changes its state at the part of its fresh depth that diffusion by the K/R² of
    `crater_shape.STATE_EDGES` leaves to a simple one.

    Args:
        depth: depth over diameter.
        diameter_km: same shape.
    """
    edges = depth_over_diameter(STATE_EDGES) / depth_over_diameter(FRESH_K_OVER_R2)
    relative = np.asarray(depth, np.float64) / fresh_depth_over_diameter(diameter_km)
    return np.asarray(len(edges) + 1 - np.searchsorted(np.sort(edges), relative), np.int64)
