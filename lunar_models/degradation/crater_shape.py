"""Compute the profile of a crater from its degradation K/R².

Fresh profile: Fassett & Thomson (2014, doi 10.1002/2014JE004698), ``h(x)`` in crater diameters
at ``x`` radii from the centre. Degradation is topographic diffusion, ``dh/dt = kappa * lap(h)``,
and depends only on K/R², with K = kappa * t in m² and R the radius in m.
"""

import functools

import numpy as np
import numpy.typing as npt
from scipy.special import j0

from lunar_models.arrays import Float64Array

STATE_EDGES = (0.01, 0.05, 0.15)
"""K/R² between New | Semi-New | Semi-Old | Old."""
K_OVER_R2_MAX = 0.30
"""Beyond this a crater is hardly recognisable."""

PROFILE_EXTENT = 4.5
"""Radii to which a diffused profile is tabulated; further out it is zero."""
PROFILE_STEP = 0.01
_TABLE_ROWS = 512
_WAVENUMBER_STEP = 0.04  # far below pi / PROFILE_EXTENT, so that the transform does not wrap
_WAVENUMBER_MAX = 150.0  # resolves the rim, 0.04 radii wide


def fresh_profile(x: npt.ArrayLike) -> Float64Array:
    """Compute the height of a fresh crater in diameters at `x` radii; same shape."""
    x = np.asarray(x, dtype=np.float64)
    bowl = np.maximum(-0.181, -0.229 + 0.228 * x + 0.083 * x**2 - 0.039 * x**3)
    ejecta = 0.188 - 0.187 * x + 0.018 * x**2 + 0.015 * x**3
    return np.select([x < 0.98, x < 1.02, x < 1.5], [bowl, 0.036, ejecta], 0.0)


@functools.cache
def _spectrum() -> tuple[Float64Array, Float64Array]:
    """Wavenumbers, in 1/R, and the fresh profile's Hankel transform times ``k dk``."""
    x = (np.arange(1500) + 0.5) * 1e-3
    k = np.arange(_WAVENUMBER_STEP / 2, _WAVENUMBER_MAX, _WAVENUMBER_STEP)
    weighted = fresh_profile(x) * x * (x[1] - x[0])
    transform = j0(np.outer(k, x)) @ weighted
    return k, transform * k * _WAVENUMBER_STEP


def diffused_profile(x: npt.ArrayLike, k_over_r2: npt.ArrayLike) -> Float64Array:
    """Compute the height after diffusion, in diameters.

    Diffusion multiplies the two-dimensional spectrum by ``exp(-k² K)``: the same as a Gaussian
    blur of the relief with a sigma of ``sqrt(2 K)``.

    Args:
        x: (X,) radii from the centre.
        k_over_r2: (K,) degradation, at least 1e-4 (less is below the transform's resolution).

    Returns:
        (K, X) heights.
    """
    k, transform = _spectrum()
    decay = np.exp(-np.outer(np.atleast_1d(k_over_r2), k**2))
    waves = j0(np.outer(k, np.atleast_1d(x)))
    return np.asarray((decay * transform) @ waves)


@functools.cache
def profile_table() -> tuple[Float64Array, Float64Array]:
    """Tabulate profiles for interpolation.

    Returns:
        levels: (T,) K/R² from 1e-4 to `K_OVER_R2_MAX`, evenly spaced in its square root.
        profiles: (T, X) heights in diameters, every `PROFILE_STEP` radii up to `PROFILE_EXTENT`.
    """
    levels = np.linspace(1e-2, np.sqrt(K_OVER_R2_MAX), _TABLE_ROWS) ** 2
    x = np.arange(0.0, PROFILE_EXTENT + PROFILE_STEP / 2, PROFILE_STEP)
    return levels, diffused_profile(x, levels)


def profile_rows(k_over_r2: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Row of `profile_table` nearest to each K/R², same shape; depths are right within 0.3 %."""
    roots = np.sqrt(profile_table()[0])
    place = (np.sqrt(k_over_r2) - roots[0]) / (roots[1] - roots[0])
    return np.asarray(np.clip(np.rint(place), 0, len(roots) - 1), dtype=np.int64)


def depth_over_diameter(k_over_r2: npt.ArrayLike) -> Float64Array:
    """Rim-to-floor depth in diameters, same shape."""
    depths = np.ptp(profile_table()[1], axis=1)
    return np.asarray(depths[profile_rows(k_over_r2)])


def k_over_r2_of_depth(depth_over_diameter: npt.ArrayLike) -> Float64Array:
    """Invert `depth_over_diameter`: K/R² at which a crater has become so shallow, same shape.

    A crater as deep as a fresh one or deeper gets the least K/R² of `profile_table`, one shallower
    than at `K_OVER_R2_MAX` gets that; NaN stays NaN.
    """
    levels, profiles = profile_table()
    depths = np.ptp(profiles, axis=1)
    wanted = np.asarray(depth_over_diameter, dtype=np.float64)
    return np.asarray(np.interp(wanted, depths[::-1], levels[::-1]))


def state_of(k_over_r2: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Classify the degradation state, 1 New to 4 Old, same shape."""
    return np.asarray(np.digitize(np.asarray(k_over_r2), STATE_EDGES) + 1, dtype=np.int64)
