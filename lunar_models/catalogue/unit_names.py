"""List the units of length and angle that catalogues name."""

from lunar_models.moon import MOON_RADIUS_KM

METRES = ("m", "meter", "meters", "metre", "metres")
KILOMETRES = ("km", "kilometer", "kilometers", "kilometre", "kilometres")
LENGTHS = dict.fromkeys(KILOMETRES, 1.0) | dict.fromkeys(METRES, 1e-3)
"""Unit -> kilometres."""
OTHER_LENGTHS = (
    dict.fromkeys(("mi", "mile", "miles"), 1.609344)
    | dict.fromkeys(("nmi", "nautical miles"), 1.852)
    | dict.fromkeys(("ft", "foot", "feet"), 3.048e-4)
    | dict.fromkeys(("cm", "centimeters", "centimetres"), 1e-5)
    | dict.fromkeys(("yd", "yards"), 9.144e-4)
    | {"lunar-radii": MOON_RADIUS_KM}
)
"""Units that are refused -> kilometres, for the remedy."""
OTHER_ANGLES = (
    dict.fromkeys(("rad", "rads", "radian", "radians"), "by 180/pi")
    | dict.fromkeys(("arcmin", "arcmins", "arcminute", "arcminutes", "amin"), "by 1/60")
    | dict.fromkeys(("arcsec", "arcsecs", "arcsecond", "arcseconds", "asec"), "by 1/3600")
    | dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), "by 15, if these are hours of longitude")
    | dict.fromkeys(("gon", "gons", "grad", "grads", "gradian", "gradians"), "by 0.9")
)
"""Units that are refused -> what to multiply by for degrees."""
