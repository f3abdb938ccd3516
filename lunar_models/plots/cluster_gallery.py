"""Draw typical crops and the mean crop of each group."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from lunar_models.arrays import FloatArray
from lunar_models.crops.display import STRETCH_NOTE, display_crop
from lunar_models.plots.groups import Groups
from lunar_models.plots.style import new_figure, subplots

_MEAN_OF = 2_000


def gallery(
    crops: npt.NDArray[np.uint8], groups: Groups, distance: FloatArray, *, columns: int = 10
) -> Figure:
    """Draw a row of crops per group, from its most typical crater to its least typical one.

    The craters stand at even ranks of `distance`, so nobody picked them.

    Args:
        crops: (N, S, S) uint8; only the shown rows are read.
        groups: N craters; at most 20 groups are shown.
        distance: (N,) how far each crater is from the heart of its group.
        columns: crops per group.
    """
    groups.require(len(crops))
    shown = list(groups.styles.items())[:20]
    figure = new_figure(columns * 0.9 + 1.3, len(shown) * 0.98 + 0.6)
    axes = subplots(figure, len(shown), columns)
    for line, (group, style) in zip(axes, shown, strict=True):
        members = groups.members(group)
        members = members[np.argsort(distance[members], kind="stable")]
        picked = members[np.unique(np.linspace(0, len(members) - 1, columns).astype(int))]
        for axis in line:
            _bare(axis)
        for axis, row in zip(line, picked, strict=False):
            axis.imshow(display_crop(crops[row]), cmap="gray", vmin=0, vmax=255)
            for spine in axis.spines.values():
                spine.set(visible=True, color=style.colour, linewidth=2)
        line[0].set_ylabel(f"{style.name}\n{len(members):,}", rotation=0, ha="right", va="center")
    figure.suptitle(f"most typical  →  least typical; {STRETCH_NOTE}", fontsize=10)
    return figure


def mean_images(crops: npt.NDArray[np.uint8], groups: Groups, *, seed: int = 0) -> Figure:
    """Draw the mean crop of each group, and its difference from the mean of all groups.

    Args:
        crops: (N, S, S) uint8; at most 2,000 crops per group are read.
        groups: N craters.
        seed: of the choice among more than 2,000.
    """
    groups.require(len(crops))
    means = {
        group: _mean_crop(crops, groups.members(group), seed)
        for group in list(groups.styles)[:20]
        if len(groups.members(group))
    }
    overall = np.mean(list(means.values()), axis=0)
    reach = max(float(np.abs([m - overall for m in means.values()]).max()), 1e-6)
    figure = new_figure(1.7 * len(means) + 1.6, 4.1)
    axes = subplots(figure, 2, len(means))
    for column, (group, mean) in zip(axes.T, means.items(), strict=True):
        column[0].imshow(mean, cmap="gray", vmin=0.4, vmax=1.6)
        column[0].set_title(groups.styles[group].name, fontsize=10)
        difference = column[1].imshow(mean - overall, cmap="RdBu_r", vmin=-reach, vmax=reach)
        for axis in column:
            _bare(axis)
            for spine in axis.spines.values():
                spine.set(visible=True, color=groups.styles[group].colour, linewidth=2.5)
    axes[0, 0].set_ylabel("mean")
    axes[1, 0].set_ylabel("minus mean of all")
    figure.colorbar(difference, ax=axes[1], label="brightness ÷ crop mean", shrink=0.9)
    return figure


def _mean_crop(
    crops: npt.NDArray[np.uint8], members: npt.NDArray[np.int64], seed: int
) -> npt.NDArray[np.float64]:
    """Average crops, each divided by its own mean brightness."""
    if len(members) > _MEAN_OF:
        members = np.sort(np.random.default_rng(seed).choice(members, _MEAN_OF, replace=False))
    chosen = crops[members].astype(np.float64)
    mean: npt.NDArray[np.float64] = (
        chosen / np.maximum(chosen.mean(axis=(1, 2), keepdims=True), 1.0)
    ).mean(axis=0)
    return mean


def _bare(axis: Any) -> None:
    axis.set(xticks=[], yticks=[])
    for spine in axis.spines.values():
        spine.set_visible(False)
