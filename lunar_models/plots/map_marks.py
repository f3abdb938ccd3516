"""Draw the scale bar, the north arrow and the Sun's direction on a map."""

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.patheffects import withStroke

from lunar_models.moon import MOON_RADIUS_KM
from lunar_models.plots.style import BLACK
from lunar_models.plots.thumbnails import Bounds

_NICE = (1, 2, 5)
_SIDES = ("north", "east", "south", "west")
_ONE_SIDE_DEG = 45.0
_ONE_SIDE_SHARE = 0.9
_LEAST_SHARE = 0.05
_LARGEST_LATITUDE_DEG = 89.0


def describe_sun(azimuth_deg: npt.ArrayLike) -> str | None:
    """Describe where the Sun stands for the craters of a map, such as ``east (azimuth 92°)``.

    One side if 90 % of the azimuths lie within 45° of their circular mean (Mardia & Jupp 2000,
    Directional Statistics, 2.2), else the share of craters of each quarter, those of 5 % and more.

    Args:
        azimuth_deg: (N,) of the Sun at each crater, clockwise from north; NaN where unknown.

    Returns:
        None if no azimuth is known.
    """
    azimuth = np.asarray(azimuth_deg, np.float64)
    azimuth = azimuth[np.isfinite(azimuth)]
    if not len(azimuth):
        return None
    angle = np.radians(azimuth)
    mean = np.degrees(np.arctan2(np.sin(angle).mean(), np.cos(angle).mean())) % 360.0
    away = np.abs((azimuth - mean + 180.0) % 360.0 - 180.0)
    if (away <= _ONE_SIDE_DEG).mean() >= _ONE_SIDE_SHARE:
        return f"{_SIDES[_quarter(mean)]} (azimuth {round(mean) % 360}°)"
    counts = np.bincount(_quarter(azimuth), minlength=4)
    shares = counts / len(azimuth)
    told = [i for i in np.argsort(-shares, kind="stable") if shares[i] >= _LEAST_SHARE]
    return ", ".join(f"{_SIDES[i]} {shares[i]:.0%}" for i in told) + " of craters"


def draw_marks(axes: Any, bounds: Bounds, sun: str | None = None) -> None:
    """Draw scale bar, north arrow and the Sun's side on a map in degrees.

    A degree of longitude shortens with the latitude, so the bar names the one it is true at: the
    middle one.
    """
    middle = (bounds.bottom + bounds.top) / 2.0
    shortened = np.cos(np.radians(min(abs(middle), _LARGEST_LATITUDE_DEG)))
    km_per_degree = float(np.radians(1.0) * MOON_RADIUS_KM * shortened)
    side = "N" if middle >= 0 else "S"
    draw_scale_bar(axes, km_per_degree, note=f" at {abs(middle):.3g}° {side}" if middle else "")
    draw_north(axes)
    if sun is not None:
        axes.set_title(f"Sun: {sun}", loc="left", fontsize="medium")


def draw_scale_bar(axes: Any, km_per_unit: float, *, note: str = "") -> None:
    """Draw a bar of a round number of kilometres, at most a quarter of the map's width.

    Args:
        axes: with their limits set.
        km_per_unit: kilometres of a unit of the abscissa.
        note: follows the length.
    """
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    most_km = (right - left) * km_per_unit / 4
    exponent = 10.0 ** np.floor(np.log10(most_km))
    length_km = max(n * exponent for n in _NICE if n * exponent <= most_km)
    x, y = left + 0.04 * (right - left), bottom + 0.04 * (top - bottom)
    end = x + length_km / km_per_unit
    axes.plot([x, end], [y, y], color="white", lw=4.5, solid_capstyle="butt", zorder=5)
    axes.plot([x, end], [y, y], color=BLACK, lw=2.5, solid_capstyle="butt", zorder=6)
    axes.annotate(
        f"{length_km:,.12g} km{note}", ((x + end) / 2, y), xytext=(0, 5),
        textcoords="offset points", ha="center", fontsize=7, zorder=6,
        bbox={"fc": "white", "ec": "none", "pad": 0.6},
    )  # fmt: skip


def draw_north(axes: Any) -> None:
    """Draw an arrow up, for a map whose north is up."""
    north = axes.annotate(
        "N", (0.965, 0.97), (0.965, 0.87), xycoords="axes fraction", ha="center", va="center",
        fontsize=8, arrowprops={"arrowstyle": "-|>", "color": BLACK, "lw": 1.0},
        bbox={"fc": "white", "ec": "none", "pad": 0.8}, zorder=6,
    )  # fmt: skip
    north.arrow_patch.set_path_effects([withStroke(linewidth=3.0, foreground="white")])


def _quarter(azimuth_deg: npt.ArrayLike) -> Any:
    """0 north, 1 east, 2 south, 3 west; same shape."""
    return np.asarray(np.rint(np.asarray(azimuth_deg) / 90.0), np.int64) % 4
