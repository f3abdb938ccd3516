"""Find the `Projection` of a mosaic from its coordinate reference system, as PROJ places it."""

import warnings
from itertools import product
from typing import Any

import numpy as np
from affine import Affine
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from lunar_models.errors import MosaicError, UnplacedError
from lunar_models.moon import LUNAR_EQUIRECTANGULAR, MOON_RADIUS_KM, MOON_RADIUS_M
from lunar_models.mosaic.extent import check_extent
from lunar_models.mosaic.planetary_label import check_label_place, is_positive_west, raw_frame
from lunar_models.mosaic.projection import Projection

_RADIUS_TOLERANCE_M = 5_000.0
_FLATTENING_TOLERANCE_M = 1.0
_AGREEMENT_PX = 0.01
"""Our closed formulas and PROJ place a point this close together, or the mosaic is refused."""

REMEDY = (
    f"Say which it is, for example crs={LUNAR_EQUIRECTANGULAR}, or write it into the file: "
    f"gdal_edit.py -a_srs {LUNAR_EQUIRECTANGULAR} MOSAIC"
)
WARP = f"bring it to {LUNAR_EQUIRECTANGULAR} or another such one with gdalwarp -t_srs"


def _is_located(data: Any) -> bool:
    determinant = data.transform.determinant
    return not data.transform.is_identity and determinant != 0.0 and np.isfinite(determinant)


def is_placed(data: Any, crs: str | None) -> bool:
    """Return whether a raster has a geotransform and a reference system, its own or one given."""
    return _is_located(data) and (crs or data.crs) is not None


def check_placed(data: Any, path: str, crs: str | None) -> None:
    """Make sure that a raster states its place on the Moon.

    Args:
        data: an open rasterio dataset.
        path: of it.
        crs: its reference system, given in place of its own.

    Raises:
        UnplacedError: it does not; says what can be done about it.
    """
    if is_placed(data, crs):
        return
    located = _is_located(data)
    boxes = "or give a catalogue of pixel boxes (x_px, y_px, diameter_px), and it is a picture"
    instrument = raw_frame(data)
    if data.gcps[0] or data.rpcs:
        raise UnplacedError(
            f"{path} is placed by control points only; warp it to a map with gdalwarp, {boxes}."
        )
    if instrument is not None:
        raise UnplacedError(
            f"{path} is a frame of {instrument} without map projection; project it first (ISIS: "
            f"spiceinit, cam2map; then gdalwarp where needed), {boxes}."
        )
    if located:
        raise UnplacedError(f"{path} has no coordinate reference system. {REMEDY}")
    given = f" crs={crs} alone does not say where its pixels lie." if crs else ""
    raise UnplacedError(
        f"{path} has no georeference.{given} Give it one with gdal_translate -a_srs … -a_ullr …, "
        f"{boxes}."
    )


def read_projection(data: Any, crs: str | None, path: str) -> Projection:
    """Read the projection of a raster: by the reference system given, or its own and its label's.

    Args:
        data: an open rasterio dataset, placed (`check_placed`).
        crs: its reference system, given in place of its own.
        path: of it.

    Raises:
        MosaicError: see `parse_projection`, `check_extent` and `check_label_place`.
    """
    projection = parse_projection(crs or data.crs.to_wkt(), data.transform, path)
    if not crs and is_positive_west(data):
        projection = projection._replace(lon0=-projection.lon0)
    check_extent(data, projection, path)
    if not crs:
        check_label_place(data, projection, path)
    return projection


def parse_projection(crs_text: str | None, transform: Affine, name: str) -> Projection:
    """Read the projection of a mosaic and check it against PROJ.

    Args:
        crs_text: its coordinate reference system: WKT, or anything `pyproj.CRS` accepts.
        transform: its geotransform, from the corners of pixels to CRS units.
        name: how error messages call the mosaic.

    Raises:
        MosaicError: no CRS, not the Moon's, a projection not supported, rotated pixels, or a
            reference system that PROJ cannot use or places elsewhere.
    """
    if not crs_text:
        raise MosaicError(f"{name} has no coordinate reference system. {REMEDY}")
    if transform.b or transform.d:
        raise MosaicError(f"{name} has rotated pixels; bring it north up with gdalwarp.")
    crs = _lunar_crs(crs_text, name)
    terms = _proj_terms(crs, name)
    pole, mercator = _kind(terms, crs, name)
    scale_x, scale_y = _scales(terms, crs)
    meridian = _prime_meridian_deg(crs) + float(terms.get("lon_0", 0.0))
    unit = _unit_m(crs)
    origin_x, origin_y = float(terms.get("x_0", 0.0)) / unit, float(terms.get("y_0", 0.0)) / unit
    if terms["proj"] == "eqc":
        origin_y -= scale_y * float(np.radians(float(terms.get("lat_0", 0.0))))
    for sign_x, sign_y in product((1.0, -1.0), repeat=2):  # axes may point west or south
        found = Projection(
            pole=pole,
            mercator=mercator,
            lon0=float(np.radians((meridian + 180.0) % 360.0 - 180.0)),
            # (0, 0) of the projection in pixels, half a pixel from corner to centre
            x0=(sign_x * origin_x - transform.c) / transform.a - 0.5,
            kx=sign_x * scale_x / transform.a,
            y0=(sign_y * origin_y - transform.f) / transform.e - 0.5,
            ky=sign_y * scale_y / transform.e,
        )
        if _agrees(found, crs, transform):
            return found
    raise MosaicError(
        f"{name} has the reference system {crs.name!r}, which PROJ places otherwise than its terms "
        f"say ({' '.join(f'{k}={v}' for k, v in terms.items())}); {WARP}."
    )


