"""Reference systems as they come with planetary maps: placed as GDAL places them, or refused."""

import numpy as np
import pytest
from affine import Affine
from raster_files import write
from rasterio.crs import CRS
from rasterio.warp import transform

from lunar_models.errors import MosaicError
from lunar_models.mosaic.raster import Mosaic
from lunar_models.mosaic.reference_system import parse_projection

METRES = Affine(100.0, 0, -1e5, 0, -100.0, 2e5)
DEGREES = Affine(0.01, 0, -3.0, 0, -0.01, 7.0)
SPHEROID = 'SPHEROID["Moon",1737400,0]'


DEGREE = 'UNIT["degree",0.0174532925199433]'


def geographic(meridian=0, spheroid=SPHEROID, axes="", unit=DEGREE):
    return (
        f'GEOGCS["Moon",DATUM["D_Moon",{spheroid}],PRIMEM["Reference_Meridian",{meridian}],'
        f"{unit}{axes}]"
    )


def projected(method, *parameters, unit='UNIT["metre",1]', axes="", **body):
    terms = "".join(f'PARAMETER["{name}",{value}],' for name, value in parameters)
    return f'PROJCS["map",{geographic(**body)},PROJECTION["{method}"],{terms}{unit}{axes}]'


CENTRE = ("central_meridian", 30)
SOUTH = ("latitude_of_origin", -90)
SPHERE_1738 = 'SPHEROID["Moon",1738000,0]'
WEST = ',AXIS["Longitude",WEST],AXIS["Latitude",NORTH]'

PLACED = {
    "prime meridian 180, south pole": (
        projected("Polar_Stereographic", SOUTH, CENTRE, meridian=180),
        METRES,
    ),
    "prime meridian 180, equirectangular": (
        projected("Equirectangular", CENTRE, meridian=180),
        METRES,
    ),
    "prime meridian -20, Mercator": (projected("Mercator_1SP", CENTRE, meridian=-20), METRES),
    "prime meridian 180, degrees": (geographic(180), DEGREES),
    "degrees westward": (geographic(axes=WEST), DEGREES),
    "grads": (geographic(unit='UNIT["grad",0.015707963267949]'), DEGREES),
    "seconds of arc": (geographic(unit='UNIT["arc-second",4.84813681109536e-06]'), DEGREES),
    "metres westward": (
        projected("Equirectangular", CENTRE, axes=',AXIS["X",WEST],AXIS["Y",NORTH]'),
        METRES,
    ),
    "metres southward": (
        projected("Equirectangular", CENTRE, axes=',AXIS["X",EAST],AXIS["Y",SOUTH]'),
        METRES,
    ),
    "sphere of 1738 km": (projected("Equirectangular", CENTRE, spheroid=SPHERE_1738), METRES),
    "kilometres": (
        projected("Equirectangular", CENTRE, ("false_easting", 7), unit='UNIT["km",1000]'),
        Affine(0.1, 0, -1e2, 0, -0.1, 2e2),
    ),
    "ESRI's name": (projected("Equidistant_Cylindrical", CENTRE), METRES),
    "ESRI:104903": ("ESRI:104903", DEGREES),
    "ESRI:103881": ("ESRI:103881", METRES),
    "IAU_2015:30100": ("IAU_2015:30100", DEGREES),
    "IAU_2015:30115": ("IAU_2015:30115", METRES),
    "IAU_2015:30130": ("IAU_2015:30130", METRES),
    "with heights": (f"COMPD_CS[\"both\",{projected('Equirectangular', CENTRE)},"
                     'VERT_CS["h",VERT_DATUM["h",2005],UNIT["metre",1],AXIS["Up",UP]]]', METRES),
}  # fmt: skip


@pytest.mark.parametrize("name", PLACED)
def test_places_are_those_of_gdal(name):
    text, affine = PLACED[name]
    projection = parse_projection(text, affine, name)
    longitude, latitude = np.array([10.0, 100.0, -170.0, -5.0]), np.array([20.0, 70.0, 50.0, 5.0])
    latitude = latitude * (projection.pole or 1)
    source, target = CRS.from_user_input("IAU_2015:30100"), CRS.from_user_input(text)
    x, y = transform(source, target, longitude, latitude)[:2]
    columns, rows = ~affine @ (np.array(x), np.array(y))
    found = projection.to_pixels(longitude_deg=longitude, latitude_deg=latitude)
    across = np.abs(found[0] - (columns - 0.5))
    if not projection.pole:
        across = np.minimum(across, np.abs(across - projection.turn_px))
    assert across.max() < 1e-5
    np.testing.assert_allclose(found[1], rows - 0.5, atol=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (projected("SimpleCylindrical", CENTRE), r"'SimpleCylindrical', which PROJ does not know"),
        (projected("PointPerspective", CENTRE), r"'PointPerspective', which PROJ does not know"),
        (projected("Orthographic", CENTRE), "Orthographic.*not supported.*gdalwarp"),
        (projected("Sinusoidal", CENTRE), "'sinu'.*gdalwarp"),
        ("IAU_2015:30120", "Sinusoidal.*gdalwarp"),
        (
            projected("Equirectangular", CENTRE, spheroid='SPHEROID["Moon",1738140,825]'),
            r"1738\.1 by 1736\.0 km.*0\.069 deg off.*gdalwarp",
        ),
        ('LOCAL_CS["unknown",UNIT["metre",1]]', "'unknown', not the Moon's.*crs="),
        ("IAU2000:30110", "unreadable reference system.*crs=IAU_2015:30110"),
    ],
)
def test_refused_by_name_with_the_remedy(text, said):
    with pytest.raises(MosaicError, match=said):
        parse_projection(text, METRES, "map.tif")


@pytest.mark.parametrize("meridian", [0, 180])
def test_degrees_in_radians(meridian):
    """PROJ gives degrees where the system counts in radians; so this is compared with degrees."""
    unit = 'UNIT["radian",1]'
    text = geographic(np.radians(meridian), unit=unit)
    k = np.radians(1.0)
    radians = Affine(k * DEGREES.a, 0, k * DEGREES.c, 0, k * DEGREES.e, k * DEGREES.f)
    found = parse_projection(text, radians, "m.tif")
    places = {"longitude_deg": np.array([-10.0, 2.5]), "latitude_deg": np.array([20.0, -3.25])}
    expected = parse_projection(geographic(meridian), DEGREES, "m.tif").to_pixels(**places)
    np.testing.assert_allclose(found.to_pixels(**places), expected, atol=1e-6)


def test_the_whole_moon_in_radians_called_degrees(tmp_path):
    pixel = np.pi / 36.0
    path = write(
        tmp_path / "m.tif",
        np.arange(36 * 72, dtype=np.uint16).reshape(36, 72),
        transform=Affine(pixel, 0, -np.pi, 0, -pixel, np.pi / 2.0),
        crs="IAU_2015:30100",
    )
    with pytest.raises(MosaicError, match=r"whole Moon in radians.*-a_ullr -180 90 180 -90"):
        Mosaic.open(path)
