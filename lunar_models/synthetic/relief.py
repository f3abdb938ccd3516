"""Compute elevation and albedo on the grid of the mosaic."""

import numba
import numpy as np
import numpy.typing as npt
from scipy import fft

from lunar_models.arrays import Float64Array
from lunar_models.degradation.crater_shape import (
    PROFILE_EXTENT,
    PROFILE_STEP,
    depth_over_diameter,
    profile_rows,
    profile_table,
)
from lunar_models.synthetic.frame import Grid, MapFrame
from lunar_models.synthetic.population import Craters

GROUND_SLOPE = -3.6
"""Spectral slope of rolling ground, power per wavenumber in two dimensions (Hurst 0.8)."""
ROUGHNESS_SLOPE = -2.4
ROUGHNESS_SHARE = 0.7
"""RMS slope of the fine roughness, relative to the rolling ground's."""
RIM_ROUGHNESS = 0.05
"""Departure of a rim from a circle, in radii: amplitude of harmonic m (2 to 5) times m."""
NEGLIGIBLE = 5e-5
"""Height, in units of the profile, below which a crater's outskirts are left out."""
ALBEDO_SLOPE = -3.0
HALO_STRENGTH = 0.2
"""Brightening of the ejecta of a quite fresh crater, relative to the ground."""
HALO_FADES_AT = 0.02
"""K/R² at which space weathering has hidden the halo."""


def elevation(
    rng: np.random.Generator, craters: Craters, frame: MapFrame, *, relief_slope_deg: float
) -> Grid:
    """Compute elevation in m, (H, W): background relief, craters in order of formation, roughness.

    A fresh crater levels what it replaces before its profile is added, so that older craters
    under it disappear; an old one does so less, for its ground has become uneven again. The
    roughness comes last: no crater's floor is smooth.
    """
    ground = _sloping_field(rng, frame, GROUND_SLOPE, relief_slope_deg)
    _stamp(
        ground,
        craters,
        frame,
        profiles=profile_table()[1],
        rows=profile_rows(craters.k_over_r2),
        heights=craters.diameter_m,
        rims=_draw_rims(rng, len(craters)),
        levelling=depth_over_diameter(craters.k_over_r2) / depth_over_diameter(0.0),
    )
    ground += _sloping_field(rng, frame, ROUGHNESS_SLOPE, ROUGHNESS_SHARE * relief_slope_deg)
    return ground


def albedo(rng: np.random.Generator, craters: Craters, frame: MapFrame, *, contrast: float) -> Grid:
    """Compute albedo relative to its mean, (H, W): maria, highlands, halos of fresh craters."""
    field = np.exp(contrast * np.tanh(fractal_field(rng, frame, slope=ALBEDO_SLOPE)))
    field /= field.mean()
    x = np.arange(0, PROFILE_EXTENT + PROFILE_STEP / 2, PROFILE_STEP)
    halo = np.exp(-np.abs(x - 1) / 0.7) * (1 - x / PROFILE_EXTENT)
    strength = HALO_STRENGTH * np.clip(1 - craters.k_over_r2 / HALO_FADES_AT, 0, 1)
    bright = craters.take(np.flatnonzero(strength > 0))
    _stamp(
        field,
        bright,
        frame,
        profiles=halo[None, :],
        rows=np.zeros(len(bright), dtype=np.int64),
        heights=strength[strength > 0],
        rims=_draw_rims(rng, len(bright)),
        levelling=np.zeros(len(bright)),
    )
    return field


def _sloping_field(
    rng: np.random.Generator, frame: MapFrame, spectral_slope: float, rms_slope_deg: float
) -> Grid:
    """Fractal elevation in m with this RMS slope between pixels."""
    field = fractal_field(rng, frame, slope=spectral_slope)
    steps = np.diff(field, axis=0) / frame.pixel_size_m
    field *= np.tan(np.deg2rad(rms_slope_deg)) / np.sqrt(2 * np.mean(steps**2))
    return field


def fractal_field(rng: np.random.Generator, frame: MapFrame, *, slope: float) -> Grid:
    """Draw a Gaussian random field (H, W), mean 0, RMS 1, with power ~ wavenumber**slope."""
    shape = (frame.height_px, frame.width_px)
    stretch = frame.row_cosines().mean()
    wavenumber = np.hypot(fft.fftfreq(shape[0])[:, None], fft.rfftfreq(shape[1])[None, :] / stretch)
    wavenumber[0, 0] = np.inf
    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    field = fft.irfft2(spectrum * (wavenumber ** (slope / 2)).astype(np.float32), s=shape)
    return np.asarray(field / field.std(), dtype=np.float32)


