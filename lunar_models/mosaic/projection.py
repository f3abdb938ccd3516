"""From longitude and latitude on the Moon to pixels of a mosaic.

Pixel coordinates are continuous, and the centre of pixel (column i, row j) is exactly (i, j).
The Moon is a sphere, so the closed formulas of Snyder (1987, USGS Professional Paper 1395) are
exact; they are also what the sampling kernel (`warp.py`) evaluates.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np
from affine import Affine
from pyproj import CRS
from pyproj.exceptions import CRSError

from lunar_models.arrays import Float64Array
from lunar_models.errors import MosaicError
from lunar_models.moon import LUNAR_EQUIRECTANGULAR, MOON_RADIUS_KM, MOON_RADIUS_M

_RADIUS_TOLERANCE_M = 5_000.0

REMEDY = f"Give it a lunar one, for example: gdal_edit.py -a_srs {LUNAR_EQUIRECTANGULAR} MOSAIC"


class Projection(NamedTuple):
    """Where the Moon lies in a mosaic, as plain numbers that compiled code can use.

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


def parse_projection(crs_wkt: str | None, transform: Affine, name: str) -> Projection:
    """Read the projection of a mosaic.

    Args:
        crs_wkt: its coordinate reference system as WKT (anything `pyproj.CRS` accepts).
        transform: its geotransform, from the corners of pixels to CRS units.
        name: how error messages call the mosaic.

    Raises:
        MosaicError: no CRS, not the Moon's, a projection not supported, or rotated pixels.
    """
    if not crs_wkt:
        raise MosaicError(f"{name} has no coordinate reference system. {REMEDY}")
    if transform.b or transform.d:
        raise MosaicError(f"{name} has rotated pixels; bring it north up with gdalwarp.")
    crs = _lunar_crs(crs_wkt, name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "you will likely lose information"
        terms = crs.to_dict()
    scale_x, scale_y, lon0, lat0 = _scales(terms, crs, name)
    return Projection(
        pole=int(np.sign(lat0)) if terms["proj"] == "stere" else 0,
        mercator=terms["proj"] == "merc",
        lon0=np.radians(lon0),
        # (0, 0) of the projection in pixels, half a pixel from corner to centre
        x0=(_length(terms, "x_0", crs) - transform.c) / transform.a - 0.5,
        kx=scale_x / transform.a,
        y0=(_length(terms, "y_0", crs) - scale_y * _y_shift(terms) - transform.f) / transform.e
        - 0.5,
        ky=scale_y / transform.e,
    )


def _lunar_crs(crs_wkt: str, name: str) -> CRS:
    try:
        crs = CRS.from_user_input(crs_wkt)
    except CRSError as error:
        raise MosaicError(f"{name} has an unreadable reference system: {error}. {REMEDY}") from None
    if crs.ellipsoid is None:
        raise MosaicError(f"{name} has the reference system {crs.name!r}, not the Moon's. {REMEDY}")
    radius = crs.ellipsoid.semi_major_metre
    if abs(radius - MOON_RADIUS_M) > _RADIUS_TOLERANCE_M:
        raise MosaicError(
            f"{name} has the reference system {crs.name!r} on a body of {radius / 1000:.1f} km "
            f"radius; the Moon's is {MOON_RADIUS_KM} km. {REMEDY}"
        )
    return crs


def _scales(terms: dict[str, Any], crs: CRS, name: str) -> tuple[float, float, float, float]:
    """CRS units per radian in x and in y, central meridian and latitude in degrees."""
    unit = 1.0 if crs.is_geographic else crs.axis_info[0].unit_conversion_factor
    radius = crs.ellipsoid.semi_major_metre / unit if crs.ellipsoid else 0.0
    lon0, lat0 = float(terms.get("lon_0", 0.0)), float(terms.get("lat_0", 0.0))
    true_latitude = np.radians(float(terms.get("lat_ts", 0.0)))
    kind = terms["proj"]
    central_scale = terms.get("k", terms.get("k_0"))
    if kind == "longlat":
        degree = np.degrees(1.0)
        return degree, degree, float(terms.get("pm", 0.0)), 0.0
    if kind == "eqc":
        return radius * np.cos(true_latitude), radius, lon0, lat0
    if kind == "merc":
        scale = radius * float(np.cos(true_latitude) if central_scale is None else central_scale)
        return scale, scale, lon0, 0.0
    if kind == "stere" and abs(lat0) == 90.0:
        at_parallel = (1.0 + np.sin(abs(true_latitude))) / 2.0 if "lat_ts" in terms else 1.0
        scale = radius * float(at_parallel if central_scale is None else central_scale)
        return scale, scale, lon0, lat0
    raise MosaicError(
        f"{name} is in the projection {kind!r}, which is not supported; bring it to an "
        "equirectangular, geographic, Mercator or polar stereographic one with gdalwarp."
    )


def _y_shift(terms: dict[str, Any]) -> float:
    """Latitude of origin of an equirectangular projection, in radians."""
    return float(np.radians(float(terms.get("lat_0", 0.0)))) if terms["proj"] == "eqc" else 0.0


def _length(terms: dict[str, Any], key: str, crs: CRS) -> float:
    """A false easting or northing, which PROJ keeps in metres, in CRS units."""
    if crs.is_geographic:
        return 0.0
    return float(terms.get(key, 0.0)) / crs.axis_info[0].unit_conversion_factor
