"""Compute the hillshade of a digital elevation model, so that it can be used like an image.

Brightness is that of a Lambertian surface of one albedo, ``max(0, n · s)`` with the unit normal n
of the surface and the unit vector s to the Sun, which stands at the same azimuth and incidence
everywhere. There are no cast shadows.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lunar_models.arrays import Float64Array
from lunar_models.errors import ConfigError, MosaicError
from lunar_models.moon import MOON_RADIUS_M
from lunar_models.mosaic.projection import Projection

if TYPE_CHECKING:
    from lunar_models.mosaic.raster import Mosaic

_LEAST_RANGE = 25.0
"""Heights on the Moon span 20 km, so a wider range of numbers cannot be kilometres."""

HOW_TO_LIGHT = (
    "Say from where they are lit, such as shade=90,65 for a Sun in the east at an incidence of 65 "
    "deg."
)

_UNITS = {"m": 1.0, "km": 1000.0}


@dataclass(frozen=True)
class Sun:
    """The direction of the Sun."""

    azimuth_deg: float
    """Clockwise from north."""
    incidence_deg: float
    """From the zenith, in (0, 90)."""
    unit_m: float | None = None
    """Metres per unit of the heights, if stated with it."""

    @classmethod
    def parse(cls, text: str) -> "Sun":
        """Read ``AZIMUTH,INCIDENCE`` or ``AZIMUTH,INCIDENCE,m`` (or ``km``).

        Raises:
            ConfigError: not two numbers and a unit, or beyond their limits.
        """
        azimuth, _, rest = text.partition(",")
        incidence, _, unit = rest.partition(",")
        try:
            sun = cls(float(azimuth), float(incidence), _UNITS[unit.strip()] if unit else None)
        except (ValueError, KeyError):
            raise ConfigError(
                f"shade={text!r} is not like 90,65 (azimuth and incidence of the Sun in deg) or "
                "90,65,km (unit of the heights, m or km)."
            ) from None
        if not (-360.0 <= sun.azimuth_deg <= 360.0 and 0.0 < sun.incidence_deg < 90.0):
            raise ConfigError(
                f"shade={text!r}: the azimuth must lie within 360 deg, the incidence between 0 "
                "and 90 deg."
            )
        return sun


def height_scale_m(mosaic: "Mosaic", sun: Sun, unit_m: float | None) -> float:
    """Metres per unit of a height model: as the Sun's text or the file says, or by its range.

    Raises:
        MosaicError: nobody says whether heights are in metres or kilometres.
    """
    stated = sun.unit_m or unit_m
    if stated is not None:
        return stated
    heights = mosaic.thin((min(mosaic.height, 256), min(mosaic.width, 256)))
    heights = heights[np.isfinite(heights)]
    if heights.size and np.ptp(heights) > _LEAST_RANGE:
        return 1.0
    raise MosaicError(
        f"{mosaic.path} does not say whether its heights are in metres or kilometres; say it with "
        f"the Sun, such as shade={sun.azimuth_deg:g},{sun.incidence_deg:g},km."
    )


def hillshade(
    heights_m: Float64Array, projection: Projection, sun: Sun, row0: int, column0: int
) -> Float64Array:
    """Brightness (H, W) in [0, 1] of heights (H, W) in metres, NaN beside pixels without data.

    Args:
        heights_m: a window of a height model, NaN without data; at its edges slopes are one-sided.
        projection: of the model.
        sun: where it stands.
        row0: of the window in the model.
        column0: likewise.
    """
    rows, columns = heights_m.shape
    heights = np.where(np.isfinite(heights_m), heights_m, np.nan)
    down = np.gradient(heights, axis=0) if rows > 1 else np.zeros_like(heights)
    right = np.gradient(heights, axis=1) if columns > 1 else np.zeros_like(heights)
    row, column = np.arange(row0, row0 + rows)[:, None], np.arange(column0, column0 + columns)
    east_px, north_px = _ground_axes(projection, column, row)
    east = (right * east_px[0] + down * east_px[1]) / MOON_RADIUS_M
    north = (right * north_px[0] + down * north_px[1]) / MOON_RADIUS_M
    azimuth, incidence = np.radians(sun.azimuth_deg), np.radians(sun.incidence_deg)
    towards = np.cos(incidence) - np.sin(incidence) * (
        np.sin(azimuth) * east + np.cos(azimuth) * north
    )
    brightness = np.maximum(towards, 0.0) / np.sqrt(1.0 + east**2 + north**2)
    shaded: Float64Array = np.where(np.isfinite(heights), brightness, np.nan)
    return shaded


def _ground_axes(
    projection: Projection, column: Float64Array, row: Float64Array
) -> tuple[tuple[Float64Array, Float64Array], tuple[Float64Array, Float64Array]]:
    """Columns and rows per radian of arc towards the east, and towards the north."""
    longitude, latitude = projection.to_degrees(column_px=column, row_px=row)
    scale_x, scale_y = projection.scale_px(np.clip(latitude, -89.999, 89.999))
    scale_x, scale_y = scale_x * np.sign(projection.kx), scale_y * np.sign(projection.ky)
    if not projection.pole:
        zero = np.zeros_like(scale_x)
        return (scale_x, zero), (zero, scale_y)
    turn = np.radians(longitude) - projection.lon0
    sine, cosine = np.sin(turn), np.cos(turn)
    pole = projection.pole  # q falls with the cosine in the north, rises with it in the south
    return (
        (scale_x * cosine, scale_y * pole * sine),
        (-pole * scale_x * sine, scale_y * cosine),
    )
