"""Classify degradation states from depths, also of craters large enough to be complex."""

import numpy as np
import numpy.typing as npt

from lunar_models.degradation.complex_craters import complex_depth_km
from lunar_models.degradation.crater_shape import STATE_EDGES, depth_over_diameter
from lunar_models.heads.physical import PhysicalPrediction

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


def simple_depth_over_diameter(
    depth: npt.ArrayLike, diameter_km: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Depth over diameter of a simple crater that has kept the same part of its fresh depth.

    Complex craters are shallower from the start, so their depths compare with those of simple
    craters, or with edges that were found for these, only so. Same shape; NaN stays NaN.

    Args:
        depth: depth over diameter.
        diameter_km: same shape.
    """
    fresh = float(depth_over_diameter(FRESH_K_OVER_R2))
    relative = np.asarray(depth, np.float64) / fresh_depth_over_diameter(diameter_km)
    return np.asarray(relative * fresh)


def is_simple(diameter_km: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Tell whether a fresh crater is as deep as the profile whose diffusion gives K, same shape."""
    simple = float(depth_over_diameter(FRESH_K_OVER_R2))
    return np.asarray(fresh_depth_over_diameter(diameter_km) >= simple)


def state_of_depth(depth: npt.ArrayLike, diameter_km: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Degradation state, 1 New to 4 Old, same shape.

    A crater changes its state at the part of its fresh depth that diffusion by the K/R² of
    `crater_shape.STATE_EDGES` leaves to a simple one.

    Args:
        depth: depth over diameter.
        diameter_km: same shape.
    """
    edges = depth_over_diameter(STATE_EDGES)
    simple = simple_depth_over_diameter(depth, diameter_km)
    return np.asarray(len(edges) + 1 - np.searchsorted(np.sort(edges), simple), np.int64)


def state_probabilities(
    prediction: PhysicalPrediction, diameter_km: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Probabilities of the states 1 New to 4 Old, (N, 4), rows sum to 1.

    Those of the predicted depth, with the residuals of the simulated craters, between the edges
    of `state_of_depth`.

    Args:
        prediction: of N craters.
        diameter_km: (N,).
    """
    depth = _relative_edges() * fresh_depth_over_diameter(diameter_km)[:, None]
    shallower = prediction.probability_below("depth_over_diameter", np.log(depth))
    ones, zeros = np.ones((len(depth), 1)), np.zeros((len(depth), 1))
    return np.asarray(-np.diff(np.hstack([ones, shallower, zeros]), axis=1))


def _relative_edges() -> npt.NDArray[np.float64]:
    """(3,) depths over that of a fresh crater between two states, the deepest first."""
    return np.asarray(depth_over_diameter(STATE_EDGES) / depth_over_diameter(FRESH_K_OVER_R2))
