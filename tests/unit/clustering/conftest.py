import numpy as np
import pytest
from sklearn.datasets import make_blobs

SIZES = (60, 50, 40, 30)


@pytest.fixture(scope="module")
def blobs() -> tuple[np.ndarray, np.ndarray]:
    centres = 12 * np.eye(4, 6)
    points, truth = make_blobs(SIZES, 6, centers=centres, cluster_std=1.0, random_state=3)
    return points.astype(np.float32), truth
