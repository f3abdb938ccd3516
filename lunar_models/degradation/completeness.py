"""Estimate the completeness diameter of a crater count."""

import numpy as np

from lunar_models.arrays import Float64Array
from lunar_models.degradation.size_frequency import bin_edges

RECOGNISED_PX = 10.0
"""Pixels across a crater below which counts fall short, as a rule of thumb: Robbins et al. 2014
(doi 10.1016/j.icarus.2014.02.022) found experts to agree down to about ten."""
FEWEST = 20
"""Craters below which there is no roll-over to see."""


def pixel_limit_km(pixel_size_m: float, pixels: float = RECOGNISED_PX) -> float:
    """Compute the diameter that spans a number of mosaic pixels."""
    return pixel_size_m * pixels / 1000.0


def rollover_km(diameters_km: Float64Array) -> float:
    """Estimate the roll-over diameter, below which craters are missing from the count.

    The lower edge of the bin (20 a decade) with the most craters, smoothed over three bins: the
    mode of log D, known as the method of maximum curvature (Wiemer & Wyss 2000, doi
    10.1785/0119990114). It sees only strong losses, so the true limit may be higher; with fewer
    than 20 craters it is the smallest diameter.
    """
    diameters = np.sort(np.asarray(diameters_km, np.float64))
    if len(diameters) < FEWEST:
        return float(diameters[0])
    edges = bin_edges(diameters[0], diameters[-1], "20/decade")
    counts = np.histogram(diameters, edges)[0]
    # The first bin is cut by the smallest crater, so it starts there.
    edges[0] = max(edges[0], diameters[0])
    density = counts / np.diff(np.log(edges))
    smooth = np.convolve(np.pad(density, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    return float(edges[int(smooth.argmax())])


def completeness_km(
    diameters_km: Float64Array, *, pixel_size_m: float | None = None, chosen_km: float | None = None
) -> float:
    """Return the largest of the roll-over, the pixel limit and the user's own limit."""
    limits = [rollover_km(diameters_km), chosen_km or 0.0]
    if pixel_size_m is not None:
        limits.append(pixel_limit_km(pixel_size_m))
    return max(limits)
