"""Draw agreement between labellers, their confusion, and the learning curve of more labels."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter, ScalarFormatter

from lunar_models.crops.display import STRETCH_NOTE, display_crop
from lunar_models.labelling.agreement import ALL_PAIRS, Agreement
from lunar_models.labelling.enough_labels import TOGETHER, LabelCurve
from lunar_models.plots.evaluation import interval_bars
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

_MOST_MATRICES = 9
_MOST_ROWS = 30
_MOST_CROPS = 24
_COLOURS = (BLUE, SKY, ORANGE, VERMILION, GREEN, PURPLE)
_LINES = ("-", "--", "-.", ":")


def agreement_figure(agreement: Agreement) -> Figure:
    """Draw quadratic-weighted kappa of each pair and of each person with themselves."""
    pairs, selves = agreement.pairs.head(_MOST_ROWS), agreement.selves.head(_MOST_ROWS)
    if len(agreement.pairs) > _MOST_ROWS:  # the pooled row is the last
        pairs = pd.concat([agreement.pairs.head(_MOST_ROWS - 1), agreement.pairs.tail(1)])
    table = pd.concat([pairs, selves], ignore_index=True)
    names = [_pair_name(a, b) for a, b in zip(table["first"], table["second"], strict=True)]
    figure = new_figure(8, 0.38 * len(table) + 1.6)
    axes = subplots(figure)[0, 0]
    rows = np.arange(len(table))[::-1]
    own = (table["first"] == table["second"]) & (table["first"] != ALL_PAIRS)
    for chosen, colour, marker, label in (
        (~own, BLUE, "o", "between labellers"),
        (own, VERMILION, "D", "with themselves, blind repeats"),
    ):
        if chosen.any():
            part = table[chosen]
            axes.errorbar(part["qwk"], rows[chosen], xerr=interval_bars(part, "qwk"),
                          fmt=marker, color=colour, capsize=3, label=label)  # fmt: skip
    for row, count in zip(rows, table["craters"], strict=True):
        axes.annotate(f"{count:,} craters", (1.01, row), xycoords=("axes fraction", "data"),
                      va="center")  # fmt: skip
    axes.set_yticks(rows, names)
    least = min(0.0, float(np.nanmin(table[["qwk", "low"]].to_numpy(), initial=0.0)))
    axes.set(
        xlabel="quadratic-weighted kappa, with bootstrap interval by crater",
        xlim=(least - 0.02, 1.02),
        ylim=(-0.7, len(table) - 0.3),
    )
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure


def _pair_name(first: str, second: str) -> str:
    if first == ALL_PAIRS:
        return ALL_PAIRS
    return f"{first} again" if first == second else f"{first} – {second}"


def matrices_figure(matrices: Mapping[str, pd.DataFrame], *, rows: str, columns: str) -> Figure:
    """Draw confusion matrices side by side, shares by row; counts are written where there are some.

    Args:
        matrices: title -> (K, K) counts or probabilities; the first nine are shown.
        rows: what the rows are.
        columns: what the columns are.
    """
    shown = list(matrices.items())[:_MOST_MATRICES]
    width = min(3, len(shown))
    height = -(-len(shown) // width)
    states = list(shown[0][1].columns)
    side = 0.72 * len(states) + 0.9
    figure = new_figure(side * width + 1.2, side * height + 0.9)
    axes = subplots(figure, height, width, sharex=True, sharey=True)
    for axis in axes.ravel()[len(shown) :]:
        axis.set_visible(False)
    for axis, (title, matrix) in zip(axes.ravel(), shown, strict=False):
        values = matrix.to_numpy(np.float64)
        share = values / np.maximum(values.sum(axis=1, keepdims=True), 1e-12)
        image = axis.imshow(share, cmap="cividis", vmin=0, vmax=1)
        counted = values.sum() > len(states) + 0.5
        for (row, column), part in np.ndenumerate(share):
            text = f"{values[row, column]:.0f}" if counted else f"{part:.2f}"
            axis.text(column, row, text, ha="center", va="center", fontsize=9,
                      color="black" if part > 0.55 else "white")  # fmt: skip
        axis.set_title(title, fontsize=10)
        axis.set_xticks(range(len(states)), states, rotation=35, ha="right")
        axis.set_yticks(range(len(states)), states)
    figure.supxlabel(columns, fontsize=10)
    figure.supylabel(rows, fontsize=10)
    bar = figure.colorbar(image, ax=axes, format=PercentFormatter(1.0), shrink=0.85)
    bar.set_label("share of the row")
    return figure


def label_curve_figure(found: LabelCurve) -> Figure:
    """Draw the quality of each state, and of all, by the number of labels, with intervals."""
    curve = found.curve
    figure = new_figure(9, 4.6)
    left, right = subplots(figure, 1, 2)[0]
    states = [name for name in curve["state"].unique() if name != TOGETHER]
    for axes, names in ((left, states), (right, [TOGETHER])):
        for i, name in enumerate(names):
            one = curve[curve["state"] == name]
            colour = BLACK if name == TOGETHER else _COLOURS[i % len(_COLOURS)]
            line = _LINES[i // len(_COLOURS) % len(_LINES)]
            spread = 1.0 + 0.015 * (i - (len(names) - 1) / 2)  # so that bars do not hide each other
            axes.errorbar(one["labels"] * spread, one["value"], interval_bars(one), color=colour,
                          ls=line, marker="o", ms=4, capsize=2, label=name)  # fmt: skip
        labels = curve["labels"].unique()
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator([n for n in labels if n == labels[-1]
                                                   or n < 0.8 * labels[-1]]))  # fmt: skip
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.tick_params(axis="x", rotation=45)
        axes.set_xlabel("labelled craters in training, all states")
        axes.grid(alpha=0.3)
    left.set_ylabel("F1 of the state")
    right.set_ylabel("quadratic-weighted kappa")
    left.legend(frameon=False)
    return figure


def suspicious_figure(crops: npt.NDArray[np.uint8], captions: Sequence[str]) -> Figure:
    """Draw the craters whose label the model believes least.

    Args:
        crops: (n, S, S) uint8, the least believed first; the first 24 are shown.
        captions: n texts, such as the label and the model's state.
    """
    count = min(len(crops), _MOST_CROPS)
    columns = min(6, count)
    rows = -(-count // columns)
    figure = new_figure(1.75 * columns, 2.15 * rows + 0.5)
    axes = subplots(figure, rows, columns)
    for axis in axes.ravel():
        axis.set_axis_off()
    for axis, crop, caption in zip(axes.ravel(), crops[:count], captions, strict=False):
        axis.imshow(display_crop(crop), cmap="gray", vmin=0, vmax=255)
        axis.set_title(caption, fontsize=8)
    figure.suptitle(f"labels that the model believes least; {STRETCH_NOTE}", fontsize=10)
    return figure
