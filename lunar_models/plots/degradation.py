"""Draw degradation against diameter: K, states, and retention times of states."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from lunar_models.colours import state_colours
from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.crater_shape import STATE_EDGES
from lunar_models.plots.print import Width, label_diameters, print_figure, print_style
from lunar_models.plots.style import BLACK, PURPLE, YELLOW

_MOST_POINTS = 20_000
_AGES_GA = (0.1, 1.0, 3.0)


def k_figure(analysis: Analysis, width: Width = "one") -> Figure:
    """K of each crater against its diameter, with lines of equal state and of equal age.

    Diagonal lines are the edges of the states (equal K/R²), horizontal ones ages under the chosen
    diffusivity, drawn over the diameters it was derived for. Squares are medians with 16-84 %.
    Craters whose K is only a limit are smaller dots.
    """
    ages, law = analysis.crater_ages, analysis.choices.diffusivity
    with print_style():
        figure = print_figure(width, 1.0 if width == "one" else 0.7)
        axes = figure.subplots()
        shown = ages.sample(min(len(ages), _MOST_POINTS), random_state=0)
        colours = [BLACK] * len(shown)
        if "state" in shown:
            chosen = state_colours(analysis.states)
            colours = [BLACK if pd.isna(s) else chosen[int(s)] for s in shown["state"]]
        limit = shown["flags"].str.contains("fresh|erased")
        axes.scatter(
            shown["diameter_km"], shown["k_m2"], s=np.where(limit, 0.4, 2.0), c=colours, alpha=0.5,
            lw=0, rasterized=True,
        )  # fmt: skip
        span = float(ages["diameter_km"].min()) * 0.9, float(ages["diameter_km"].max()) * 1.1
        low, high = ages["k_m2"].quantile([0.001, 1.0])
        _edges_of_states(axes, span, high * 2)
        reach = max(span[0], law.diameter_range_km[0]), min(span[1], law.diameter_range_km[1])
        for age in _AGES_GA if reach[0] < reach[1] else ():
            x = np.geomspace(*reach, 50)
            y = law.at(x) * 1000 * age
            axes.plot(x, y, color=PURPLE, lw=1.0)
            axes.annotate(
                f"{age:g} Ga", (x[-1], y[-1]), color=PURPLE, fontsize=6.5, xytext=(2, 0),
                textcoords="offset points", va="center",
            )  # fmt: skip
        bins = analysis.k_by_diameter.dropna(subset="k_m2")
        middle = np.sqrt(bins["d_low_km"] * bins["d_high_km"])
        error = np.array([bins["k_m2"] - bins["k_m2_p16"], bins["k_m2_p84"] - bins["k_m2"]])
        axes.errorbar(
            middle, bins["k_m2"], np.maximum(error, 0), fmt="s", ms=3, color=BLACK, mfc=YELLOW,
            elinewidth=0.7, mew=0.6, label="median, 16-84 %", zorder=4,
        )  # fmt: skip
        axes.set(xscale="log", yscale="log", xlim=span, ylim=(max(low / 2, 1.0), high * 2))
        axes.set(xlabel="crater diameter (km)", ylabel="diffusion age K (m²)")
        label_diameters(axes.xaxis)
        _legend_of_states(axes, analysis)
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def states_figure(analysis: Analysis, width: Width = "one") -> Figure:
    """Share of each state, and the median state, in bins of diameter.

    Where craters are made and worn at a steady rate, shares do not change below the diameter of
    equilibrium (Moore, Boyce & Hahn 1980, doi 10.1007/BF00899820).
    """
    bins = analysis.k_by_diameter
    bins = bins[bins["with_state"] > 0]
    with print_style():
        figure = print_figure(width, 1.0 if width == "one" else 0.6)
        axes, counts = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
        left = bins["d_low_km"].to_numpy()
        wide = (bins["d_high_km"] - bins["d_low_km"]).to_numpy()
        base, colours = np.zeros(len(bins)), state_colours(analysis.states)
        for state, name in analysis.states.items():
            share = bins[f"share_{state}"].to_numpy()
            axes.bar(
                left, share, wide, base, align="edge", color=colours[state], lw=0.4,
                edgecolor="white", label=name,
            )  # fmt: skip
            base = base + share
        axes.set(ylabel="share of craters", ylim=(0, 1))
        twin = axes.twinx()
        middle = np.sqrt(left * (left + wide))
        twin.plot(middle, bins["median_state"], "o-", color=BLACK, ms=3, label="median state")
        most = max(analysis.states)
        twin.set(ylabel="median state", ylim=(0.5, most + 0.5), yticks=range(1, most + 1))
        counts.bar(left, bins["with_state"], wide, align="edge", color="#808080", lw=0.3,
                   edgecolor="white")  # fmt: skip
        counts.set(xscale="log", yscale="log", xlabel="crater diameter (km)", ylabel="craters")
        label_diameters(counts.xaxis)
        counts.yaxis.set_minor_formatter(NullFormatter())  # the panel is too low for them
        figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def retention_figure(analysis: Analysis, width: Width = "one") -> Figure:
    """Model age of the craters of each state and fresher ones, in bins of diameter.

    It is how long a crater of that size stays in those states; a steady state lets it grow with the
    diameter until it reaches the age of the surface. Where there is no such crater, a triangle
    marks the upper limit.
    """
    table = analysis.retention_by_diameter
    with print_style():
        figure = print_figure(width, 0.95 if width == "one" else 0.6)
        axes, colours = figure.subplots(), state_colours(analysis.states)
        for state, name in analysis.states.items():
            rows = table[table["state"] == state]
            none = rows[rows["craters"] == 0]
            x = np.sqrt(none["d_low_km"] * none["d_high_km"]) * 1.015 ** (state - 2)
            axes.plot(x, none["age_high_ga"], "v", ms=3, mfc="white", color=colours[state])
            ages = ["age_ga", "age_low_ga", "age_high_ga"]
            rows = rows.copy()
            rows.loc[rows["craters"] == 0, ages] = np.nan  # breaks the line
            x = np.sqrt(rows["d_low_km"] * rows["d_high_km"]) * 1.015 ** (state - 2)
            error = [rows["age_ga"] - rows["age_low_ga"], rows["age_high_ga"] - rows["age_ga"]]
            axes.errorbar(
                x, rows["age_ga"], np.maximum(error, 0), fmt="o-", ms=3, color=colours[state],
                elinewidth=0.7, label=name if state == 1 else f"{name} and fresher",
            )  # fmt: skip
        axes.set(xscale="log", xlabel="crater diameter (km)", ylim=(0, 4.6))
        if len(table):  # wide enough for two labels even of a single bin
            axes.set_xlim(table["d_low_km"].min() / 1.5, table["d_high_km"].max() * 1.5)
        axes.set(ylabel="model age of the population (Ga)")
        label_diameters(axes.xaxis)
        axes.grid(alpha=0.25, lw=0.4)
        figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _edges_of_states(axes: Any, span: tuple[float, float], top_m2: float) -> None:
    """Lines of equal K/R², named where they leave the axes."""
    x = np.geomspace(*span, 50)
    for edge in STATE_EDGES:
        axes.plot(x, edge * (x * 500.0) ** 2, "--", color="#707070", lw=0.7)
        leaves = min(span[1], np.sqrt(top_m2 / edge) / 500.0)
        if leaves > span[0]:
            through_top = leaves < span[1]
            axes.annotate(
                f"{edge:g}", (leaves, edge * (leaves * 500.0) ** 2), fontsize=6, color="#505050",
                xytext=(0, 2) if through_top else (2, 0), textcoords="offset points",
                ha="center" if through_top else "left", va="bottom" if through_top else "center",
                annotation_clip=False,
            )  # fmt: skip
    axes.plot([], [], "--", color="#707070", lw=0.7, label="K/R²")


def _legend_of_states(axes: Any, analysis: Analysis) -> None:
    for state, colour in state_colours(analysis.states).items():
        axes.plot([], [], ".", color=colour, label=analysis.states[state])
