"""Draw cluster diagnostics: choice of k, sizes, stability, dendrogram, condensed tree."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator
from scipy.cluster import hierarchy

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.clustering.density import DensityRule
from lunar_models.clustering.stability import HIGHLY_STABLE
from lunar_models.clustering.types import NOISE
from lunar_models.colours import UNKNOWN, cluster_colours
from lunar_models.plots.groups import Groups
from lunar_models.plots.style import BLUE, VERMILION, new_figure, subplots

_SCORES = {
    "stability": "stability of the least stable cluster\n(mean Jaccard similarity)",
    "silhouette": "mean silhouette",
    "bic": "Bayesian information criterion (less is better)",
}


def choice_of_k(selection: pd.DataFrame, criterion: str) -> Figure:
    """Draw the score of each number of clusters with one standard error, the chosen one marked.

    Args:
        selection: `clustering.selection.selection_table`.
        criterion: stability, silhouette or bic.
    """
    figure = new_figure(7, 4.5)
    axes = subplots(figure)[0, 0]
    chosen = selection[selection["chosen"]]
    axes.errorbar(
        selection["n_clusters"], selection["score"], selection["error"],
        fmt="o-", color=BLUE, capsize=3,
    )  # fmt: skip
    axes.plot(
        chosen["n_clusters"], chosen["score"], "*", ms=17, color=VERMILION,
        label=f"chosen: {int(chosen['n_clusters'].iloc[0])} clusters",
    )  # fmt: skip
    if criterion == "stability":
        axes.axhline(
            HIGHLY_STABLE, color="0.4", lw=0.9, ls="--", label=f"{HIGHLY_STABLE}: highly stable"
        )
        axes.set_ylim(0, 1.05)
    axes.set(xlabel="number of clusters", ylabel=_SCORES[criterion])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def cluster_sizes(groups: Groups, stability: FloatArray | None = None) -> Figure:
    """Draw the number of craters in each group, and the stability of each cluster if measured.

    Args:
        groups: all craters; clusters are 0 … K - 1.
        stability: (K,) in [0, 1], NaN for unknown.
    """
    figure = new_figure(8, 0.42 * len(groups.styles) + 1.6)
    axes = subplots(figure)[0, 0]
    counts = [len(groups.members(group)) for group in groups.styles]
    places = np.arange(len(counts))
    bars = axes.barh(places, counts, color=[s.colour for s in groups.styles.values()])
    axes.bar_label(bars, [_size_label(*item, len(groups.ids), stability) for item in
                          zip(groups.styles, counts, strict=True)], padding=4)  # fmt: skip
    axes.set_yticks(places, [s.name for s in groups.styles.values()])
    axes.invert_yaxis()
    axes.set(xlabel="craters", xlim=(0, max(counts) * 1.35))
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _size_label(group: int, count: int, total: int, stability: FloatArray | None) -> str:
    label = f"{count:,} ({count / total:.1%})"
    if stability is None or group == NOISE or not np.isfinite(stability[group]):
        return label
    return f"{label}, stability {stability[group]:.2f}"


def dendrogram(merges: FloatArray, index: IntArray, canonical: IntArray) -> Figure:
    """Draw the last merges of an agglomerative fit, branches below the cut in cluster colours.

    Args:
        merges: (M - 1, 4) SciPy linkage matrix.
        index: (M,) cluster of each fitted crater before naming.
        canonical: (K,) cluster_id of each.
    """
    figure = new_figure(10, 5)
    axes = subplots(figure)[0, 0]
    colours = _branch_colours(merges, canonical[index])
    hierarchy.dendrogram(
        merges, ax=axes, truncate_mode="lastp", p=60, no_labels=True,
        link_color_func=lambda node: colours[node],
    )  # fmt: skip
    clusters = len(canonical)
    if clusters > 1:
        cut = merges[-clusters : len(merges) - clusters + 2, 2].mean()
        axes.axhline(cut, color="0.4", lw=0.9, ls="--")
        axes.annotate(f"{clusters} clusters", (1, cut), (-4, 4), xycoords=("axes fraction", "data"),
                      textcoords="offset points", ha="right", color="0.3")  # fmt: skip
    axes.set(xlabel=f"{len(merges) + 1:,} craters", ylabel="distance of merged groups")
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def _branch_colours(merges: FloatArray, cluster_id: IntArray) -> list[str]:
    """Colour of each node, leaves first: its cluster's, or grey if it joins several."""
    colours = cluster_colours(int(cluster_id.max()) + 1)
    owner = [int(k) for k in cluster_id]
    for left, right in merges[:, :2].astype(int):
        owner.append(owner[left] if owner[left] == owner[right] else NOISE)
    return [UNKNOWN if k == NOISE else colours[k] for k in owner]


