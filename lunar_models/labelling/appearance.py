"""Describe the brightness of a crop ring by ring, whichever way its pattern is turned.

An encoder of degradation learns to ignore what says nothing about wear: rays, a second crater on
the rim. For searches by example that is put back: along rings around the centre, the power of
groups of harmonics, contrast and skewness.
"""

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from lunar_models.arrays import Float32Array, FloatArray

RINGS = (0.12, 0.45, 0.75, 0.95, 1.15, 1.42)
"""Limits of the rings in crater radii: floor, lower and upper wall, rim, ejecta."""
MOST_LOOKED_AT = 50_000
"""Craters of a reference set above which a search does without: this takes 50 us a crop."""
_HARMONICS = ((1, 2), (2, 4), (4, 7), (7, 10), (10, 14))
_RADII, _ANGLES = 24, 48
_CHUNK = 4096


def appearance(crops: npt.NDArray[Any], *, context_diameters: float) -> Float32Array:
    """Compute features of the brightness along rings.

    Args:
        crops: (N, S, S) of any real dtype.
        context_diameters: crop side / crater diameter.

    Returns:
        (N, 11 times the rings that the crop shows) float32.
    """
    size = crops.shape[1]
    sampling = _sampling(size, context_diameters)
    parts = []
    for start in range(0, len(crops), _CHUNK):
        flat = np.asarray(crops[start : start + _CHUNK], np.float32).reshape(-1, size * size)
        flat = flat / np.maximum(flat.mean(axis=1, keepdims=True), 1e-3)
        polar = (sampling @ flat.T).T.reshape(len(flat), _RADII, _ANGLES)
        parts.append(_ring_features(polar, context_diameters))
    return np.concatenate(parts)


def search_features(embeddings: FloatArray, looks: FloatArray) -> Float32Array:
    """Join embeddings and `appearance`, both of the same total variance.

    Args:
        embeddings: (N, D).
        looks: (N, A) from `appearance`.

    Returns:
        (N, D + A) float32.
    """
    spread = np.maximum(looks.std(axis=0), 1e-6)
    standard = (looks - looks.mean(axis=0)) / spread / np.sqrt(looks.shape[1])
    total = max(float(np.sqrt(np.var(embeddings, axis=0, dtype=np.float64).sum())), 1e-12)
    return np.hstack((np.asarray(embeddings, np.float32) / np.float32(total), standard)).astype(
        np.float32
    )


def _ring_features(polar: Float32Array, context_diameters: float) -> Float32Array:
    """Features of (N, radii, angles) brightness relative to the crop's mean."""
    radius = _radii()
    found = []
    for inner, outer in pairwise(RINGS):
        if outer > context_diameters:
            break
        ring = polar[:, (radius >= inner) & (radius < outer)]
        profile = ring.mean(axis=1)
        spectrum = np.fft.rfft(profile, axis=1) / _ANGLES
        power = np.abs(spectrum) ** 2
        spectrum[:, 3:] = 0.0
        fine = profile - np.fft.irfft(spectrum * _ANGLES, _ANGLES, axis=1)
        found.append(profile.mean(axis=1))
        found += [np.log(power[:, low:high].sum(axis=1) + 1e-6) for low, high in _HARMONICS]
        variance = (fine**2).mean(axis=1)  # its mean is 0
        found += [
            np.log(np.sqrt(variance) + 1e-3),
            (fine**3).mean(axis=1) / (variance + 1e-6) ** 1.5,
        ]
        found += [np.log((sign * fine).max(axis=1) + 0.01) for sign in (1.0, -1.0)]
        found.append(np.log((ring - profile[:, None]).std(axis=(1, 2)) + 1e-3))
    return np.stack(found, axis=1).astype(np.float32)


def _radii() -> npt.NDArray[np.float64]:
    return np.linspace(RINGS[0], RINGS[-1], _RADII, endpoint=False)


@cache
def _sampling(size: int, context_diameters: float) -> csr_array:
    """(radii x angles, S x S): bilinear interpolation on circles, edges repeated."""
    radius, angle = np.meshgrid(
        _radii(), np.arange(_ANGLES) * (2.0 * np.pi / _ANGLES), indexing="ij"
    )
    places = [(part / context_diameters + 1.0) / 2.0 * size - 0.5
              for part in (-radius * np.sin(angle), radius * np.cos(angle))]  # fmt: skip
    rows, columns = (np.clip(place.ravel(), 0.0, size - 1.001) for place in places)
    r, c = np.floor(rows).astype(np.int64), np.floor(columns).astype(np.int64)
    y, x = rows - r, columns - c
    point = np.arange(len(r))
    weights = np.concatenate(((1 - y) * (1 - x), (1 - y) * x, y * (1 - x), y * x))
    pixels = np.concatenate((r * size + c, r * size + c + 1, (r + 1) * size + c,
                             (r + 1) * size + c + 1))  # fmt: skip
    shape = (len(r), size * size)
    return csr_array((weights.astype(np.float32), (np.tile(point, 4), pixels)), shape=shape)
