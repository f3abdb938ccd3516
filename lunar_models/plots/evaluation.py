"""Draw the figures of an evaluation: metrics, confusion, reliability, subgroups, learning curve."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter, ScalarFormatter

from lunar_models.evaluation import Evaluation
from lunar_models.evaluation.metrics import reliability_rows
from lunar_models.plots.audit import audit_figure
from lunar_models.plots.style import BLACK, BLUE, GREEN, ORANGE, VERMILION, new_figure, subplots

METRIC_NAMES = {
    "probe/linear_balanced_accuracy": "balanced accuracy, linear",
    "probe/knn_balanced_accuracy": "balanced accuracy, k-NN",
    "probe/lda_balanced_accuracy": "balanced accuracy, shrinkage LDA",
    "probe/ordinal_balanced_accuracy": "balanced accuracy, ordinal",
    "probe/linear_macro_f1": "macro-F1, linear",
    "probe/linear_qwk": "quadratic-weighted kappa, linear",
    "probe/ordinal_qwk": "quadratic-weighted kappa, ordinal",
    "probe/spearman": "Spearman's ρ, ridge",
    "probe/linear_ece": "calibration error, linear",
    "head/balanced_accuracy": "balanced accuracy, head",
    "head/qwk": "quadratic-weighted kappa, head",
    "head/ece": "calibration error, head",
    "head/coverage": "coverage of the conformal sets",
    "cluster/kmeans_ari": "adjusted Rand index, k-means",
    "cluster/kmeans_nmi": "normalised mutual information, k-means",
    "cluster/kmeans_v_measure": "V-measure, k-means",
    "cluster/kmeans_matched_accuracy": "matched accuracy, k-means",
}
_BASELINES = (("size only", "D", ORANGE), ("nuisances only", "s", GREEN), ("majority", "x", BLACK))


def evaluation_figures(evaluation: Evaluation) -> dict[str, Figure]:
    """Draw all figures of one evaluation, keyed by artifact path."""
    reliability = reliability_of_head(evaluation.predictions)
    chance = 1.0 / len(evaluation.states)
    return {
        "figures/metrics.png": metrics_figure(evaluation.intervals, evaluation.baselines),
        "figures/audit.png": audit_figure(evaluation.audit),
        "figures/confusion.png": confusion_figure(evaluation.confusion),
        "figures/reliability.png": reliability_figure(reliability),
        "figures/learning_curve.png": learning_curve_figure(evaluation.learning_curve, chance),
        "figures/by_diameter.png": groups_figure(evaluation.by_diameter, "rim diameter"),
        "figures/by_band.png": groups_figure(evaluation.by_band, "longitude"),
        "figures/by_split.png": groups_figure(evaluation.by_split, "split of the encoder"),
    }


def metrics_figure(intervals: pd.DataFrame, baselines: pd.DataFrame) -> Figure:
    """Draw the main metrics with their intervals, beside the baselines without an encoder.

    Args:
        intervals: metric, value, low, high.
        baselines: features, metric, value, low, high.
    """
    table = intervals.set_index("metric").reindex(list(METRIC_NAMES)).dropna(subset="value")
    figure = new_figure(9, 6.5)
    axes = subplots(figure)[0, 0]
    rows = np.arange(len(table))[::-1]
    axes.errorbar(
        table["value"],
        rows,
        xerr=interval_bars(table),
        fmt="o",
        color=BLUE,
        capsize=3,
        label="encoder",
    )
    place = dict(zip(table.index, rows, strict=True))
    for name, marker, colour in _BASELINES:
        one = baselines[(baselines["features"] == name) & baselines["metric"].isin(place)]
        height = [place[metric] for metric in one["metric"]]
        axes.plot(one["value"], height, marker, color=colour, ls="", ms=6, label=name)
    for row, value in zip(rows, table["value"], strict=True):
        axes.annotate(f"{value:.3f}", (1.01, row), xycoords=("axes fraction", "data"), va="center")
    axes.set_yticks(rows, [METRIC_NAMES[metric] for metric in table.index])
    axes.set(xlabel="value, with bootstrap interval by spatial block", xlim=(-0.06, 1.0))
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=4, frameon=False)
    return figure


def confusion_figure(confusion: pd.DataFrame) -> Figure:
    """Draw the confusion matrix: fraction of each true state by predicted state, counts below.

    Args:
        confusion: (K, K) counts, index true, columns predicted.
    """
    counts = confusion.to_numpy()
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(1.1 * len(counts) + 2.2, 1.0 * len(counts) + 1.6)
    axes = subplots(figure)[0, 0]
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    for (row, column), part in np.ndenumerate(share):
        colour = "black" if part > 0.55 else "white"
        text = f"{part:.0%}\n{counts[row, column]}"
        axes.text(column, row, text, ha="center", va="center", color=colour)
    axes.set_xticks(range(len(counts)), confusion.columns)
    axes.set_yticks(range(len(counts)), confusion.index)
    axes.set(xlabel="predicted state (linear probe, out of fold)", ylabel="true state")
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), shrink=0.85)
    bar.set_label("share of the true state")
    return figure


def reliability_of_head(predictions: pd.DataFrame) -> pd.DataFrame:
    """Tabulate `count`, `confidence`, `accuracy` by bin of the head's out-of-fold confidence."""
    confidence = predictions.filter(regex="^probability_").max(axis=1).to_numpy()
    correct = (predictions["head"] == predictions["rank"]).to_numpy()
    count, confident, right = reliability_rows(confidence, correct).sum(axis=0).T
    used = count > 0
    return pd.DataFrame(
        {
            "count": count[used].astype(int),
            "confidence": confident[used] / count[used],
            "accuracy": right[used] / count[used],
        }
    )