def condensed_tree(rule: DensityRule, canonical: IntArray) -> Figure:
    """Draw HDBSCAN's condensed tree: the number of craters left at each density.

    Each bar is a group, as wide as the craters left in it; chosen clusters are coloured.

    Args:
        rule: of a fitted HDBSCAN.
        canonical: (K,) cluster_id of each.
    """
    figure = new_figure(10, 5.5)
    axes = subplots(figure)[0, 0]
    colours = cluster_colours(len(canonical))
    middles = _bar_middles(rule)
    for node in range(len(rule.parent)):
        density, left = _thinning(rule, node)
        index = int(rule.node_index[node])
        colour = UNKNOWN if index == NOISE else colours[int(canonical[index])]
        axes.fill_betweenx(1 / density, middles[node] - left / 2, middles[node] + left / 2,
                           step="pre", color=colour, lw=0)  # fmt: skip
        if node:
            _join(axes, middles[[rule.parent[node], node]], 1 / rule.birth_density[node])
    _label_tree(axes, len(rule.reference), rule)
    return figure


def _thinning(rule: DensityRule, node: int) -> tuple[FloatArray, FloatArray]:
    """Densities at which craters leave a node, rising, and how many are left after each."""
    children = np.flatnonzero((rule.parent == node) & (np.arange(len(rule.parent)) > 0))
    leaving = [rule.leaf_density[rule.leaf == node]]
    leaving += [np.full(int(rule.size[c]), rule.birth_density[c]) for c in children]
    density = np.sort(np.concatenate(leaving))
    start = rule.birth_density[node] if node else density[0]
    # HDBSCAN gives coinciding craters an infinite density
    density = np.minimum(np.concatenate([[start], density]), density[np.isfinite(density)].max())
    return density, np.append(np.arange(len(density) - 1, 0, -1), 0) + 0.0


def _bar_middles(rule: DensityRule) -> FloatArray:
    """(T,) horizontal middle of each node, children side by side inside their parent's width."""
    middles = np.zeros(len(rule.parent))
    middles[0] = rule.size[0] / 2
    for node in range(len(rule.parent)):  # parents come before their children
        children = np.flatnonzero((rule.parent == node) & (np.arange(len(rule.parent)) > 0))
        offset = middles[node] - rule.size[node] / 2
        spare = max(rule.size[node] - rule.size[children].sum(), 0) / (len(children) + 1)
        for child in children:
            offset += spare
            middles[child] = offset + rule.size[child] / 2
            offset += rule.size[child]
    return middles


def _join(axes: Any, ends: FloatArray, height: float) -> None:
    axes.plot(ends, [height, height], color="0.35", lw=0.8)


def _label_tree(axes: Any, count: int, rule: DensityRule) -> None:
    finite = rule.leaf_density[np.isfinite(rule.leaf_density) & (rule.leaf_density > 0)]
    axes.set(
        xlim=(0, count), ylim=(1 / finite.min(), 1 / finite.max()), yscale="log",
        xlabel=f"{count:,} fitted craters", ylabel="mutual reachability distance\n(denser above)",
    )  # fmt: skip
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.spines[["top", "right"]].set_visible(False)
