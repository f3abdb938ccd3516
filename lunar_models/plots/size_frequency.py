"""Draw crater size-frequency distributions by degradation state.

Forms of the Crater Analysis Techniques Working Group (1979, Icarus 37, 467-474).
"""

from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.arrays import Float64Array
from lunar_models.colours import state_colours
from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.chronology import HARTMANN, TRASK, EquilibriumFunction
from lunar_models.export.methods import format_age
from lunar_models.plots.print import Width, label_diameters, print_figure, print_style
from lunar_models.plots.style import BLACK

Form = Literal["cumulative", "differential", "r"]

_LABELS = {
    "cumulative": "cumulative density (km⁻²)",
    "differential": "differential density (km⁻³)",
    "r": "relative density R",
}
_GREY = "#b0b0b0"
_MARKERS = ("s", "^", "D", "v", "P", "X")


def size_frequency_figure(analysis: Analysis, form: Form, width: Width = "one") -> Figure:
    """Draw all craters and each state, with Poisson intervals, fitted age and equilibrium lines.

    Bins below a population's completeness limit are grey. The line of the age is the production
    function at that age, solid over the diameters that were fitted.

    Args:
        analysis: of the region.
        form: cumulative, differential or R.
        width: columns of the journal.
    """
    with print_style():
        figure = print_figure(width, 1.05 if width == "one" else 0.75)
        axes = figure.subplots()
        tables = analysis.size_frequency
        filled = tables[tables["count"] > 0]
        span = float(filled["d_low_km"].min()) * 0.8, float(filled["d_high_km"].max()) * 1.25
        values = filled[form]
        heights = float(values.min()) / 4.0, float(values.max()) * 6.0
        colours = {0: BLACK, **state_colours(analysis.states)}
        for state in sorted(tables["state"].unique()):
            rows = filled[filled["state"] == state]
            _draw_population(axes, rows, int(state), form, colours[int(state)])
        if not filled["complete"].all():
            label = "below the completeness limit"
            axes.plot([], [], "o", ms=3.2, color=_GREY, mfc="white", mew=0.8, label=label)
        _draw_age(axes, analysis, form, span)
        _draw_equilibrium(axes, TRASK, form, span, "--")
        _draw_equilibrium(axes, HARTMANN, form, span, ":")
        axes.set(xscale="log", yscale="log", xlim=span, ylim=heights)
        axes.set(xlabel="crater diameter (km)", ylabel=_LABELS[form])
        label_diameters(axes.xaxis)
        axes.grid(alpha=0.25, lw=0.4)
        figure.legend(loc="outside lower center", ncols=2 if width == "one" else 4, frameon=False)
    return figure


def _draw_population(axes: Any, table: pd.DataFrame, state: int, form: Form, colour: str) -> None:
    if table.empty:
        return
    name = str(table["population"].iloc[0])
    marker = "o" if state == 0 else _MARKERS[(state - 1) % len(_MARKERS)]
    where = "d_low_km" if form == "cumulative" else "d_mean_km"
    label = f"{name} ({int(table['count'].sum()):,})"
    for complete, part in table.groupby("complete"):
        x, y = part[where], part[form]
        error = np.array([y - part[f"{form}_low"], part[f"{form}_high"] - y])
        shown = colour if complete else _GREY
        axes.errorbar(
            x, y, np.maximum(error, 0), fmt=marker, ms=3.2, color=shown, mfc="white", mew=0.8,
            elinewidth=0.6, zorder=3 if complete else 2,
        )  # fmt: skip
    axes.plot([], [], marker, ms=3.2, color=colour, mfc="white", mew=0.8, label=label)


def _draw_age(axes: Any, analysis: Analysis, form: Form, span: tuple[float, float]) -> None:
    age, production = analysis.age, analysis.choices.system.production
    if not age.known:
        return
    low, high = np.clip(span, *production.range_km).tolist()
    everywhere = np.geomspace(low, high, 300)
    fitted = np.geomspace(age.diameter_min_km, min(age.diameter_max_km, span[1]), 300)
    years = format_age(age.median_ga, age.low_ga, age.high_ga)
    text = f"{years}\n{analysis.choices.system.name}"
    axes.text(
        0.97,
        0.97,
        text,
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=7,
        bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.0},
        zorder=5,
    )
    for diameters, style in ((everywhere, {"lw": 0.5, "alpha": 0.6}), (fitted, {"lw": 1.2})):
        cumulative = age.n1_per_km2 * production.relative(diameters)
        steepness = -production.slope(diameters)
        axes.plot(diameters, _as(form, diameters, cumulative, steepness), color=BLACK, **style)


def _draw_equilibrium(
    axes: Any, line: EquilibriumFunction, form: Form, span: tuple[float, float], style: str
) -> None:
    diameters = np.geomspace(*span, 50)
    values = _as(form, diameters, line.density(diameters), np.full(50, -line.b))
    axes.plot(diameters, values, style, color="#707070", lw=0.8, label=line.name)


def _as(
    form: Form, diameters: Float64Array, cumulative: Float64Array, steepness: Float64Array
) -> Float64Array:
    """A cumulative density in another form, by its local power law."""
    if form == "cumulative":
        return cumulative
    differential = cumulative * steepness / diameters
    return differential if form == "differential" else differential * diameters**3
