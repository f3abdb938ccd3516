"""The picture: ground lit by a low Sun, seen from straight above.

Lunar-Lambert shading after McEwen (1996, LPSC 27, 841) with cast shadows, in longitude bands with
the Sun alternately in the east and in the west, as in mosaics of several imaging periods.
"""

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class Band:
    """Columns lit alike."""

    left_px: int
    right_px: int
    sun_side: Literal["east", "west"]
    incidence_deg: float


def draw_bands(rng: np.random.Generator, config: SynthesizeConfig) -> list[Band]:
    """`seam_bands` bands of equal width, the westernmost lit from the east."""
    edges = np.linspace(0, config.width_px, config.seam_bands + 1).round().astype(int)
    angles = rng.uniform(config.incidence_min_deg, config.incidence_max_deg, config.seam_bands)
    return [
        Band(int(left), int(right), "west" if n % 2 else "east", round(float(angle), 3))
        for n, (left, right, angle) in enumerate(zip(edges, edges[1:], angles, strict=False))
    ]


def render(
    rng: np.random.Generator,
    ground: Grid,
    albedo: Grid,
    bands: list[Band],
    frame: MapFrame,
    *,
    noise_dn: float,
) -> npt.NDArray[np.uint8]:
    """The mosaic, (H, W) uint8.

    Args:
        rng: for the noise.
        ground: (H, W) elevation in m.
        albedo: (H, W) relative to its mean.
        bands: cover the width.
        frame: of the mosaic.
        noise_dn: RMS noise in grey levels.
    """
    picture = np.empty_like(ground)
    for band in bands:
        left = max(0, band.left_px - SHADOW_REACH_PX)
        right = min(frame.width_px, band.right_px + SHADOW_REACH_PX)
        light = shade(
            ground[:, left:right], frame, sun_side=band.sun_side, incidence_deg=band.incidence_deg
        )
        picture[:, band.left_px : band.right_px] = light[:, band.left_px - left :][
            :, : band.right_px - band.left_px
        ]
    picture *= GROUND_DN * albedo
    picture += SHADOW_DN
    picture = gaussian_filter(picture, PSF_SIGMA_PX, output=picture)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(noise_dn)
    # 0 is what WAC-like mosaics use for "no data"
    grey: npt.NDArray[np.uint8] = np.clip(np.rint(picture), 1, 255).astype(np.uint8)
    return grey


def shade(ground: Grid, frame: MapFrame, *, sun_side: str, incidence_deg: float) -> Grid:
    """Brightness relative to level ground, (H, W) float32; 0 in full shadow.

    Args:
        ground: (H, W) elevation in m; any columns of the frame, all of its rows.
        frame: of the mosaic.
        sun_side: ``east`` or ``west``.
        incidence_deg: of the Sun, from the vertical.
    """
    limb = limb_parameter(incidence_deg)
    towards_sun = 1 if sun_side == "east" else -1
    light = np.empty_like(ground)
    _shade_rows(
        np.ascontiguousarray(ground[:, ::-towards_sun]),
        light,
        frame.row_cosines() * frame.pixel_size_m,
        frame.pixel_size_m,
        np.deg2rad(incidence_deg),
        limb,
    )
    return light[:, ::-towards_sun]


def limb_parameter(phase_deg: float) -> float:
    """McEwen's (1996) weight L of the Lommel-Seeliger part at a phase angle of 0-130 degrees."""
    return float(np.polyval([-1.46e-6, 2.42e-4, -0.019, 1.0], phase_deg))


@numba.njit(cache=True)
def _shade_rows(ground, light, step_m, pixel_m, incidence, limb):  # type: ignore[no-untyped-def]
    """Shade ground whose first column is the one nearest to the Sun.

    The shadow's surface sinks by ``step / tan(incidence)`` per column, away from the Sun; ground
    below it is dark. Its edge is softened over the height that it sinks in half a pixel.
    """
    rows, columns = ground.shape
    sun_up, sun_flat = np.cos(incidence), np.sin(incidence)
    level = 2 * limb * sun_up / (sun_up + 1) + (1 - limb) * sun_up
    for i in range(rows):
        above, below = max(i - 1, 0), min(i + 1, rows - 1)
        sink = step_m[i] * sun_up / sun_flat
        shadow = ground[i, 0]
        for j in range(columns):
            ahead, behind = max(j - 1, 0), min(j + 1, columns - 1)
            toward = (ground[i, ahead] - ground[i, behind]) / ((behind - ahead) * step_m[i])
            across = (ground[above, j] - ground[below, j]) / ((below - above) * pixel_m)
            view = 1 / np.sqrt(1 + toward * toward + across * across)
            sun = (sun_up - toward * sun_flat) * view
            shadow = max(shadow - sink, ground[i, j])
            lit = 1 - min(1.0, (shadow - ground[i, j]) / (0.5 * sink))
            if sun <= 0 or lit <= 0:
                light[i, j] = 0.0
            else:
                light[i, j] = lit * (2 * limb * sun / (sun + view) + (1 - limb) * sun) / level
