"""Draw a map of the degradation of craters."""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from lunar_models.arrays import FloatArray, IntArray
from lunar_models.colours import FRESH_TO_OLD
from lunar_models.plots.cluster_map import Background, draw_background, map_dots, map_figure
from lunar_models.plots.groups import state_groups
from lunar_models.plots.map_marks import draw_marks
from lunar_models.plots.thumbnails import bounds_around

_SCALE = LinearSegmentedColormap.from_list("fresh_to_old", FRESH_TO_OLD)


def state_map(
    lonlat: FloatArray,
    state: IntArray,
    names: dict[int, str],
    background: Background | None,
    *,
    sun: str | None = None,
) -> Figure:
    """Draw every crater as a dot in the colour of its degradation state.

    Args:
        lonlat: (N, 2) longitude and latitude in degrees.
        state: (N,) from 1, the freshest.
        names: of all states, in order.
        background: None draws no mosaic.
        sun: where the Sun stands, from `describe_sun`; noted above the map.
    """
    return map_dots(lonlat, state_groups(state, names), background, sun=sun)


def degradation_map(
    lonlat: FloatArray,
    degradation: FloatArray,
    background: Background | None,
    *,
    sun: str | None = None,
) -> Figure:
    """Draw every crater as a dot in the colour of its degradation.

    Args:
        lonlat: (N, 2) longitude and latitude in degrees.
        degradation: (N,) in [0, 1], 0 the freshest; the freshest are drawn last, on top.
        background: None draws no mosaic.
        sun: where the Sun stands, from `describe_sun`; noted above the map.
    """
    bounds = background.bounds if background else bounds_around(lonlat)
    figure, axes = map_figure(bounds)
    draw_background(axes, background)
    order = np.argsort(-degradation, kind="stable")
    size = float(np.clip(4e4 / max(len(order), 1), 3, 30))
    dots = axes.scatter(
        *lonlat[order].T, c=degradation[order], cmap=_SCALE, vmin=0, vmax=1, s=size, lw=0
    )
    axes.set(
        xlim=(bounds.left, bounds.right),
        ylim=(bounds.bottom, bounds.top),
        xlabel="longitude (°, east positive)",
        ylabel="latitude (°)",
        aspect="equal",
    )
    draw_marks(axes, bounds, sun)
    figure.colorbar(dots, ax=axes, label="degradation (0 fresh, 1 most degraded)", shrink=0.8)
    return figure
