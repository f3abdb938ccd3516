"""Draw figures for the visual inspection of a crop set."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import PercentFormatter, StrMethodFormatter
from scipy import ndimage

from lunar_models.crops.display import STRETCH_NOTE, display_crop
from lunar_models.plots.style import BLACK, BLUE, ORANGE, VERMILION, new_figure, subplots

Crops = npt.NDArray[np.uint8]

QUALITY_PANELS: tuple[tuple[str, str, bool], ...] = (
    ("native_px", "mosaic pixels across the crop", True),
    ("upsampling", "crop pixels per mosaic pixel", True),
    ("valid_fraction", "share of pixels with data", False),
    ("illumination_confidence", "probability: azimuth right to 15°", False),
    ("shadow_fraction", "share of pixels in shadow", False),
    ("saturated_fraction", "share of saturated pixels", False),
    ("overlap_larger", "share of the disc in larger craters", False),
    ("contrast", "standard deviation over mean", False),
    ("mean_brightness", "mean brightness, grey levels", False),
)
"""Metadata column, axis label, whether the axis is logarithmic."""


def check_figure(
    crops: Crops, table: pd.DataFrame, *, context_diameters: float, seed: int = 0
) -> Figure:
    """Draw up to 40 random crops with the rim given by the catalogue.

    Circles that miss the rims show a wrong projection, catalogue or mosaic; bowls that are not
    dark on the right show a wrong azimuth.

    Args:
        crops: (N, S, S) uint8, an array or a memory map; only the shown rows are read.
        table: N rows of `crops.crop_set.METADATA_COLUMNS`.
        context_diameters: side of a crop in crater diameters.
        seed: of the choice.
    """
    count = min(40, len(table))
    rows = np.sort(np.random.default_rng(seed).choice(len(table), count, replace=False))
    columns = min(8, count)
    lines = -(-count // columns)
    figure = new_figure(1.3 * columns, 1.9 * lines + 0.6)
    axes = subplots(figure, lines, columns).ravel()
    for axis, row in zip(axes, rows, strict=False):
        _draw_checked(axis, crops[row], table.iloc[row], context_diameters)
    for axis in axes:
        axis.set_axis_off()
    figure.suptitle(
        "Catalogued rims; aligned: the Sun on the right, so shadows in the right half\n"
        f"({STRETCH_NOTE})",
        fontsize=11,
    )
    return figure


def _draw_checked(
    axis: Any, crop: Crops, crater: "pd.Series[Any]", context_diameters: float
) -> None:
    size = len(crop)
    axis.imshow(display_crop(crop), cmap="gray", vmin=0, vmax=255)
    middle = (size - 1) / 2
    rim = Circle((middle, middle), size / context_diameters / 2, fill=False, color=ORANGE, lw=0.8)
    axis.add_patch(rim)
    axis.set_title(
        f"{crater['crater_id']}\n{size_text(crater)}\n{_sun_text(crater)}",
        fontsize=7,
        pad=2,
    )


def size_text(crater: "pd.Series[Any]") -> str:
    """Diameter in km, or in pixels of an image without georeference."""
    if "diameter_px" in crater:
        return f"{crater['diameter_px']:.3g} px"
    return f"{crater['diameter_km']:.1f} km"


def _sun_text(crater: "pd.Series[Any]") -> str:
    if not np.isfinite(crater["sun_azimuth_deg"]):
        return "Sun unknown"
    changes = [f"{crater['rotation_deg']:+.0f}°"] if crater["rotation_deg"] else []
    changes += ["mirrored"] if crater["flipped"] else []
    sun = f"Sun {crater['sun_azimuth_deg']:.0f}° ({crater['illumination_confidence']:.2f})"
    return f"{sun}\n{', '.join(changes) or 'as it was'}"


def alignment_figure(crops: Crops, table: pd.DataFrame, *, seed: int = 0) -> Figure:
    """Draw up to 64 random crops before and after alignment, changed ones framed.

    Those before are the aligned ones turned back, so the corners of turned ones are missing (grey).

    Args:
        crops: (N, S, S) uint8, an array or a memory map; only the shown rows are read.
        table: N rows with rotation_deg and flipped.
        seed: of the choice.
    """
    count = min(64, len(table))
    rows = np.sort(np.random.default_rng(seed).choice(len(table), count, replace=False))
    after, mirrored = np.array(crops[rows]), table["flipped"].to_numpy()[rows]
    rotation = table["rotation_deg"].to_numpy()[rows]
    before = np.where(mirrored[:, None, None], after[:, :, ::-1], after)
    for n in np.flatnonzero(rotation):  # counterclockwise in the picture
        before[n] = ndimage.rotate(
            before[n], rotation[n], reshape=False, order=1, cval=int(before[n].mean())
        )
    changed = mirrored | (rotation != 0)
    figure = new_figure(11, 5.9)
    for axis, shown, title in zip(
        subplots(figure, 1, 2).ravel(),
        (before, after),
        ("as in the mosaic", "aligned"),
        strict=True,
    ):
        axis.imshow(_montage(shown, changed))
        axis.set_title(title)
        axis.set_axis_off()
    figure.suptitle(
        f"{int(changed.sum())} of {count} crops turned or mirrored (framed): the Sun in the east\n"
        f"({STRETCH_NOTE})",
        fontsize=11,
    )
    return figure


def _montage(crops: Crops, framed: npt.NDArray[np.bool_], columns: int = 8) -> Crops:
    """Arrange crops in rows, (H, W, 3); borders of the framed ones are orange."""
    count, size = crops.shape[:2]
    lines, border = -(-count // columns), max(2, size // 24)
    cell = size + 2 * border
    picture = np.full((lines, columns, cell, cell, 3), 255, np.uint8)
    orange = tuple(int(ORANGE[i : i + 2], 16) for i in (1, 3, 5))
    for n, crop in enumerate(crops):
        spot = picture[divmod(n, columns)]
        if framed[n]:
            spot[:] = orange
        spot[border:-border, border:-border] = display_crop(crop)[..., None]
    return picture.swapaxes(1, 2).reshape(lines * cell, columns * cell, 3)


def quality_figure(metadata: pd.DataFrame) -> Figure:
    """Draw the distributions of the quality columns over all crops.

    Args:
        metadata: N rows with the columns in `QUALITY_PANELS`.
    """
    figure = new_figure(12, 8)
    for axis, (column, label, logarithmic) in zip(
        subplots(figure, 3, 3).ravel(), QUALITY_PANELS, strict=True
    ):
        values = metadata[column].to_numpy(np.float64)
        axis.hist(values, bins=_bins(values, logarithmic), color=BLUE, log=True)
        median = float(np.median(values))
        axis.axvline(median, color=VERMILION, lw=1.5)
        axis.set_title(f"{column}, median {median:.3g}", fontsize=9)
        axis.set(xlabel=label, ylabel="crops")
        if logarithmic:
            axis.set_xscale("log", subs=[2, 5])
            axis.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.xaxis.set_minor_formatter(StrMethodFormatter("{x:g}"))
        axis.set_ylim(bottom=0.7)
    figure.suptitle(f"Quality of {len(metadata):,} crops", fontsize=11)
    return figure


def _bins(values: npt.NDArray[np.float64], logarithmic: bool) -> npt.NDArray[np.float64]:
    """40 bins; a constant column gets some width too."""
    low, high = float(values.min()), float(values.max())
    if logarithmic:
        return np.geomspace(low * 0.98, high * 1.02, 41)
    margin = max(0.01, 0.02 * (high - low))
    return np.linspace(low - margin, high + margin, 41)


def flip_rate_figure(metadata: pd.DataFrame, *, band_deg: float) -> Figure:
    """Draw the fraction of crops with the Sun in the west, by longitude band.

    A mosaic made of strips shows bands near 0 and near 1; values in between are seams within a
    band, or doubt.

    Args:
        metadata: N rows with longitude_deg, flipped, illumination_confidence.
        band_deg: width of a band, counted from -180.
    """
    rates = flip_rates(metadata, band_deg=band_deg)
    centres = rates["band_west_deg"].to_numpy(np.float64) + band_deg / 2
    figure = new_figure(max(6.0, 0.45 * len(rates) + 2.5), 4.2)
    axis = subplots(figure)[0, 0]
    west = rates["flip_rate"] > 0.5
    axis.bar(
        centres,
        rates["flip_rate"],
        width=0.9 * band_deg,
        color=np.where(west, ORANGE, BLUE).tolist(),
    )
    axis.plot(
        centres,
        rates["mean_confidence"],
        "D",
        color=BLACK,
        markersize=4,
        label="mean confidence",
    )
    for centre, count in zip(centres, rates["crops"], strict=True):
        axis.annotate(
            f"{count:,}",
            (centre, 1.03),
            ha="center",
            fontsize=8,
            rotation=90 if len(rates) > 12 else 0,
        )
    axis.set(xlabel="longitude, ° east", ylabel="crops with the Sun in the west", ylim=(0, 1.3))
    axis.yaxis.set_major_formatter(PercentFormatter(1.0))
    axis.set_yticks(np.linspace(0, 1, 6))
    axis.legend(loc="upper right", fontsize=8)
    axis.set_title(f"Sun side by {band_deg:g}° band; crops in each above", fontsize=11)
    return figure


def flip_rates(metadata: pd.DataFrame, *, band_deg: float) -> pd.DataFrame:
    """Tabulate the flip rate: a row per longitude band that holds crops, west to east.

    Returns:
        band_west_deg, crops, flip_rate, mean_confidence.
    """
    band = np.floor((metadata["longitude_deg"] + 180) / band_deg) * band_deg - 180
    grouped = metadata.groupby(band.rename("band_west_deg"))
    return grouped.agg(
        crops=("flipped", "size"),
        flip_rate=("flipped", "mean"),
        mean_confidence=("illumination_confidence", "mean"),
    ).reset_index()
