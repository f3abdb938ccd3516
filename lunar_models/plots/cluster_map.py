"""Draw maps of the groups: dots, thumbnails and densities."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from lunar_models.arrays import FloatArray
from lunar_models.crops.display import STRETCH_NOTE
from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.plots.embedding_views import draw_dots
from lunar_models.plots.groups import Groups, legend_beside
from lunar_models.plots.map_marks import draw_marks
from lunar_models.plots.style import new_figure, subplots
from lunar_models.plots.thumbnails import Bounds, bounds_around, mosaic_of_thumbnails, place


@dataclass(frozen=True)
class Background:
    """An overview of the mosaic in plain longitude and latitude."""

    image: npt.NDArray[np.uint8]
    """(H, W) uint8, north up; 2,000 pixels across are plenty."""
    bounds: Bounds
    """Degrees of longitude and latitude."""


def map_dots(
    lonlat: FloatArray, groups: Groups, background: Background | None, *, sun: str | None = None
) -> Figure:
    """Draw every crater as a dot over the mosaic.

    Args:
        lonlat: (N, 2) longitude and latitude in degrees.
        groups: N craters.
        background: None draws no mosaic.
        sun: where the Sun stands, from `describe_sun`; noted above the map.
    """
    bounds = background.bounds if background else bounds_around(lonlat)
    figure, axes = map_figure(bounds)
    draw_background(axes, background)
    draw_dots(axes, lonlat, groups, seed=0)
    _finish(axes, bounds, groups, sun)
    return figure


def map_thumbnails(
    lonlat: FloatArray,
    crops: npt.NDArray[np.uint8],
    groups: Groups,
    background: Background | None,
    *,
    limit: int = 600,
    sun: str | None = None,
) -> Figure:
    """Craters as thumbnails over the mosaic, bordered in the colour of their group.

    Args:
        lonlat: (N, 2) longitude and latitude in degrees.
        crops: (N, S, S) uint8; only the drawn rows are read.
        groups: N craters.
        background: None draws no mosaic.
        limit: most thumbnails; where craters crowd one is shown.
        sun: as in `map_dots`.
    """
    bounds = background.bounds if background else bounds_around(lonlat)
    figure, axes = map_figure(bounds, width_in=15)
    draw_background(axes, background)
    aspect = (bounds.right - bounds.left) / (bounds.top - bounds.bottom)
    placement = place(lonlat, bounds, limit=limit, aspect=aspect)
    picture = mosaic_of_thumbnails(crops, groups, placement)
    axes.imshow(picture, extent=bounds.extent, interpolation="antialiased", zorder=2)
    axes.set_title(
        f"{len(placement.rows):,} of {len(lonlat):,} craters; {STRETCH_NOTE}", loc="right"
    )
    _finish(axes, bounds, groups, sun)
    return figure


def density_maps(lonlat: FloatArray, groups: Groups, background: Background | None) -> Figure:
    """Craters of each group per 10,000 km², on one scale.

    Args:
        lonlat: (N, 2) longitude and latitude in degrees.
        groups: N craters; at most 12 groups are shown.
        background: gives the bounds; None takes those of the craters.
    """
    groups.require(len(lonlat))
    bounds = background.bounds if background else bounds_around(lonlat)
    shown = list(groups.styles.items())[:12]
    densities = [_density(lonlat[groups.members(group)], bounds) for group, _ in shown]
    top = max(float(np.quantile(densities, 0.995)), 1e-9)
    columns = min(len(shown), 3 if len(shown) != 4 else 2)
    lines = -(-len(shown) // columns)
    height = 4.0 * (bounds.top - bounds.bottom) / (bounds.right - bounds.left)
    figure = new_figure(4.2 * columns + 1, (height + 0.55) * lines + 0.5)
    figure.set_layout_engine("compressed")
    axes = subplots(figure, lines, columns, sharex=True, sharey=True)
    for axis, (_, style), density in zip(axes.flat, shown, densities, strict=False):
        image = axis.imshow(density, extent=bounds.extent, cmap="cividis", vmin=0, vmax=top)
        axis.set_title(f"     {style.name}", fontsize=10, loc="left")
        axis.plot(0.025, 1.07, marker=style.marker, color=style.colour, ms=8, clip_on=False,
                  transform=axis.transAxes)  # fmt: skip
        draw_marks(axis, bounds)
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    figure.supxlabel("longitude (°, east positive)", fontsize=10)
    figure.supylabel("latitude (°)", fontsize=10)
    figure.colorbar(image, ax=axes, label="craters per 10,000 km²", shrink=0.8)
    return figure


def _density(lonlat: FloatArray, bounds: Bounds) -> FloatArray:
    """(lines, columns) craters per 10,000 km², north up, about 40 cells along the longer side."""
    width, height = bounds.right - bounds.left, bounds.top - bounds.bottom
    cell = max(width, height) / 40
    longitudes = np.linspace(bounds.left, bounds.right, max(2, round(width / cell)) + 1)
    latitudes = np.linspace(bounds.bottom, bounds.top, max(2, round(height / cell)) + 1)
    counts, _, _ = np.histogram2d(lonlat[:, 1], lonlat[:, 0], bins=[latitudes, longitudes])
    band_km2 = MOON_RADIUS_KM**2 * np.diff(np.sin(np.radians(latitudes)))
    area_km2 = band_km2[:, None] * np.radians(np.diff(longitudes))
    density: FloatArray = (counts / area_km2 * 1e4)[::-1]
    return density


def map_figure(bounds: Bounds, width_in: float = 12.0) -> tuple[Figure, Any]:
    """Return a figure in the proportions of `bounds`, and its axes."""
    shape = (bounds.top - bounds.bottom) / (bounds.right - bounds.left)
    figure = new_figure(width_in, (width_in - 2.6) * shape + 1.0)
    figure.set_layout_engine("compressed")
    return figure, subplots(figure)[0, 0]


def draw_background(axes: Any, background: Background | None) -> None:
    """Draw the mosaic, darkened, if there is one."""
    if background is not None:
        # darkened, so that the groups' colours stand out
        axes.imshow(
            background.image, extent=background.bounds.extent, cmap="gray", vmin=0, vmax=350
        )


def _finish(axes: Any, bounds: Bounds, groups: Groups, sun: str | None) -> None:
    axes.set(
        xlim=(bounds.left, bounds.right),
        ylim=(bounds.bottom, bounds.top),
        xlabel="longitude (°, east positive)",
        ylabel="latitude (°)",
        aspect="equal",
    )
    draw_marks(axes, bounds, sun)
    legend_beside(axes, groups)
