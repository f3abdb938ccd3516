"""Draw the comparison of several evaluation runs."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.evaluation.paired_bootstrap import Comparison
from lunar_models.plots.evaluation import METRIC_NAMES, interval_bars
from lunar_models.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
    subplots,
)

SHOWN = (
    "probe/linear_balanced_accuracy",
    "probe/knn_balanced_accuracy",
    "probe/lda_balanced_accuracy",
    "probe/ordinal_balanced_accuracy",
    "probe/linear_qwk",
    "probe/spearman",
    "head/balanced_accuracy",
    "head/qwk",
    "cluster/kmeans_ari",
)
_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY)


def comparison_figure(comparison: Comparison) -> Figure:
    """Draw the metrics of all runs (left) and paired differences from the reference (right).

    Hollow differences are not distinct: their interval holds 0.
    """
    runs = list(dict.fromkeys(comparison.metrics["run"]))
    shown = [name for name in SHOWN if name in set(comparison.metrics["metric"])]
    figure = new_figure(12, 0.28 * len(shown) * max(len(runs), 2) + 2.0)
    values, differences = subplots(figure, 1, 2, sharey=True)[0]
    for i, run in enumerate(runs):
        colour = BLACK if run == comparison.reference else _COLOURS[i % len(_COLOURS)]
        offset = 0.7 * (0.5 - (i + 0.5) / len(runs))
        _row(values, comparison.metrics, run, "value", shown, offset, colour)
        if run != comparison.reference:
            _row(differences, comparison.differences, run, "difference", shown, offset, colour)
    differences.axvline(0, color=BLACK, lw=1)
    values.set_yticks(np.arange(len(shown))[::-1], [METRIC_NAMES[name] for name in shown])
    values.set(xlabel="metric, with interval")
    differences.set(xlabel=f"difference from {comparison.reference} (paired bootstrap)")
    for axes in (values, differences):
        axes.grid(axis="x", alpha=0.3)
    handles, labels = values.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False)
    return figure


def _row(
    axes: Any,
    table: pd.DataFrame,
    run: str,
    column: str,
    shown: list[str],
    offset: float,
    colour: str,
) -> None:
    """Draw one run's values and intervals, a little above or below the middle of each row."""
    one = table[table["run"] == run].set_index("metric").reindex(shown)
    rows = np.arange(len(shown))[::-1] + offset
    filled = one["distinct"].astype(bool) if "distinct" in one else np.ones(len(one), bool)
    axes.errorbar(
        one[column], rows, xerr=interval_bars(one, column), fmt="none", ecolor=colour, capsize=2
    )
    faces = np.where(filled, colour, "white")
    axes.scatter(one[column], rows, c=faces, edgecolors=colour, zorder=3, s=30, label=run)
