"""Where a synthetic mosaic lies on the Moon."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.moon import MOON_RADIUS_M

Grid = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MapFrame:
    """Where the mosaic lies: equirectangular on the sphere, standard parallel 0."""

    width_px: int
    height_px: int
    pixel_size_m: float
    left_m: float
    top_m: float

    @classmethod
    def of(cls, config: SynthesizeConfig) -> "MapFrame":
        """The frame centred on the configured place, its corner on a whole metre."""
        centre_x, centre_y = np.deg2rad([config.longitude_deg, config.latitude_deg]) * MOON_RADIUS_M
        return cls(
            config.width_px,
            config.height_px,
            config.pixel_size_m,
            left_m=round(centre_x - config.width_px * config.pixel_size_m / 2),
            top_m=round(centre_y + config.height_px * config.pixel_size_m / 2),
        )

    def latitude_rad(self, y_px: npt.ArrayLike) -> Float64Array:
        """Latitude of rows."""
        return (self.top_m - np.asarray(y_px) * self.pixel_size_m) / MOON_RADIUS_M

    def longitude_rad(self, x_px: npt.ArrayLike) -> Float64Array:
        """East longitude of columns; not wrapped."""
        return (self.left_m + np.asarray(x_px) * self.pixel_size_m) / MOON_RADIUS_M

    def row_cosines(self) -> Float64Array:
        """(H,) cosine of the latitude of each row's centre: ground metres per map metre."""
        return np.cos(self.latitude_rad(np.arange(self.height_px) + 0.5))
