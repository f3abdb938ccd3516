"""Define the map projection and extent of a synthetic mosaic."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array
from lunar_models.config.synthesize import SynthesizeConfig
from lunar_models.moon import MOON_RADIUS_M

Grid = npt.NDArray[np.float32]


@dataclass(frozen=True)
class MapFrame:
    """The map frame: equirectangular with standard parallel 0, or stereographic around a pole.

    A polar mosaic is stereographic and centred on its pole. It is taken for flat where craters
    are placed and shaded: within 10 degrees of the pole its scale differs from 1 by 0.8 % at most.
    """

    width_px: int
    height_px: int
    pixel_size_m: float
    left_m: float
    top_m: float
    pole: int = 0
    """0 equirectangular; 1 north, -1 south polar stereographic."""

    @classmethod
    def of(cls, config: SynthesizeConfig) -> "MapFrame":
        """Return the frame centred on the configured place, its corner on a whole metre."""
        pole = {"north_polar": 1, "south_polar": -1}.get(config.projection, 0)
        place = np.deg2rad([config.longitude_deg, config.latitude_deg])
        centre_x, centre_y = (0.0, 0.0) if pole else place * MOON_RADIUS_M
        return cls(
            config.width_px,
            config.height_px,
            config.pixel_size_m,
            left_m=round(centre_x - config.width_px * config.pixel_size_m / 2),
            top_m=round(centre_y + config.height_px * config.pixel_size_m / 2),
            pole=pole,
        )

    def place_rad(
        self, x_px: npt.ArrayLike, y_px: npt.ArrayLike
    ) -> tuple[Float64Array, Float64Array]:
        """Compute east longitude (not wrapped) and latitude of pixel positions, radians."""
        x = (self.left_m + np.asarray(x_px, np.float64) * self.pixel_size_m) / MOON_RADIUS_M
        y = (self.top_m - np.asarray(y_px, np.float64) * self.pixel_size_m) / MOON_RADIUS_M
        if not self.pole:
            return x, y
        latitude = np.pi / 2 - 2 * np.arctan(np.hypot(x, y) / 2)  # Snyder 1987, 21-38, 20-18
        return np.arctan2(x, -self.pole * y), self.pole * latitude

    def azimuth_deg(
        self, map_azimuth_deg: npt.ArrayLike, longitude_rad: Float64Array
    ) -> Float64Array:
        """Azimuth on the ground, clockwise from north, of a direction clockwise from the map's top.

        Around a pole the meridians run in all directions.
        """
        turn = self.pole * np.rad2deg(longitude_rad)
        return np.asarray((np.asarray(map_azimuth_deg, np.float64) + turn) % 360.0)

    def row_cosines(self) -> Float64Array:
        """Return (H,) ground metres per map metre along each row: the cosine of the latitude."""
        return self.cosine(np.arange(self.height_px) + 0.5)

    def cosine(self, y_px: npt.ArrayLike) -> Float64Array:
        """Ground metres per map metre along a row; 1 in polar mosaics."""
        y = np.asarray(y_px, np.float64)
        if self.pole:
            return np.ones_like(y)
        return np.cos((self.top_m - y * self.pixel_size_m) / MOON_RADIUS_M)
