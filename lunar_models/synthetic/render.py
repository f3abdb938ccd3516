"""Render the mosaic: terrain lit by a low Sun, viewed at nadir.

Lunar-Lambert shading after McEwen (1996, LPSC 27, 841) with cast shadows, scene by scene, each
with its own Sun, as in mosaics of several imaging periods: bands of longitude side by side, or
sectors around a pole.
"""

from dataclasses import dataclass

import numba
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.synthetic.frame import Grid, MapFrame

PSF_SIGMA_PX = 0.6
GROUND_DN = 85.0
"""Grey level of level ground of mean albedo."""
SHADOW_DN = 3.0
"""Scattered light in full shadow."""
SHADOW_REACH_PX = 400
"""How far outside a band the ground may cast a shadow into it."""
EAST_DEG = 90.0


@dataclass(frozen=True)
class Scene:
    """An area with one Sun direction: a band of columns, or a sector around the pole."""

    map_azimuth_deg: float
    """Direction towards the Sun, clockwise from the map's top."""
    incidence_deg: float


def draw_scenes(rng: np.random.Generator, config: SynthesizeConfig) -> list[Scene]:
    """Draw `seam_bands` scenes, from west to east.

    Bands of longitude are lit from `sun_azimuth_deg` (east by default) and from its mirror image
    in the west in turn; in sectors around a pole the Sun's direction turns evenly all around.
    """
    count = config.seam_bands
    angles = rng.uniform(config.incidence_min_deg, config.incidence_max_deg, count)
    first = EAST_DEG if config.sun_azimuth_deg is None else config.sun_azimuth_deg
    if config.projection == "equirectangular":
        azimuths = [-first % 360.0 if n % 2 else first for n in range(count)]
    else:
        azimuths = [(first + 360.0 * n / count) % 360.0 for n in range(count)]
    return [
        Scene(azimuth, round(float(angle), 3))
        for azimuth, angle in zip(azimuths, angles, strict=True)
    ]


def scene_at(
    frame: MapFrame, count: int, x_px: npt.ArrayLike, y_px: npt.ArrayLike
) -> npt.NDArray[np.int64]:
    """Find the scene of each position: one of `count` equal bands of columns, or equal sectors."""
    if frame.pole:
        longitude, _ = frame.place_rad(x_px, y_px)
        return np.floor((longitude + np.pi) / (2 * np.pi) * count).astype(np.int64) % count
    edges = band_edges(frame, count)
    return np.searchsorted(edges[1:-1], np.asarray(x_px), side="right").astype(np.int64)


def band_edges(frame: MapFrame, count: int) -> npt.NDArray[np.int64]:
    """Return the (count + 1,) columns that bound the longitude bands."""
    return np.linspace(0, frame.width_px, count + 1).round().astype(np.int64)


def render(
    rng: np.random.Generator,
    ground: Grid,
    albedo: Grid,
    scenes: list[Scene],
    frame: MapFrame,
    *,
    noise_dn: float,
) -> npt.NDArray[np.uint8]:
    """Render the mosaic, (H, W) uint8.

    Args:
        rng: for the noise.
        ground: (H, W) elevation in m.
        albedo: (H, W) relative to its mean.
        scenes: from `draw_scenes`.
        frame: of the mosaic.
        noise_dn: RMS noise in grey levels.
    """
    picture = np.empty_like(ground)
    paste = _paste_sector if frame.pole else _paste_band
    for n in range(len(scenes)):
        paste(picture, ground, scenes, n, frame)
    picture *= GROUND_DN * albedo
    picture += SHADOW_DN
    picture = gaussian_filter(picture, PSF_SIGMA_PX, output=picture)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(noise_dn)
    # 0 is what WAC-like mosaics use for "no data"
    grey: npt.NDArray[np.uint8] = np.clip(np.rint(picture), 1, 255).astype(np.uint8)
    return grey


def _paste_band(picture: Grid, ground: Grid, scenes: list[Scene], n: int, frame: MapFrame) -> None:
    """Shade band `n`, with as much ground beside it as may cast shadows into it."""
    begin, end = band_edges(frame, len(scenes))[n : n + 2]
    left, right = max(0, begin - SHADOW_REACH_PX), min(frame.width_px, end + SHADOW_REACH_PX)
    light = shade(
        ground[:, left:right],
        frame,
        map_azimuth_deg=scenes[n].map_azimuth_deg,
        incidence_deg=scenes[n].incidence_deg,
    )
    picture[:, begin:end] = light[:, begin - left :][:, : end - begin]


