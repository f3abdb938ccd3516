"""Split craters by spatial block, so that training and test crops do not share terrain.

Neighbouring craters show the same ground, so random splits overestimate an encoder. Craters are
divided by blocks of longitude and latitude instead, and test crops that still overlap a
training crop across a block's edge can be found with `overlapping`.
"""

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree
from sklearn.model_selection import GroupKFold

from lunar_models.arrays import FloatArray
from lunar_models.errors import ConfigError
from lunar_models.moon import MOON_RADIUS_KM

MAX_BLOCK_DEG = 4.0

_BLOCK_STRIDE = 1 << 20  # more blocks than this in one row of latitude cannot occur
_RADIUS_CLASS_RATIO = 2**0.25


def spatial_blocks(
    *, longitude_deg: FloatArray, latitude_deg: FloatArray, block_deg: float | None
) -> npt.NDArray[np.int64]:
    """Compute the id of each crater's block of `block_deg` x `block_deg` degrees.

    Blocks are equirectangular, with edges at the multiples of `block_deg` (so they narrow
    towards the poles); where `block_deg` does not divide 360 the last column is narrower.

    Args:
        longitude_deg: (N,) east positive; any turn of 360 degrees gives the same block.
        latitude_deg: (N,) in [-90, 90].
        block_deg: side of a block, above 0; None takes `fitting_block_deg`.

    Returns:
        (N,) int64; for a given `block_deg`, a place has the same id whatever the other craters.

    Raises:
        ConfigError: `block_deg` is not above 0.
    """
    if block_deg is None:
        block_deg = fitting_block_deg(longitude_deg=longitude_deg, latitude_deg=latitude_deg)
    if not block_deg > 0:
        raise ConfigError(f"block_deg={block_deg} must be above 0 degrees.")
    longitude = (np.asarray(longitude_deg, np.float64) + 180.0) % 360.0 - 180.0
    column = np.floor(longitude / block_deg).astype(np.int64) + _BLOCK_STRIDE // 2
    row = np.floor(np.asarray(latitude_deg, np.float64) / block_deg).astype(np.int64)
    return (row + _BLOCK_STRIDE // 2) * _BLOCK_STRIDE + column


def fitting_block_deg(*, longitude_deg: FloatArray, latitude_deg: FloatArray) -> float:
    """Select the largest block of 4, 2, 1, 0.5, … degrees of which eight fit into the extent.

    4 degrees suit most of the Moon; a small map needs smaller blocks to have any to hold out.
    """
    longitude = np.unwrap(np.sort(np.asarray(longitude_deg, np.float64)), period=360.0)
    extent_deg = max(np.ptp(longitude), np.ptp(np.asarray(latitude_deg, np.float64)), 1e-3)
    return float(min(MAX_BLOCK_DEG, 2.0 ** np.floor(np.log2(extent_deg / 8))))


def assign_splits(
    *,
    longitude_deg: FloatArray,
    latitude_deg: FloatArray,
    block_deg: float | None,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> npt.NDArray[np.str_]:
    """Assign every crater to train, validation or test by a hash of its spatial block.

    With a given `block_deg`, a crater's split depends on its place and the seed alone: not on the
    other craters of the catalogue nor on their order. With None the side of the blocks follows
    from the extent of all craters, so that a catalogue of another region, or a part of this one,
    may split the same crater differently: give `block_deg` where splits must agree. The fractions
    hold for blocks, so for craters only roughly.

    Args:
        longitude_deg: (N,) east positive.
        latitude_deg: (N,) in [-90, 90].
        block_deg: side of a block in degrees, above 0; None takes `fitting_block_deg`.
        validation_fraction: part of the blocks for validation, in [0, 1).
        test_fraction: part of the blocks for test, in [0, 1).
        seed: another seed, another assignment.

    Returns:
        (N,) str: train, validation or test.

    Raises:
        ConfigError: fractions below 0, or leaving nothing to train on.
    """
    if min(validation_fraction, test_fraction) < 0 or validation_fraction + test_fraction >= 1:
        raise ConfigError(
            f"validation_fraction={validation_fraction} and test_fraction={test_fraction} must "
            "not be negative and must leave blocks to train on: choose a sum below 1."
        )
    blocks = spatial_blocks(
        longitude_deg=longitude_deg, latitude_deg=latitude_deg, block_deg=block_deg
    )
    draw = _uniform_hash(blocks, seed)
    names = np.array(["test", "validation", "train"])
    edges = [test_fraction, test_fraction + validation_fraction]
    return names[np.searchsorted(edges, draw, side="right")]


def spatial_folds(blocks: npt.NDArray[np.int64], n_folds: int) -> npt.NDArray[np.int64]:
    """Assign whole blocks to folds of about equal size, as scikit-learn's `GroupKFold` does.

    Args:
        blocks: (N,) block of each crater, from `spatial_blocks`.
        n_folds: at least 2.

    Returns:
        (N,) int64: the fold in 0..n_folds-1 in which each crater is tested.

    Raises:
        ConfigError: there are fewer blocks than folds.
    """
    count = len(np.unique(blocks))
    if count < n_folds:
        raise ConfigError(
            f"The craters lie in {count} spatial blocks, too few for {n_folds} folds: "
            "choose a smaller block_deg or fewer folds."
        )
    folds = np.empty(len(blocks), np.int64)
    splitter = GroupKFold(n_folds)
    for fold, (_, test) in enumerate(splitter.split(np.zeros(len(blocks)), groups=blocks)):
        folds[test] = fold
    return folds


def footprint_radius_km(diameter_km: FloatArray, context_diameters: float) -> FloatArray:
    """Compute the radius of the circle through a crop's corners (half its diagonal), km, (N,)."""
    half_diagonal = context_diameters / 2.0**0.5
    return np.asarray(np.asarray(diameter_km, np.float64) * half_diagonal)


def overlapping(
    *,
    longitude_deg: FloatArray,
    latitude_deg: FloatArray,
    radius_km: FloatArray,
    reference_longitude_deg: FloatArray,
    reference_latitude_deg: FloatArray,
    reference_radius_km: FloatArray,
) -> npt.NDArray[np.bool_]:
    """Mark the crops whose footprint overlaps the footprint of any reference crop.

    Footprints are circles on the sphere of 1,737.4 km. With `footprint_radius_km` they enclose
    the square crops, so no overlap is missed and a few corner touches are marked too.

    Args:
        longitude_deg: (N,) centres of the crops in question (say, a test fold).
        latitude_deg: (N,) in [-90, 90].
        radius_km: (N,) footprint radii.
        reference_longitude_deg: (M,) centres of the reference crops (say, the training folds).
        reference_latitude_deg: (M,) in [-90, 90].
        reference_radius_km: (M,) footprint radii.

    Returns:
        (N,) bool.
    """
    points = _unit_vectors(longitude_deg, latitude_deg)
    reference = _unit_vectors(reference_longitude_deg, reference_latitude_deg)
    radius = np.asarray(radius_km, np.float64) / MOON_RADIUS_KM
    reference_radius = np.asarray(reference_radius_km, np.float64) / MOON_RADIUS_KM
    overlap = np.zeros(len(points), np.bool_)
    # Within a class all reference radii are nearly equal, so the nearest centre nearly decides.
    classes = np.floor(np.log(reference_radius) / np.log(_RADIUS_CLASS_RATIO))
    for radius_class in np.unique(classes):
        members = classes == radius_class
        open_ = np.flatnonzero(~overlap)
        overlap[open_] = _overlaps_class(
            points[open_], radius[open_], reference[members], reference_radius[members]
        )
    return overlap


def _overlaps_class(
    points: FloatArray, radius: FloatArray, reference: FloatArray, reference_radius: FloatArray
) -> npt.NDArray[np.bool_]:
    """Overlap with reference circles of nearly equal radii (rad); points are unit vectors."""
    tree = cKDTree(reference)
    chord, nearest = tree.query(points, workers=-1)
    overlap = _angle(chord) < radius + reference_radius[nearest]
    reach = radius + reference_radius.max()
    unsure = np.flatnonzero(~overlap & (_angle(chord) < reach))
    chord_reach = 2.0 * np.sin(np.minimum(reach[unsure], np.pi) / 2.0)
    for i, candidates in zip(
        unsure, tree.query_ball_point(points[unsure], chord_reach, workers=-1), strict=True
    ):
        distance = _angle(np.linalg.norm(reference[candidates] - points[i], axis=1))
        overlap[i] = np.any(distance < radius[i] + reference_radius[candidates])
    return np.asarray(overlap, np.bool_)


def _unit_vectors(longitude_deg: FloatArray, latitude_deg: FloatArray) -> FloatArray:
    """(N, 3) points on the unit sphere."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    across = np.cos(latitude)
    return np.column_stack(
        (across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude))
    )


def _angle(chord: FloatArray) -> FloatArray:
    """Angle in radians between unit vectors a chord apart."""
    return np.asarray(2.0 * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0)))


def _uniform_hash(blocks: npt.NDArray[np.int64], seed: int) -> FloatArray:
    """Hash block ids to [0, 1): SplitMix64 (Steele et al. 2014, doi 10.1145/2660193.2660195)."""
    offset = (seed + 1) * 0x9E3779B97F4A7C15 % 2**64
    mixed = blocks.astype(np.uint64) + np.uint64(offset)  # wraps around, as intended
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)) * 2.0**-53
