"""Define the types shared by the clustering modules."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

NOISE = -1
"""`cluster_id` of a crater that belongs to no cluster."""


@dataclass(frozen=True)
class ClusterAssignment:
    """The cluster assignment of N craters; every array has N rows."""

    cluster_id: npt.NDArray[np.int32]
    """0, 1, … as the model numbers its clusters (`fit_clusters`, `number_by_degradation`), or
    `NOISE`."""
    distance: npt.NDArray[np.float32]
    """Distance to the cluster in prepared embedding units; its kind depends on the method."""
    confidence: npt.NDArray[np.float32]
    """[0, 1]: belief in `cluster_id`; its kind depends on the method; 0 for noise."""
    novelty: npt.NDArray[np.float32]
    """[0, 1]: share of the fitted craters that lie closer to their cluster; 1 is unseen."""