def _agrees(projection: Projection, crs: CRS, transform: Affine) -> bool:
    """Whether a projection puts places all over the Moon where PROJ does."""
    assert crs.ellipsoid is not None
    body = CRS.from_dict({"proj": "longlat", "R": crs.ellipsoid.semi_major_metre})
    latitude = np.array([5.0, 30.0, 60.0, 85.0])
    latitude = projection.pole * latitude if projection.pole else np.r_[-latitude, latitude]
    longitude, latitude = np.meshgrid(np.arange(-170.0, 180.0, 30.0), latitude)
    try:
        to_crs = Transformer.from_crs(body, crs, always_xy=True)
        x, y = to_crs.transform(longitude, latitude, errcheck=True)
    except ProjError:
        return False
    if crs.is_geographic and np.isclose(crs.axis_info[0].unit_conversion_factor, 1.0):
        x, y = np.radians(x), np.radians(y)  # pyproj gives degrees in place of radians
    columns, rows = ~transform @ (np.asarray(x), np.asarray(y))
    here = projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    across = np.abs(columns - 0.5 - here[0])
    if not projection.pole:
        across = np.minimum(across, np.abs(across - projection.turn_px))
    return bool(max(across.max(), np.abs(rows - 0.5 - here[1]).max()) < _AGREEMENT_PX)


def _lunar_crs(crs_text: str, name: str) -> CRS:
    """The horizontal reference system, on a sphere of about the Moon's size."""
    try:
        crs = CRS.from_user_input(crs_text)
    except CRSError as error:
        raise MosaicError(f"{name} has an unreadable reference system: {error}. {REMEDY}") from None
    if crs.is_compound:  # with heights
        crs = crs.sub_crs_list[0]
    if crs.is_bound and crs.source_crs is not None:
        crs = crs.source_crs
    if crs.ellipsoid is None or not (crs.is_geographic or crs.is_projected):
        raise MosaicError(f"{name} has the reference system {crs.name!r}, not the Moon's. {REMEDY}")
    radius, polar = crs.ellipsoid.semi_major_metre, crs.ellipsoid.semi_minor_metre
    if abs(radius - MOON_RADIUS_M) > _RADIUS_TOLERANCE_M:
        raise MosaicError(
            f"{name} has the reference system {crs.name!r} on a body of {radius / 1000:.1f} km "
            f"radius; the Moon's is {MOON_RADIUS_KM} km. {REMEDY}"
        )
    if abs(radius - polar) > _FLATTENING_TOLERANCE_M:
        raise MosaicError(
            f"{name} has the reference system {crs.name!r} on an ellipsoid of {radius / 1000:.1f} "
            f"by {polar / 1000:.1f} km, whose latitudes are not those of the lunar sphere (up to "
            f"{np.degrees(1.0 - polar / radius):.3f} deg off); {WARP}, or give crs= with the "
            "sphere if its latitudes are planetocentric."
        )
    return crs


def _proj_terms(crs: CRS, name: str) -> dict[str, Any]:
    """The reference system in PROJ's terms."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "you will likely lose information"
        try:
            terms: dict[str, Any] = crs.to_dict()
        except CRSError:
            terms = {}
    if "proj" not in terms:
        method = crs.coordinate_operation.method_name if crs.coordinate_operation else "unknown"
        raise MosaicError(
            f"{name} has the reference system {crs.name!r} with the projection {method!r}, which "
            f"PROJ does not know. {REMEDY}; or {WARP}."
        )
    return terms


def _kind(terms: dict[str, Any], crs: CRS, name: str) -> tuple[int, bool]:
    """Pole (0 for a cylindrical projection), and whether it is Mercator's."""
    kind, latitude = terms["proj"], float(terms.get("lat_0", 0.0))
    if kind in ("longlat", "eqc", "merc"):
        return 0, kind == "merc"
    if kind == "stere" and abs(latitude) == 90.0:
        return int(np.sign(latitude)), False
    method = crs.coordinate_operation.method_name if crs.coordinate_operation else kind
    raise MosaicError(
        f"{name} is in the projection {method} ({kind!r}), which is not supported; bring it to an "
        "equirectangular, geographic, Mercator or polar stereographic one with gdalwarp -t_srs "
        f"{LUNAR_EQUIRECTANGULAR}."
    )


def _scales(terms: dict[str, Any], crs: CRS) -> tuple[float, float]:
    """CRS units per radian in x and in y, both positive (Snyder 1987)."""
    if terms["proj"] == "longlat":
        per_radian = 1.0 / float(crs.axis_info[0].unit_conversion_factor)
        return per_radian, per_radian
    assert crs.ellipsoid is not None
    radius: float = crs.ellipsoid.semi_major_metre / _unit_m(crs)
    true_latitude = float(np.radians(float(terms.get("lat_ts", 0.0))))
    if terms["proj"] == "eqc":
        return float(radius * np.cos(true_latitude)), radius
    central: Any = terms.get("k", terms.get("k_0"))
    central = None if central is None else float(central)
    if central is None and terms["proj"] == "merc":
        central = np.cos(true_latitude)
    elif central is None:
        central = (1.0 + np.sin(abs(true_latitude))) / 2.0 if "lat_ts" in terms else 1.0
    scale = radius * float(central)
    return scale, scale


def _prime_meridian_deg(crs: CRS) -> float:
    """Longitude of the reference system's own zero."""
    meridian = crs.prime_meridian
    if meridian is None:
        return 0.0
    return float(np.degrees(meridian.longitude * float(meridian.unit_conversion_factor)))


def _unit_m(crs: CRS) -> float:
    """Metres per unit of a projected reference system."""
    return 1.0 if crs.is_geographic else float(crs.axis_info[0].unit_conversion_factor)
