"""Draw our states, depths and K beside the classes that experts give by eye."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.arrays import Float64Array
from lunar_models.colours import FRESH_TO_OLD
from lunar_models.degradation.crater_shape import (
    K_OVER_R2_MAX,
    STATE_EDGES,
    depth_over_diameter,
    k_over_r2_of_depth,
)
from lunar_models.degradation.expert_classes import ExpertClass
from lunar_models.plots.print import WIDTH_IN, print_style
from lunar_models.plots.style import BLACK, GREEN, PURPLE, VERMILION
from lunar_models.terms import STATE_NAMES

_LEAST_K = 1e-3
"""Depths tell less K/R² from none."""
_TICKS = {1e-3: "≤ .001", 0.003: ".003", 0.01: ".01", 0.03: ".03", 0.1: ".1", 0.3: "≥ .3"}
_GAP = 0.7


def expert_classes_figure(
    groups: Mapping[str, Sequence[ExpertClass]],
    edges: Mapping[str, Sequence[float]],
    measured: pd.DataFrame,
    *,
    sharp_from_km: float = 0.0,
) -> Figure:
    """Three panels over the classes: depth over diameter, K/R², and shares of our states.

    K/R² follows from the measured depth, see `ExpertClass.k_over_r2`. Boxes hold the middle half,
    whiskers reach 1.5 times its length.

    Args:
        groups: title of a classification -> its classes, freshest first.
        edges: the same title -> depths over diameter between the classes of its scheme.
        measured: of craters whose K/R² an encoder measured on images: class, k_over_r2 and
            diameter_km; without rows none are drawn.
        sharp_from_km: diameter below which the images are blurred: drawn as open symbols.
    """
    with print_style():
        figure = Figure(figsize=(WIDTH_IN["two"], WIDTH_IN["two"] * 0.95), layout="constrained")
        panels = figure.subplots(3, 1, sharex=True, height_ratios=[4, 4, 2.4])
        places, ticks = [], []
        start = 1.0
        for title, classes in groups.items():
            here = np.asarray(start + np.arange(len(classes)), np.float64)
            spans = (here[0] - 0.5, here[-1] + 0.5)
            _boxes(panels[0], here, [c.depth_over_diameter for c in classes])
            _boxes(panels[1], here, [np.maximum(c.k_over_r2, _LEAST_K) for c in classes])
            for depth in edges[title]:
                panels[0].plot(spans, [depth] * 2, color=BLACK, lw=0.9)
                panels[1].plot(spans, [float(k_over_r2_of_depth(depth))] * 2, color=BLACK, lw=0.9)
            for x, one in zip(here, classes, strict=True):
                own = measured[measured["class"] == one.name]
                _measured(panels[1], x, own, sharp_from_km)
            _states(panels[2], here, classes)
            panels[0].set_title(title, loc="left" if start == 1.0 else "right")
            places += here.tolist()
            ticks += [f"{one.name}\n{len(one.diameter_km)}" for one in classes]
            start = here[-1] + 1.0 + _GAP
        _label(panels, places, ticks, start - _GAP)
        _legend(figure, panels, measured["diameter_km"], sharp_from_km)
    return figure


def _boxes(axes: Any, places: Float64Array, values: Sequence[Float64Array]) -> None:
    axes.boxplot(
        values, positions=places, showfliers=False, widths=0.5, medianprops={"color": BLACK},
        manage_ticks=False,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    for place, group in zip(places, values, strict=True):
        shift = rng.uniform(-0.22, 0.22, len(group))
        axes.plot(place + shift, group, ".", ms=2, color=GREEN, alpha=0.4, rasterized=True)


def _measured(axes: Any, place: float, craters: pd.DataFrame, sharp_from_km: float) -> None:
    shift = np.random.default_rng(1).uniform(-0.2, 0.2, len(craters))
    sharp = craters["diameter_km"].to_numpy() >= sharp_from_km
    for chosen, fill in ((~sharp, "none"), (sharp, VERMILION)):
        k = craters["k_over_r2"].to_numpy()[chosen]
        axes.plot(place + shift[chosen], k, "D", ms=3, mfc=fill, mec=VERMILION, mew=0.8)


def _states(axes: Any, places: Float64Array, classes: Sequence[ExpertClass]) -> None:
    base = np.zeros(len(classes))
    for state, colour in enumerate(FRESH_TO_OLD, start=1):
        share = np.array([(one.state == state).mean() for one in classes])
        axes.bar(places, share, 0.6, base, color=colour, lw=0.4, edgecolor="white")
        base = base + share


def _label(panels: Any, places: list[float], ticks: list[str], end: float) -> None:
    levels = {
        panels[0]: depth_over_diameter(STATE_EDGES),
        panels[1]: np.asarray(STATE_EDGES, np.float64),
    }
    names = [f"{one} | {next_one}" for one, next_one in itertools.pairwise(STATE_NAMES)]
    for axes, values in levels.items():
        for name, value in zip(names, values, strict=True):
            axes.axhline(value, color=PURPLE, lw=0.8, ls="--")
            axes.annotate(name, (end - 0.45, value), fontsize=6.5, color=PURPLE, va="center",
                          annotation_clip=False)  # fmt: skip
    panels[0].set(ylabel="depth / diameter", ylim=(0, None), xlim=(0.4, end - 0.5))
    panels[1].set(ylabel="K/R²", yscale="log", ylim=(K_OVER_R2_MAX * 1.2, _LEAST_K / 1.2))
    panels[1].set_yticks(list(_TICKS), list(_TICKS.values()))
    panels[1].minorticks_off()
    panels[2].set(ylabel="share of our states", ylim=(0, 1), xlabel="class by eye, and craters")
    panels[2].set_xticks(places, ticks)
    panels[2].tick_params(axis="x", length=0)


def _legend(figure: Figure, panels: Any, measured_km: "pd.Series[float]", sharp_km: float) -> None:
    panels[0].plot([], [], color=BLACK, lw=0.9, label="edge of the scheme")
    panels[0].plot([], [], color=PURPLE, lw=0.8, ls="--", label="edge of our states")
    panels[0].plot([], [], ".", ms=4, color=GREEN, label="a crater's depth, and K/R² from it")
    for some, fill, label in (
        (measured_km >= sharp_km, VERMILION, "K/R² from its image"),
        (measured_km < sharp_km, "none", f"the same, below {sharp_km:g} km"),
    ):
        if some.any():
            panels[0].plot([], [], "D", ms=3, mfc=fill, mec=VERMILION, label=label)
    for colour, name in zip(FRESH_TO_OLD, STATE_NAMES, strict=True):
        panels[2].bar([0], [0], color=colour, label=name)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
