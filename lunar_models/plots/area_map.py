"""Draw a map of a counting area and its craters, for print."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch
from matplotlib.path import Path as Outline
from pyproj import CRS, Transformer

from lunar_models.arrays import Float64Array
from lunar_models.colours import state_colours
from lunar_models.degradation import sphere_polygons as sphere
from lunar_models.degradation.analysis import Analysis
from lunar_models.degradation.areas import CountingArea
from lunar_models.degradation.outlines import GEOGRAPHIC, divide
from lunar_models.degradation.sphere_rings import sphere_rings
from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.plots.cluster_map import Background
from lunar_models.plots.map_marks import draw_north, draw_scale_bar
from lunar_models.plots.print import WIDTH_IN, Width, print_style
from lunar_models.plots.style import BLACK, PURPLE

_MOST_CRATERS = 5_000
_WIDE = 0.4
"""Part of the Moon beyond which an azimuthal map is too distorted."""


def area_map(
    analysis: Analysis,
    width: Width = "two",
    *,
    background: Background | None = None,
    sun_side: str | None = None,
) -> Figure:
    """Draw the area's outline, and its craters at their sizes in the colours of their states.

    In Lambert's azimuthal equal-area projection (Snyder 1987, 24) centred on the area, north up at
    its centre, so that circles and areas are nearly true; with a scale bar and a north arrow. An
    area of more than 0.4 of the Moon is drawn in Mollweide's projection (Snyder 1987, 31).

    Args:
        analysis: of the region; of more than 5,000 craters the largest are drawn.
        width: columns of the journal.
        background: overview of the mosaic in degrees.
        sun_side: where the Sun stands in the mosaic, noted on the map.
    """
    project, outlines = _plane(analysis.area)
    spread = np.vstack(outlines)
    (west, south), (east, north) = spread.min(axis=0), spread.max(axis=0)
    margin = 0.03 * max(east - west, north - south)
    with print_style():
        inches = WIDTH_IN[width]
        shape = (north - south + 2 * margin) / (east - west + 2 * margin)
        figure = Figure(figsize=(inches, min(inches * shape + 0.45, 9.0)), layout="constrained")
        axes = figure.subplots()
        limits = west - margin, east + margin, south - margin, north + margin
        if background is not None:
            _draw_background(axes, background, project, limits)
        vertices = np.vstack(outlines)
        codes = np.concatenate([_codes(len(o)) for o in outlines])
        axes.add_patch(PathPatch(Outline(vertices, codes), fill=False, ec=PURPLE, lw=1.2))
        _draw_craters(axes, analysis.craters, analysis.states, project)
        axes.set(xlim=limits[:2], ylim=limits[2:])
        axes.set(aspect="equal", xticks=[], yticks=[])
        draw_scale_bar(axes, 1.0)
        draw_north(axes)
        if sun_side is not None:
            axes.set_title(f"Sun: {sun_side}", loc="right", fontsize=7)
        figure.legend(loc="outside lower center", ncols=5, frameon=False)
    return figure


def _plane(area: CountingArea) -> tuple[Transformer, list[Float64Array]]:
    """The map's projection, and the outlines of the area in its plane, (V, 2) km each."""
    if area.area_km2 > _WIDE * 4 * np.pi * MOON_RADIUS_KM**2:
        project = Transformer.from_crs(
            GEOGRAPHIC, CRS(f"+proj=moll +R={MOON_RADIUS_KM * 1000:.0f}"), always_xy=True
        )
        rings = [divide(np.column_stack(ring), 1.0) for _, *ring in sphere.rings(area.shape)]
        inside = 180 - 1e-9  # the projection puts 180° to the west
        rings = [np.clip(ring, (-inside, -90), (inside, 90)) for ring in rings]
    else:
        rings = [ring for _, ring in sphere_rings(area.shape)]
        project = _projection(rings)
    return project, [np.column_stack(project.transform(*ring.T)) / 1000.0 for ring in rings]


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
    colours = {0: BLACK, **state_colours(states)}
    for state, colour in colours.items():
        one = (known == state).to_numpy()
        if not one.any():
            continue
        axes.add_collection(
            EllipseCollection(
                size[one], size[one], np.zeros(int(one.sum())), units="xy", offsets=places[one],
                offset_transform=axes.transData, facecolors="none", edgecolors=colour, lw=0.7,
            )
        )  # fmt: skip
        axes.plot([], [], "o", mfc="none", mec=colour, ms=4, label=states.get(state, "no state"))


def _draw_background(
    axes: Any,
    background: Background,
    project: Transformer,
    limits: tuple[float, float, float, float],
) -> None:
    """The overview as a mesh: every pixel where the projection puts it, within `limits`."""
    image, bounds = background.image, background.bounds
    longitude = np.linspace(bounds.left, bounds.right, image.shape[1] + 1)
    latitude = np.linspace(bounds.top, bounds.bottom, image.shape[0] + 1)
    shown = _shown(image.shape, longitude, latitude, project, limits)
    rows, columns = (np.flatnonzero(shown.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    step = max(1, (bottom - top) // 600, (right - left) // 900)
    x_edges = np.r_[longitude[left:right:step], longitude[right]]
    y_edges = np.r_[latitude[top:bottom:step], latitude[bottom]]
    x, y = (np.asarray(v) / 1000.0 for v in project.transform(*np.meshgrid(x_edges, y_edges)))
    torn = ~_whole(x, y, 0.5 * (limits[1] - limits[0] + limits[3] - limits[2]))
    part = np.ma.masked_where(torn, image[top:bottom:step, left:right:step])
    axes.pcolormesh(
        np.nan_to_num(x, posinf=0, neginf=0), np.nan_to_num(y, posinf=0, neginf=0), part,
        cmap="gray", vmin=0, vmax=300, rasterized=True,
    )  # fmt: skip


def _shown(
    shape: tuple[int, ...],
    longitude: Float64Array,
    latitude: Float64Array,
    project: Transformer,
    limits: tuple[float, float, float, float],
) -> npt.NDArray[np.bool_]:
    """(rows, columns) which pixels of an overview have their centre within the map."""
    centres = np.meshgrid((longitude[:-1] + longitude[1:]) / 2, (latitude[:-1] + latitude[1:]) / 2)
    x, y = (np.asarray(v) / 1000.0 for v in project.transform(*centres))
    west, east, south, north = limits
    return np.asarray((x >= west) & (x <= east) & (y >= south) & (y <= north)).reshape(shape)


def _whole(x: Float64Array, y: Float64Array, longest: float) -> npt.NDArray[np.bool_]:
    """Which cells of a mesh have finite corners that lie together, not on both ends of the map."""
    good = np.isfinite(x) & np.isfinite(y)
    corners = good[:-1, :-1] & good[1:, :-1] & good[:-1, 1:] & good[1:, 1:]
    with np.errstate(invalid="ignore"):
        wide = np.abs(np.diff(x, axis=1)) > longest / 4
    return np.asarray(corners & ~wide[:-1] & ~wide[1:])
