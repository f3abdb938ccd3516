"""Convert longitude and latitude on the Moon to pixels of a mosaic, and back.

Pixel coordinates are continuous, and the centre of pixel (column i, row j) is exactly (i, j).
The Moon is a sphere, so the closed formulas of Snyder (1987, USGS Professional Paper 1395) are
exact; they are also what the sampling kernel (`kernels/separable.py`) evaluates.
"""

from typing import Any, NamedTuple

import numpy as np

from lunar_models.arrays import Float64Array


class Projection(NamedTuple):
    """The map projection of a mosaic, as plain numbers for compiled code.

    Cylindrical (`pole` 0): ``column = x0 + kx * (longitude - lon0)``, ``row = y0 + ky * m`` with
    m the latitude, or for Mercator ``asinh(tan(latitude))``; all in radians.
    Polar stereographic (`pole` ±1): ``column = x0 + kx * p``, ``row = y0 + ky * q`` with (p, q)
    the plane coordinates for a unit sphere and unit scale at the pole.
    """

    pole: int
    """0 cylindrical; 1 north, -1 south polar stereographic."""
    mercator: bool
    lon0: float
    x0: float
    kx: float
    y0: float
    ky: float

    @property
    def turn_px(self) -> float:
        """Columns of one turn of 360 degrees (cylindrical only)."""
        return abs(self.kx) * 2.0 * np.pi

    def to_pixels(
        self, *, longitude_deg: Any, latitude_deg: Any
    ) -> tuple[Float64Array, Float64Array]:
        """Columns and rows, float64, of any shape; longitudes are taken within ±180° of lon0."""
        latitude = np.radians(np.asarray(latitude_deg, np.float64))
        longitude = np.radians(np.asarray(longitude_deg, np.float64)) - self.lon0
        if self.pole:
            p, q = _stereographic(longitude, latitude, self.pole)
            return self.x0 + self.kx * p, self.y0 + self.ky * q
        longitude = (longitude + np.pi) % (2.0 * np.pi) - np.pi
        northing = np.arcsinh(np.tan(latitude)) if self.mercator else latitude
        return self.x0 + self.kx * longitude, self.y0 + self.ky * northing

    def to_degrees(self, *, column_px: Any, row_px: Any) -> tuple[Float64Array, Float64Array]:
        """Longitude in [-180, 180) and latitude of pixel positions; the inverse of `to_pixels`."""
        p = (np.asarray(column_px, np.float64) - self.x0) / self.kx
        q = (np.asarray(row_px, np.float64) - self.y0) / self.ky
        if self.pole:
            colatitude = 2.0 * np.arctan(np.hypot(p, q) / 2.0)
            latitude = self.pole * (np.pi / 2.0 - colatitude)
            longitude = np.arctan2(p, -self.pole * q)
        else:
            latitude = np.arctan(np.sinh(q)) if self.mercator else q
            longitude = p
        degrees = np.degrees(longitude + self.lon0)
        return (degrees + 180.0) % 360.0 - 180.0, np.degrees(latitude)

    def scale_px(self, latitude_deg: Any) -> tuple[Float64Array, Float64Array]:
        """Mosaic pixels per radian of arc on the ground, along columns and along rows."""
        latitude = np.radians(np.asarray(latitude_deg, np.float64))
        if self.pole:
            stretch = 2.0 / np.maximum(1.0 + self.pole * np.sin(latitude), 1e-12)
            return abs(self.kx) * stretch, abs(self.ky) * stretch
        parallel = 1.0 / np.maximum(np.cos(latitude), 1e-12)
        meridian = parallel if self.mercator else np.ones_like(latitude)
        return abs(self.kx) * parallel, abs(self.ky) * meridian


def _stereographic(
    longitude: Float64Array, latitude: Float64Array, pole: int
) -> tuple[Float64Array, Float64Array]:
    """Snyder 21-5 … 21-12 on the unit sphere: p to the right, q up, `longitude` from lon0."""
    radius = 2.0 * np.tan((np.pi / 2.0 - pole * latitude) / 2.0)
    return radius * np.sin(longitude), -pole * radius * np.cos(longitude)
