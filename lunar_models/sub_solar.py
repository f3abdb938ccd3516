"""Compute the sub-solar point on the Moon from the time of an image.

Jean Meeus, Astronomical Algorithms, 2nd edition (1998): chapter 53, the selenographic position of
the Sun, with the Sun of chapter 25 (low accuracy) and the largest terms of the Moon of chapter 47.
Good to 0.1 degrees from 1950 to 2050; the Sun moves 0.5 degrees an hour. Physical libration (0.04
degrees) and the difference of UTC and dynamical time (a minute) are left out.
"""

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float64Array

_INCLINATION_DEG = 1.54242
"""Of the mean lunar equator to the ecliptic."""
_J2000 = np.datetime64("2000-01-01T12:00:00", "ms")
_MOON_DISTANCE_KM = 385_001.0
_ASTRONOMICAL_UNIT_KM = 149_597_870.0


def sub_solar_point(time: npt.ArrayLike) -> tuple[Float64Array, Float64Array]:
    """Compute the selenographic longitude and latitude of the sub-solar point.

    Args:
        time: (N,) datetime64 in UTC; NaT where unknown.

    Returns:
        longitude_deg: (N,) in [-180, 180), east positive; NaN where the time is unknown.
        latitude_deg: (N,).
    """
    moments = np.asarray(time, "datetime64[ms]")
    days = (moments - _J2000) / np.timedelta64(1, "D")
    t = np.where(np.isnat(moments), np.nan, days) / 36525.0
    sun, sun_distance_au = _sun(t)
    moon_longitude, moon_latitude, moon_distance_km = _moon(t)
    nearer = moon_distance_km / (sun_distance_au * _ASTRONOMICAL_UNIT_KM)
    longitude = sun + np.pi + nearer * np.cos(moon_latitude) * np.sin(sun - moon_longitude)
    latitude = nearer * moon_latitude
    node = _angle(t, 125.0445479, -1934.1362891, 0.0020754)
    argument = _angle(t, 93.2720950, 483202.0175233, -0.0036539)
    inclination = np.radians(_INCLINATION_DEG)
    w = longitude - node
    a = np.arctan2(
        np.sin(w) * np.cos(latitude) * np.cos(inclination) - np.sin(latitude) * np.sin(inclination),
        np.cos(w) * np.cos(latitude),
    )
    b = np.arcsin(
        -np.sin(w) * np.cos(latitude) * np.sin(inclination) - np.sin(latitude) * np.cos(inclination)
    )
    return (np.degrees(a - argument) + 180.0) % 360.0 - 180.0, np.degrees(b)


def _angle(t: Float64Array, *terms: float) -> Float64Array:
    """Radians of a polynomial of degrees in t, Julian centuries since J2000."""
    return np.asarray(np.radians(np.polynomial.polynomial.polyval(t, terms)))


def _sun(t: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Apparent ecliptic longitude (radians, without nutation) and distance (au)."""
    anomaly = _angle(t, 357.52911, 35999.05029, -0.0001537)
    centre = (1.914602 - 0.004817 * t) * np.sin(anomaly) + 0.019993 * np.sin(2.0 * anomaly)
    longitude = _angle(t, 280.46646, 36000.76983, 0.0003032) + np.radians(centre - 0.00569)
    distance = 1.000140 - 0.016708 * np.cos(anomaly) - 0.000139 * np.cos(2.0 * anomaly)
    return longitude, distance


def _moon(t: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
    """Ecliptic longitude, latitude (radians, to 0.3 degrees) and distance (km)."""
    mean = _angle(t, 218.3164477, 481267.88123421, -0.0015786)
    elongation = _angle(t, 297.8501921, 445267.1114034, -0.0018819)
    anomaly = _angle(t, 134.9633964, 477198.8675055, 0.0087414)
    argument = _angle(t, 93.2720950, 483202.0175233, -0.0036539)
    sun_anomaly = _angle(t, 357.52911, 35999.05029, -0.0001537)
    longitude_deg = (
        6.289 * np.sin(anomaly)
        + 1.274 * np.sin(2.0 * elongation - anomaly)
        + 0.658 * np.sin(2.0 * elongation)
        - 0.185 * np.sin(sun_anomaly)
    )
    latitude_deg = 5.128 * np.sin(argument) + 0.281 * np.sin(anomaly + argument)
    distance = _MOON_DISTANCE_KM - 20_905.0 * np.cos(anomaly)
    distance -= 3_699.0 * np.cos(2.0 * elongation - anomaly)
    return mean + np.radians(longitude_deg), np.radians(latitude_deg), distance
