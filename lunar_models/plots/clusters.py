"""Draw all figures of a clustering, keyed by artifact path."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.clustering import ClusterAssignment, ClusterModel
from lunar_models.clustering.density import DensityRule
from lunar_models.clustering.projection_2d import View2D
from lunar_models.clustering.rules import NeighbourRule
from lunar_models.plots.cluster_diagnostics import (
    choice_of_k,
    cluster_sizes,
    condensed_tree,
    dendrogram,
)
from lunar_models.plots.cluster_fractions import fractions_by_place
from lunar_models.plots.cluster_gallery import gallery, mean_images
from lunar_models.plots.cluster_map import Background, density_maps, map_dots, map_thumbnails
from lunar_models.plots.embedding_views import explained_variance, view_dots, view_thumbnails
from lunar_models.plots.groups import Groups, cluster_groups
from lunar_models.plots.map_marks import describe_sun

Crops = npt.NDArray[np.uint8]


def group_figures(
    crops: Crops,
    metadata: pd.DataFrame,
    assignment: ClusterAssignment,
    *,
    background: Background | None,
    thumbnails: int,
    seed: int,
) -> dict[str, Figure]:
    """Draw the members of each cluster, and their positions on the Moon where they are known.

    Args:
        crops: (N, S, S) uint8; a memory map is read only where drawn.
        metadata: N rows with longitude_deg, latitude_deg and sun_azimuth_deg.
        assignment: of the N craters.
        background: mosaic overview behind the maps.
        thumbnails: most crops in one picture.
        seed: of the choice of crops.
    """
    groups = cluster_groups(assignment.cluster_id)
    lonlat = metadata[["longitude_deg", "latitude_deg"]].to_numpy()
    members = {
        "figures/gallery.png": gallery(crops, groups, assignment.distance),
        "figures/mean_images.png": mean_images(crops, groups, seed=seed),
    }
    if np.isnan(lonlat).all():
        return members
    sun = describe_sun(metadata["sun_azimuth_deg"])
    return {
        **members,
        "figures/map_dots.png": map_dots(lonlat, groups, background, sun=sun),
        "figures/map_thumbnails.png": map_thumbnails(
            lonlat, crops, groups, background, limit=thumbnails, sun=sun
        ),
        "figures/map_density.png": density_maps(lonlat, groups, background),
        "figures/fractions.png": fractions_by_place(lonlat, groups),
    }


def view_figures(
    views: Sequence[View2D], crops: Crops, groups: Groups, *, thumbnails: int
) -> dict[str, Figure]:
    """Draw the 2-D projections as dots and thumbnails; all arguments have N rows."""
    figures = {}
    for view in views:
        figures[f"figures/{view.kind}_dots.png"] = view_dots(view, groups)
        figures[f"figures/{view.kind}_thumbnails.png"] = view_thumbnails(
            view, crops, groups, limit=thumbnails
        )
        if view.explained is not None:
            figures["figures/explained_variance.png"] = explained_variance(view.explained)
    return figures


def model_figures(
    model: ClusterModel, assignment: ClusterAssignment, *, criterion: str
) -> dict[str, Figure]:
    """Draw the diagnostics of the cluster model: sizes, stability, choice of their number, tree."""
    stability = model.clusters["stability"].to_numpy(np.float64)
    figures = {
        "figures/cluster_sizes.png": cluster_sizes(cluster_groups(assignment.cluster_id), stability)
    }
    if model.selection is not None:
        figures["figures/choice_of_k.png"] = choice_of_k(model.selection, criterion)
    if isinstance(model.rule, DensityRule):
        figures["figures/condensed_tree.png"] = condensed_tree(model.rule, model.canonical)
    if isinstance(model.rule, NeighbourRule) and len(model.rule.merges):
        figures["figures/dendrogram.png"] = dendrogram(
            model.rule.merges, model.rule.reference_index, model.canonical
        )
    return figures