def reliability_figure(reliability: pd.DataFrame) -> Figure:
    """Draw accuracy against confidence with two standard errors, and the counts of each bin.

    Args:
        reliability: count, confidence, accuracy per bin.
    """
    figure = new_figure(5.5, 6)
    axes = subplots(figure, 2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    accuracy, count = reliability["accuracy"], reliability["count"]
    error = 2 * np.sqrt(accuracy * (1 - accuracy) / count)
    top, bottom = axes[:, 0]
    top.plot([0, 1], [0, 1], "--", color=BLACK, lw=1, label="perfectly calibrated")
    top.errorbar(
        reliability["confidence"], accuracy, error, fmt="o-", color=BLUE, capsize=3, label="head"
    )
    top.set(ylabel="share of correct states", xlim=(0, 1), ylim=(0, 1.02))
    top.legend(loc="upper left")
    top.grid(alpha=0.3)
    bottom.bar(reliability["confidence"], count, width=0.06, color=BLUE)
    bottom.set(xlabel="probability of the predicted state", ylabel="craters")
    return figure


def learning_curve_figure(curve: pd.DataFrame, chance: float) -> Figure:
    """Draw balanced accuracy and kappa by number of labels, with the range of the draws.

    Args:
        curve: labels, balanced_accuracy, balanced_accuracy_std, qwk, qwk_std.
        chance: balanced accuracy of a guess.
    """
    figure = new_figure(7, 4.5)
    axes = subplots(figure)[0, 0]
    for name, label, colour in (
        ("balanced_accuracy", "balanced accuracy", BLUE),
        ("qwk", "quadratic-weighted kappa", VERMILION),
    ):
        axes.errorbar(
            curve["labels"], curve[name], curve[f"{name}_std"], fmt="o-", capsize=3,
            color=colour, label=label,
        )  # fmt: skip
    axes.axhline(chance, color=BLACK, ls="--", lw=1, label="balanced accuracy of a guess")
    axes.set(xscale="log", xlabel="labelled craters (shrinkage LDA)", ylim=(0, 1), ylabel="metric")
    axes.set_xticks(curve["labels"], minor=False)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def groups_figure(groups: pd.DataFrame, quantity: str) -> Figure:
    """Draw each metric within each group of craters with its interval, counts below the names.

    Args:
        groups: group, count, metric, value, low, high.
        quantity: what the groups are of, for the axis.
    """
    names = list(dict.fromkeys(groups["group"]))
    counts = groups.drop_duplicates("group").set_index("group")["count"]
    metrics = list(dict.fromkeys(groups["metric"]))
    figure = new_figure(max(6.0, 1.1 * len(names) + 2), 4.5)
    axes = subplots(figure)[0, 0]
    colours = (BLUE, VERMILION, GREEN, ORANGE)
    for i, (metric, colour) in enumerate(zip(metrics, colours, strict=False)):
        one = groups[groups["metric"] == metric].set_index("group").reindex(names)
        x = np.arange(len(names)) + 0.12 * (i - (len(metrics) - 1) / 2)
        axes.errorbar(
            x, one["value"], interval_bars(one), fmt="o", capsize=3, color=colour,
            label=METRIC_NAMES[metric],
        )  # fmt: skip
    axes.set_xticks(range(len(names)), [f"{name}\nn = {counts[name]}" for name in names])
    low = min(0.0, float(groups["low"].min(skipna=True)))
    axes.set(xlabel=quantity, ylabel="metric, with interval", ylim=(low, 1.02))
    axes.grid(axis="y", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=3, frameon=False)
    return figure


def interval_bars(table: pd.DataFrame, column: str = "value") -> npt.NDArray[np.float64]:
    """Compute the lengths of error bars below and above the values of a column, (2, n)."""
    below, above = table[column] - table["low"], table["high"] - table[column]
    return np.asarray(np.maximum(np.nan_to_num(np.array([below, above])), 0.0))
