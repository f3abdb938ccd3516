"""Craters with all that the interactive page shows of them."""

import numpy as np
import pandas as pd

from lunar_models.clustering.projection_2d import View2D


def craters(count: int) -> tuple[pd.DataFrame, list[View2D], np.ndarray]:
    rng = np.random.default_rng(0)
    cluster = rng.integers(-1, 3, count)
    table = pd.DataFrame(
        {
            "crater_id": [f"c{n}" for n in range(count)],
            "longitude_deg": rng.uniform(-90, 0, count),
            "latitude_deg": rng.uniform(0, 60, count),
            "diameter_km": rng.uniform(1, 10, count),
            "cluster_id": cluster.astype(np.int32),
            "confidence": rng.random(count).astype(np.float32),
            "state": rng.integers(0, 5, count),
            "given_label": np.array(["", "New", "Old"])[rng.integers(0, 3, count)],
            "note": ["</script><script>alert(1)</script><!--<script>"] * count,
        }
    )
    # clusters stand side by side in the view: -1, 0, 1, 2 from left to right
    points = np.stack([cluster + rng.uniform(-0.3, 0.3, count), rng.random(count)], axis=1)
    partial = points.astype(np.float32)
    partial[1::2] = np.nan
    crops = np.full((count, 16, 16), 90, np.uint8)
    crops[:, :, 8:] = 30
    return table, [View2D("pca", points), View2D("tsne", partial)], crops