def _paste_sector(
    picture: Grid, ground: Grid, scenes: list[Scene], n: int, frame: MapFrame
) -> None:
    light = shade(
        ground,
        frame,
        map_azimuth_deg=scenes[n].map_azimuth_deg,
        incidence_deg=scenes[n].incidence_deg,
    )
    row, column = np.ogrid[: frame.height_px, : frame.width_px]
    inside = scene_at(frame, len(scenes), column + 0.5, row + 0.5) == n
    picture[inside] = light[inside]


def shade(ground: Grid, frame: MapFrame, *, map_azimuth_deg: float, incidence_deg: float) -> Grid:
    """Compute brightness relative to level ground, (H, W) float32; 0 in full shadow.

    Args:
        ground: (H, W) elevation in m; any columns of the frame, all of its rows.
        frame: of the mosaic.
        map_azimuth_deg: direction towards the Sun on the ground, clockwise from the map's top.
        incidence_deg: of the Sun, from the vertical.
    """
    right, up = (float(np.round(f(np.deg2rad(map_azimuth_deg)), 12)) for f in (np.sin, np.cos))
    cosines = frame.row_cosines()
    by_columns = abs(right) >= abs(up) * cosines.mean()
    # Turned so that the sweep starts at the side of the Sun and runs along axis 0; positive
    # `aside` then is the part of the Sun's direction along axis 1.
    turned = ground.T if by_columns else ground
    from_last = right > 0 if by_columns else up < 0
    ahead, aside = (abs(right), -up) if by_columns else (abs(up), right)
    if from_last:
        turned = turned[::-1]
        cosines = cosines if by_columns else cosines[::-1]
    light = np.empty(turned.shape, np.float32)
    _shade_sweep(
        np.ascontiguousarray(turned),
        light,
        cosines,
        by_columns,
        frame.pixel_size_m,
        ahead,
        aside,
        np.deg2rad(incidence_deg),
        limb_parameter(incidence_deg),
    )
    light = light[::-1] if from_last else light
    return np.ascontiguousarray(light.T if by_columns else light)


def limb_parameter(phase_deg: float) -> float:
    """Compute McEwen's (1996) limb parameter L at a phase angle of 0-130 degrees."""
    return float(np.polyval([-1.46e-6, 2.42e-4, -0.019, 1.0], phase_deg))


@numba.njit(cache=True)
def _shade_sweep(  # type: ignore[no-untyped-def]
    ground, light, cosines, by_columns, pixel_m, ahead, aside, incidence, limb
):
    """Shade ground line by line; the first line is the one nearest to the Sun.

    The shadow's surface sinks by ``step / tan(incidence)`` from line to line, away from the Sun;
    ground below it is dark. Its edge is softened over the height that it sinks in half a pixel.
    """
    lines, points = ground.shape
    sun_up, sun_flat = np.cos(incidence), np.sin(incidence)
    level = 2 * limb * sun_up / (sun_up + 1) + (1 - limb) * sun_up
    shadow = ground[0].astype(np.float64)
    before = shadow.copy()
    for k in range(lines):
        shadow, before = before, shadow
        nearer, farther = max(k - 1, 0), min(k + 1, lines - 1)
        for b in range(points):
            left, right = max(b - 1, 0), min(b + 1, points - 1)
            cosine = cosines[b] if by_columns else cosines[k]
            step_m = pixel_m * cosine if by_columns else pixel_m
            side_m = pixel_m if by_columns else pixel_m * cosine
            toward = (ground[nearer, b] - ground[farther, b]) / ((farther - nearer) * step_m)
            across = (ground[k, right] - ground[k, left]) / ((right - left) * side_m)
            view = 1 / np.sqrt(1 + toward * toward + across * across)
            sun = (sun_up - (ahead * toward + aside * across) * sun_flat) * view
            sink = step_m / ahead * sun_up / sun_flat
            place = b + aside / ahead * step_m / side_m
            shadow[b] = max(_at(before, place) - sink, ground[k, b])
            lit = 1 - min(1.0, (shadow[b] - ground[k, b]) / (0.5 * sink))
            if sun <= 0 or lit <= 0:
                light[k, b] = 0.0
            else:
                light[k, b] = lit * (2 * limb * sun / (sun + view) + (1 - limb) * sun) / level


@numba.njit(cache=True)
def _at(values, place):  # type: ignore[no-untyped-def]
    """Value between two points, the outermost ones beyond the ends."""
    place = min(max(place, 0.0), values.size - 1.0)
    first = min(int(place), values.size - 2)
    share = place - first
    return (1 - share) * values[first] + share * values[first + 1]
