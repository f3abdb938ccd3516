"""Draw the Sun's azimuths: arrows on a map, their distribution, and their uncertainty."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lunar_models.arrays import Float64Array
from lunar_models.plots.style import BLUE, ORANGE, VERMILION, new_figure

_MOST_ARROWS = 1500
_POLAR_LATITUDE_DEG = 60.0


def azimuth_figure(metadata: pd.DataFrame, *, seed: int = 0) -> Figure:
    """Draw the Sun's azimuth of up to 1,500 craters, and the distributions over all.

    Arrows point to the Sun. Sharp changes are seams of the mosaic; craters whose Sun is unknown
    are crosses. Maps that lie wholly beyond 60 degrees are drawn around their pole.

    Args:
        metadata: N rows of `crops.crop_set.METADATA_COLUMNS`.
        seed: of the choice.
    """
    figure = new_figure(13, 5.4)
    grid = figure.add_gridspec(2, 2, width_ratios=(1.5, 1))
    _draw_map(figure.add_subplot(grid[:, 0]), metadata, seed)
    known = metadata["sun_azimuth_deg"].dropna().to_numpy(np.float64)
    histogram = figure.add_subplot(grid[0, 1])
    histogram.hist(known, bins=np.linspace(0, 360, 37).tolist(), color=BLUE)
    histogram.set(
        xlabel="azimuth of the Sun, ° clockwise from north", ylabel="crops", xlim=(0, 360)
    )
    histogram.set_xticks(range(0, 361, 45))
    confidence = figure.add_subplot(grid[1, 1])
    confidence.hist(
        metadata["illumination_confidence"].to_numpy(np.float64),
        bins=np.linspace(0, 1, 41).tolist(),
        color=ORANGE,
        log=True,
    )
    confidence.set(xlabel="probability that it is right to 15°", ylabel="crops", xlim=(0, 1))
    turned = int((metadata["rotation_deg"] != 0).sum())
    figure.suptitle(
        f"Sun of {len(metadata):,} crops: {turned:,} turned, {int(metadata['flipped'].sum()):,} "
        f"mirrored, {len(metadata) - len(known):,} unknown"
    )
    return figure


def _draw_map(axes: Any, metadata: pd.DataFrame, seed: int) -> None:
    count = min(_MOST_ARROWS, len(metadata))
    rows = np.random.default_rng(seed).choice(len(metadata), count, replace=False)
    table = metadata.iloc[np.sort(rows)]
    x, y, north = _places(axes, table)
    azimuth = np.radians(table["sun_azimuth_deg"].to_numpy(np.float64))
    known = np.isfinite(azimuth)
    direction = north + azimuth  # clockwise from the top of the map
    arrows = axes.quiver(
        x[known],
        y[known],
        np.sin(direction[known]),
        np.cos(direction[known]),
        np.degrees(azimuth[known]),
        cmap="twilight_shifted",
        clim=(0, 360),
        scale=45,
        width=0.002,
    )
    axes.plot(x[~known], y[~known], "x", color=VERMILION, markersize=4)
    axes.figure.colorbar(arrows, ax=axes, label="azimuth of the Sun, °", shrink=0.8)


def _places(axes: Any, table: pd.DataFrame) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Compute map positions and the direction of north there, in radians clockwise from the top."""
    longitude, latitude = (
        table[f"{n}_deg"].to_numpy(np.float64) for n in ("longitude", "latitude")
    )
    for pole in (1, -1):
        if (pole * latitude > _POLAR_LATITUDE_DEG).all():
            away, turn = 90.0 - pole * latitude, np.radians(longitude)
            axes.set_aspect("equal")
            name = "north" if pole > 0 else "south"
            axes.set(xlabel=f"° of arc from the {name} pole", ylabel="longitude 0° points down")
            if pole < 0:
                axes.set_ylabel("longitude 0° points up")
            return away * np.sin(turn), -pole * away * np.cos(turn), -pole * turn
    axes.set(xlabel="longitude, ° east", ylabel="latitude, °")
    return longitude, latitude, np.zeros(len(table))
