"""Draw 2-D projections of embeddings as dots and as crater thumbnails."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from lunar_models.arrays import FloatArray
from lunar_models.clustering.projection_2d import View2D
from lunar_models.crops.display import STRETCH_NOTE
from lunar_models.plots.groups import Groups, legend_beside
from lunar_models.plots.style import BLUE, VERMILION, new_figure, subplots
from lunar_models.plots.thumbnails import bounds_around, mosaic_of_thumbnails, place

_TITLES = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}


def view_dots(view: View2D, groups: Groups) -> Figure:
    """Draw every crater as a dot in the colour and marker of its group."""
    figure = new_figure(9, 6.5)
    axes = subplots(figure)[0, 0]
    draw_dots(axes, view.points, groups, seed=0)
    _label(axes, view)
    legend_beside(axes, groups)
    return figure


def draw_dots(axes: Any, points: FloatArray, groups: Groups, *, seed: int) -> None:
    """Scatter (N, 2) points, smaller and fainter the more there are, groups interleaved."""
    groups.require(len(points))
    size = dot_size(len(points))
    shuffled = np.random.default_rng(seed).permutation(len(points))
    # slices of the shuffled craters, so that groups drawn later hide the earlier ones evenly
    for part in np.array_split(shuffled, 20):
        for group, style in groups.styles.items():
            rows = part[groups.ids[part] == group]
            axes.scatter(
                *points[rows].T, s=size, c=style.colour, marker=style.marker,
                alpha=0.9 if len(points) < 2000 else 0.7, lw=0, rasterized=True,
            )  # fmt: skip


def dot_size(count: int) -> float:
    """Return the marker area in points² for `count` dots in one figure."""
    return float(np.clip(30_000 / max(count, 1), 2.5, 40.0))


def view_thumbnails(
    view: View2D, crops: npt.NDArray[np.uint8], groups: Groups, *, limit: int = 600
) -> Figure:
    """Draw craters as thumbnails at their positions, framed in the colour of their group.

    Args:
        view: N craters.
        crops: (N, S, S) uint8 in the same order; a memory map is read only where drawn.
        groups: N craters.
        limit: most thumbnails; of craters too close together one is shown.
    """
    figure = new_figure(15, 10.6)
    axes = subplots(figure)[0, 0]
    bounds = bounds_around(view.points, outside=0.002 if len(view.points) > 1000 else 0.0)
    placement = place(view.points, bounds, limit=limit, aspect=1.4)
    picture = mosaic_of_thumbnails(crops, groups, placement)
    axes.imshow(picture, extent=bounds.extent, aspect="auto", interpolation="antialiased")
    _label(axes, view)
    shown = f"{len(placement.rows):,} of {len(view.points):,} craters"
    axes.set_title(f"{shown}; {STRETCH_NOTE}", loc="right")
    legend_beside(axes, groups)
    return figure


def explained_variance(explained: FloatArray) -> Figure:
    """Draw the fraction of the variance along each principal axis, and its cumulative sum."""
    figure = new_figure(7, 4.5)
    axes = subplots(figure)[0, 0]
    numbers, total = np.arange(1, len(explained) + 1), np.cumsum(explained)
    needed = int(np.searchsorted(total, 0.95 - 1e-9)) + 1
    axes.bar(numbers, explained, color=BLUE, label="each axis")
    axes.plot(numbers, total, "o-", ms=3, color=VERMILION, label="running sum")
    axes.axhline(0.95, color="0.4", lw=0.8, ls="--")
    axes.annotate(f"95 % with {needed} axes", (numbers[-1], 0.95), (0, -12), ha="right",
                  textcoords="offset points", color="0.3")  # fmt: skip
    axes.set(xlabel="principal axis", ylabel="share of the variance", ylim=(0, 1.03))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="center right")
    return figure


def _label(axes: Any, view: View2D) -> None:
    axes.set_title(_TITLES[view.kind], loc="left")
    if view.explained is None:
        axes.set(xticks=[], yticks=[], xlabel="no units: only neighbourhoods mean something")
        return
    for which, share in zip("xy", view.explained, strict=False):
        number = "xy".index(which) + 1
        axes.set(**{f"{which}label": f"principal axis {number} ({share:.1%} of the variance)"})
