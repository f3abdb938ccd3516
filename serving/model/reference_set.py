"""Build the reference set to which a served model compares new craters."""

import cv2
import numpy as np
import numpy.typing as npt

from lunar_models.clustering import ClusterModel
from lunar_models.crops.crop_set import CropSet
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.neighbours import NeighbourIndex
from lunar_models.terms import CRATER_COLUMNS

THUMBNAIL_PX = 48
SCORE_COLUMNS = ("encoder_score", "encoder_score_std")
"""An encoder's own degradation score of a reference crater and its standard deviation."""
PHYSICS_COLUMNS = (
    "log_k_over_r2", "log_k_over_r2_std", "log_depth_over_diameter", "log_depth_over_diameter_std",
)  # fmt: skip
"""Natural logarithms of the predicted quantities and their standard deviations."""


def reference_set(
    crop_set: CropSet,
    embeddings: npt.NDArray[np.float32],
    *,
    clusters: ClusterModel | None = None,
    scores: npt.NDArray[np.float32] | None = None,
    physics: PhysicalPrediction | None = None,
    threads: int = 0,
) -> NeighbourIndex:
    """Index all craters of a crop set.

    Args:
        crop_set: N craters.
        embeddings: (N, D) in the order of the crop set.
        clusters: adds the columns `cluster_id` and `cluster_distance` to the table.
        scores: (N, 2), the encoder's own; adds the columns `SCORE_COLUMNS`.
        physics: of the N craters; adds the columns `PHYSICS_COLUMNS`.
        threads: see `NeighbourIndex.build`.
    """
    craters = crop_set.metadata[[*CRATER_COLUMNS, "flipped"]].copy()
    if clusters is not None:
        assigned = clusters.assign(embeddings)
        craters["cluster_id"] = assigned.cluster_id
        craters["cluster_distance"] = assigned.distance
    if scores is not None:
        craters[list(SCORE_COLUMNS)] = scores
    if physics is not None:
        values = np.stack([physics.mean, physics.deviation], 2)
        craters[list(PHYSICS_COLUMNS)] = values.reshape(len(values), -1).astype(np.float32)
    return NeighbourIndex.build(
        embeddings, craters, thumbnails=_thumbnails(crop_set.crops), threads=threads
    )


def _thumbnails(crops: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(N, S, S) -> (N, T, T) with T at most `THUMBNAIL_PX`."""
    if crops.shape[1] <= THUMBNAIL_PX:
        return crops
    side = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.stack([cv2.resize(crop, side, interpolation=cv2.INTER_AREA) for crop in crops])
