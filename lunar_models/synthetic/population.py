"""Draw a crater population: diameters, positions and degradation."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.degradation.crater_shape import K_OVER_R2_MAX, STATE_EDGES
from lunar_models.errors import ConfigError
from lunar_models.moon import MOON_RADIUS_M
from lunar_models.synthetic.frame import MapFrame

FRESHEST_K_OVER_R2 = 1e-3
MARGIN_RADII = 1.6
"""A catalogued crater keeps this distance from the mosaic's edge."""
CLEARANCE_RADII = 1.2
"""A larger crater's zone, with its rim, that a smaller one normally stays out of."""
OVERLAP_FRACTION = 0.3
"""How often a place inside a larger, older crater is accepted all the same."""
OVERLAP_SIZE = 0.4
"""Largest size, relative to the larger crater, of a crater inside it."""
UNCATALOGUED_SLOPE = -2.5  # between production, -3, and equilibrium, -2
UNCATALOGUED_SMALLEST_PX = 2.5
PLACING_ATTEMPTS = 400


@dataclass(frozen=True)
class Craters:
    """N craters, in columns; positions in pixels, (0, 0) the mosaic's outer top left corner."""

    x_px: Float64Array
    y_px: Float64Array
    diameter_m: Float64Array
    k_over_r2: Float64Array

    def __len__(self) -> int:
        return len(self.x_px)

    def take(self, order: npt.NDArray[np.int64]) -> "Craters":
        """Return the craters at these positions."""
        return Craters(*(getattr(self, name)[order] for name in self.__dataclass_fields__))


def sample_diameters(
    rng: np.random.Generator, count: int, low: float, high: float, slope: float
) -> Float64Array:
    """Draw `count` diameters with N(>D) ~ D**slope between `low` and `high`, largest first."""
    share = rng.random(count)
    diameters = (high**slope + share * (low**slope - high**slope)) ** (1 / slope)
    return np.sort(diameters)[::-1]


def sample_degradation(rng: np.random.Generator, count: int) -> Float64Array:
    """Draw K/R², log-uniform within a state; the four states are equally likely."""
    edges = np.log([FRESHEST_K_OVER_R2, *STATE_EDGES, K_OVER_R2_MAX])
    state = rng.integers(0, 4, count)
    return np.exp(edges[state] + rng.random(count) * np.diff(edges)[state])


def catalogued_craters(
    rng: np.random.Generator, config: SynthesizeConfig, frame: MapFrame
) -> Craters:
    """Draw the craters of the catalogue, largest first.

    Craters stay out of larger ones, but for some that are much smaller and younger: where two of
    a size overlap, no degradation state can be read from the picture.

    Raises:
        ConfigError: they do not fit.
    """
    diameters = 1000 * sample_diameters(
        rng,
        config.crater_count,
        config.diameter_min_km,
        config.diameter_max_km,
        config.size_slope,
    )
    degradation = sample_degradation(rng, config.crater_count)
    x, y = np.empty_like(diameters), np.empty_like(diameters)
    for n in range(config.crater_count):
        for _ in range(PLACING_ATTEMPTS):
            x[n], y[n] = _draw_place(rng, frame, diameters[n] / 2)
            if _is_free(rng, frame, n, Craters(x, y, diameters, degradation)):
                break
        else:
            raise ConfigError(
                f"crater_count={config.crater_count} craters do not fit into {config.width_px} x "
                f"{config.height_px} px; use fewer or smaller craters, or a larger mosaic."
            )
    return Craters(x, y, diameters, degradation)


def uncatalogued_craters(
    rng: np.random.Generator, config: SynthesizeConfig, frame: MapFrame
) -> Craters:
    """Craters too small for the catalogue, anywhere; they make the ground look real."""
    smallest = UNCATALOGUED_SMALLEST_PX * config.pixel_size_m
    largest = 1000 * config.diameter_min_km
    count = int(config.crater_count * ((smallest / largest) ** UNCATALOGUED_SLOPE - 1))
    return Craters(
        rng.uniform(0, frame.width_px, count),
        rng.uniform(0, frame.height_px, count),
        sample_diameters(rng, count, smallest, largest, UNCATALOGUED_SLOPE),
        rng.uniform(FRESHEST_K_OVER_R2, K_OVER_R2_MAX, count),
    )


def _draw_place(rng: np.random.Generator, frame: MapFrame, radius_m: float) -> tuple[float, float]:
    """A place whose crater lies within the mosaic, equally likely anywhere on the sphere."""
    margin = MARGIN_RADII * radius_m / frame.pixel_size_m
    if 2 * margin >= frame.height_px:
        raise _too_large(frame, radius_m)
    y = _draw_row(rng, frame, margin)
    margin_x = margin / float(frame.cosine(y))
    if 2 * margin_x >= frame.width_px:
        raise _too_large(frame, radius_m)
    return rng.uniform(margin_x, frame.width_px - margin_x), y


def _draw_row(rng: np.random.Generator, frame: MapFrame, margin_px: float) -> float:
    if frame.pole:
        return rng.uniform(margin_px, frame.height_px - margin_px)
    _, (bottom, top) = frame.place_rad([0.0, 0.0], [frame.height_px - margin_px, margin_px])
    latitude = np.arcsin(rng.uniform(np.sin(bottom), np.sin(top)))
    return float((frame.top_m - latitude * MOON_RADIUS_M) / frame.pixel_size_m)


def _too_large(frame: MapFrame, radius_m: float) -> ConfigError:
    return ConfigError(
        f"A crater of {radius_m / 500:.1f} km does not fit into {frame.width_px} x "
        f"{frame.height_px} px; lower diameter_max_km or enlarge the mosaic."
    )


def _is_free(rng: np.random.Generator, frame: MapFrame, n: int, craters: Craters) -> bool:
    """Whether crater n may lie where it is, given the larger ones before it."""
    x, y = craters.x_px[: n + 1], craters.y_px[: n + 1]
    radius = craters.diameter_m[: n + 1] / 2
    cosine = frame.cosine((y[:n] + y[n]) / 2)
    distance = frame.pixel_size_m * np.hypot((x[:n] - x[n]) * cosine, y[:n] - y[n])
    hit = np.flatnonzero(distance < CLEARANCE_RADII * radius[:n] + radius[n])
    if not len(hit):
        return True
    older = craters.k_over_r2[hit] > craters.k_over_r2[n]
    smaller = radius[n] < OVERLAP_SIZE * radius[hit]
    return bool(np.all(older & smaller)) and rng.random() < OVERLAP_FRACTION
