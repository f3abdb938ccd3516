"""Log the interactive page of a clustering."""

import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.clustering.projection_2d import View2D, view_2d
from lunar_models.crops.crop_set import CropSet
from lunar_models.neighbours import NeighbourIndex
from lunar_models.page import write_page
from lunar_models.plots.cluster_map import Background
from steps.shared.tracking import log_artifact

_SIMILAR = 12
"""Craters that the page shows as looking like one."""


def log_page(
    crop_set: CropSet,
    table: pd.DataFrame,
    embeddings: npt.NDArray[np.float32],
    shown: npt.NDArray[np.int64],
    views: list[View2D],
    background: Background | None,
) -> None:
    """Log ``explore.html``: craters on the map and in the embedding, and what looks like them.

    Args:
        crop_set: N craters.
        table: N rows of `tables.cluster_table`.
        embeddings: (N, D) float32.
        shown: rows of the craters on the page.
        views: of the shown craters.
        background: of the map.
    """
    craters = table.iloc[shown].reset_index(drop=True)
    index = NeighbourIndex.build(np.asarray(embeddings[shown]), craters, threads=1)
    if "flipped" in crop_set.metadata:
        mirrored = crop_set.metadata["flipped"].to_numpy()[shown]
        craters = craters.assign(mirrored=np.where(mirrored, "yes", "no"))
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "explore.html"
        write_page(
            page, craters, views, crop_set.crops[shown], background,
            similar=index.nearest_others(_SIMILAR), alignment=crop_set.info.alignment,
        )  # fmt: skip
        log_artifact(str(page))


def spread_view(
    view: View2D,
    rows: npt.NDArray[np.int64],
    shown: npt.NDArray[np.int64],
    embeddings: npt.NDArray[np.float32],
    seed: int,
) -> View2D:
    """Spread a view of the craters `rows` over the craters `shown`: NaN where it was not drawn."""
    if view.kind == "pca":  # cheap enough for all of them
        return view_2d(embeddings[shown], "pca", seed=seed)
    points = np.full((len(shown), 2), np.nan, np.float32)
    points[np.searchsorted(shown, rows)] = view.points
    return View2D(view.kind, points, view.explained)