def _draw_rims(rng: np.random.Generator, count: int) -> Float64Array:
    """(count, 4, 2) cosine and sine amplitudes of the harmonics 2 to 5 of each rim, in radii."""
    phase = rng.uniform(0, 2 * np.pi, (count, 4))
    amplitude = RIM_ROUGHNESS / np.arange(2, 6)
    return np.stack([amplitude * np.cos(phase), amplitude * np.sin(phase)], axis=-1)


def _stamp(
    field: Grid,
    craters: Craters,
    frame: MapFrame,
    *,
    profiles: Float64Array,
    rows: npt.NDArray[np.int64],
    heights: Float64Array,
    rims: Float64Array,
    levelling: Float64Array,
) -> None:
    """Add ``height * profile(distance / radius)`` to `field`, crater by crater.

    Args:
        field: (H, W), changed in place.
        craters: N craters, stamped in this order.
        frame: of the field.
        profiles: (T, X), every `PROFILE_STEP` radii.
        rows: (N,) which profile each crater has.
        heights: (N,) what a profile's 1 means.
        rims: (N, 4, 2) how rims depart from circles, see `_draw_rims`.
        levelling: (N,) 0-1, how far the field within is first drawn to its mean there.
    """
    negligible = np.abs(profiles) < NEGLIGIBLE
    reach = profiles.shape[1] - 1 - np.argmin(negligible[:, ::-1], axis=1)
    radius_px = craters.diameter_m / 2 / frame.pixel_size_m
    cosines = frame.row_cosines()
    for n in range(len(craters)):
        _stamp_one(
            field,
            (craters.x_px[n], craters.y_px[n], radius_px[n]),
            heights[n] * profiles[rows[n], : reach[rows[n]] + 1],
            rims[n],
            cosines,
            levelling[n],
        )


@numba.njit(cache=True)
def _stamp_one(field, circle, profile, rim, row_cosine, levelling):  # type: ignore[no-untyped-def]
    """Stamp one crater, (nearly) a circle on the ground and an ellipse on the map."""
    x_px, y_px, radius_px = circle
    rows, columns = field.shape
    reach = (len(profile) - 1) * PROFILE_STEP * radius_px
    centre_cosine = row_cosine[min(max(int(y_px), 0), rows - 1)]
    mean = _mean_within(field, x_px, y_px, radius_px, row_cosine) if levelling > 0 else 0.0
    for i in range(max(0, int(y_px - reach)), min(rows, int(y_px + reach) + 1)):
        cosine = np.sqrt(row_cosine[i] * centre_cosine)
        dy = i + 0.5 - y_px
        left = max(0, int(x_px - reach / cosine))
        right = min(columns, int(x_px + reach / cosine) + 1)
        for j in range(left, right):
            dx = (j + 0.5 - x_px) * cosine
            distance = np.sqrt(dx * dx + dy * dy) / radius_px
            x = distance * _out_of_round(complex(dx, dy) / (distance * radius_px + 1e-9), rim)
            place = x / PROFILE_STEP
            k = int(place)
            if k >= len(profile) - 1:
                continue
            if x < 1.2:
                share = levelling * min(1.0, (1.2 - x) / 0.4)
                field[i, j] += share * (mean - field[i, j])
            field[i, j] += (1 - place + k) * profile[k] + (place - k) * profile[k + 1]


@numba.njit(cache=True)
def _out_of_round(direction, rim):  # type: ignore[no-untyped-def]
    """Factor, about 1, of the distance from the centre in this direction (a unit phasor)."""
    factor = 1.0
    power = direction
    for m in range(len(rim)):
        power *= direction
        factor += rim[m, 0] * power.real + rim[m, 1] * power.imag
    return factor


@numba.njit(cache=True)
def _mean_within(field, x_px, y_px, radius_px, row_cosine):  # type: ignore[no-untyped-def]
    """Mean of `field` within a radius."""
    rows, columns = field.shape
    total, count = 0.0, 0
    for i in range(max(0, int(y_px - radius_px)), min(rows, int(y_px + radius_px) + 1)):
        half = radius_px / row_cosine[i]
        for j in range(max(0, int(x_px - half)), min(columns, int(x_px + half) + 1)):
            dx = (j + 0.5 - x_px) * row_cosine[i]
            if dx * dx + (i + 0.5 - y_px) ** 2 <= radius_px * radius_px:
                total += field[i, j]
                count += 1
    return total / max(count, 1)
