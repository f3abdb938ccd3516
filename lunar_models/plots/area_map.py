"""A map of a counting area and its craters, for print."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from pyproj import CRS, Transformer

from lunar_models.arrays import Float64Array
from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.outlines import GEOGRAPHIC
from lunar_models.degradation.sphere_rings import sphere_rings
from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.print import WIDTH_IN, Width, print_style, state_colour
from lunar_models.plots.style import BLACK, PURPLE

_MOST_CRATERS = 5_000
_NICE = (1, 2, 5)


def area_map(
    analysis: Analysis,
    width: Width = "two",
    *,
    background: Background | None = None,
    sun_side: str | None = None,
) -> Figure:
    """The area's outline, its craters at their sizes in the colours of their states.

    In Lambert's azimuthal equal-area projection (Snyder 1987, 24) centred on the area, north up at
    its centre, so that circles and areas are true; with a scale bar and a north arrow.

    Args:
        analysis: of the region; of more than 5,000 craters the largest are drawn.
        width: columns of the journal.
        background: overview of the mosaic in degrees.
        sun_side: where the Sun stands in the mosaic, noted on the map.
    """
    rings = [ring for _, ring in sphere_rings(analysis.area.shape)]
    project = _projection(rings)
    outlines = [np.column_stack(project.transform(*ring.T)) / 1000.0 for ring in rings]
    spread = np.vstack([o[np.isfinite(o).all(axis=1)] for o in outlines])
    (west, south), (east, north) = spread.min(axis=0), spread.max(axis=0)
    margin = 0.03 * max(east - west, north - south)
    with print_style():
        inches = WIDTH_IN[width]
        shape = (north - south + 2 * margin) / (east - west + 2 * margin)
        figure = Figure(figsize=(inches, min(inches * shape + 0.45, 9.0)), layout="constrained")
        axes = figure.subplots()
        if background is not None:
            _draw_background(axes, background, project)
        vertices = np.vstack(outlines)
        codes = np.concatenate([_codes(len(o)) for o in outlines])
        axes.add_patch(PathPatch(Outline(vertices, codes), fill=False, ec=PURPLE, lw=1.2))
        _draw_craters(axes, analysis.craters, analysis.states, project)
        axes.set(xlim=(west - margin, east + margin), ylim=(south - margin, north + margin))
        axes.set(aspect="equal", xticks=[], yticks=[])
        _scale_bar(axes, east - west)
        _north(axes)
        if sun_side is not None:
            axes.set_title(f"Sun: {sun_side}", loc="right", fontsize=7)
        figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure


def _projection(rings: list[Float64Array]) -> Transformer:
    points = np.radians(np.vstack(rings))
    flat = np.cos(points[:, 1])
    centre = np.array([
        (flat * np.cos(points[:, 0])).mean(), (flat * np.sin(points[:, 0])).mean(),
        np.sin(points[:, 1]).mean(),
    ])  # fmt: skip
    longitude = np.degrees(np.arctan2(centre[1], centre[0]))
    latitude = np.degrees(np.arctan2(centre[2], np.hypot(centre[0], centre[1])))
    plane = CRS(
        f"+proj=laea +lat_0={latitude:.6f} +lon_0={longitude:.6f} +R={MOON_RADIUS_KM * 1000:.0f}"
    )
    return Transformer.from_crs(GEOGRAPHIC, plane, always_xy=True)


def _codes(count: int) -> Any:
    return np.r_[Outline.MOVETO, np.full(count - 1, Outline.LINETO)]


def _draw_craters(
    axes: Any, craters: pd.DataFrame, states: Mapping[int, str], project: Transformer
) -> None:
    shown = craters.nlargest(_MOST_CRATERS, "diameter_km")
    x, y = project.transform(shown["longitude_deg"].to_numpy(), shown["latitude_deg"].to_numpy())
    places, size = np.column_stack((x, y)) / 1000.0, shown["diameter_km"].to_numpy()
    known = shown["state"].fillna(0).astype(int) if "state" in shown else pd.Series(0, shown.index)
    for state in (0, *states):
        one = (known == state).to_numpy()
        if not one.any():
            continue
        colour = state_colour(state) if state else BLACK
        axes.add_collection(
            EllipseCollection(
                size[one], size[one], np.zeros(int(one.sum())), units="xy", offsets=places[one],
                offset_transform=axes.transData, facecolors="none", edgecolors=colour, lw=0.7,
            )
        )  # fmt: skip
        axes.plot([], [], "o", mfc="none", mec=colour, ms=4, label=states.get(state, "no state"))


def _draw_background(axes: Any, background: Background, project: Transformer) -> None:
    """The overview as a mesh: every pixel where the projection puts it."""
    rows, columns = background.image.shape
    bounds = background.bounds
    step = max(1, rows // 600, columns // 900)
    image = background.image[::step, ::step]
    longitude = np.linspace(bounds.left, bounds.right, image.shape[1] + 1)
    latitude = np.linspace(bounds.top, bounds.bottom, image.shape[0] + 1)
    x, y = project.transform(*np.meshgrid(longitude, latitude))
    axes.pcolormesh(
        np.asarray(x) / 1000, np.asarray(y) / 1000, image, cmap="gray", vmin=0, vmax=300,
        rasterized=True,
    )  # fmt: skip


def _scale_bar(axes: Any, width_km: float) -> None:
    exponent = 10.0 ** np.floor(np.log10(width_km / 4))
    length = max(n * exponent for n in _NICE if n * exponent <= width_km / 4)
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    x, y = left + 0.04 * (right - left), bottom + 0.04 * (top - bottom)
    axes.plot([x, x + length], [y, y], color="white", lw=4.5, solid_capstyle="butt", zorder=5)
    axes.plot([x, x + length], [y, y], color=BLACK, lw=2.5, solid_capstyle="butt", zorder=6)
    axes.annotate(
        f"{length:g} km", (x + length / 2, y), xytext=(0, 4), textcoords="offset points",
        ha="center", fontsize=7, zorder=6, bbox={"fc": "white", "ec": "none", "pad": 0.6},
    )  # fmt: skip


def _north(axes: Any) -> None:
    axes.annotate(
        "N", (0.965, 0.97), (0.965, 0.87), xycoords="axes fraction", ha="center", va="center",
        fontsize=8, arrowprops={"arrowstyle": "-|>", "color": BLACK, "lw": 1.0},
        bbox={"fc": "white", "ec": "none", "pad": 0.8}, zorder=6,
    )  # fmt: skip
