"""Compute the dimensions of fresh complex craters from their diameter.

Above the simple-to-complex transition (about 15 km) craters have flat floors, terraced walls and
central peaks. Formulas take and return floats or arrays of any library, in km.
"""

from typing import Any


def complex_depth_km(diameter_km: Any) -> Any:
    """Rim-to-floor depth of a fresh complex crater, Pike (1977, Impact and Explosion Cratering)."""
    return 1.044 * diameter_km**0.301


def complex_rim_height_km(diameter_km: Any) -> Any:
    """Height of the rim above the surroundings, Pike (1977)."""
    return 0.236 * diameter_km**0.399


def complex_floor_diameter_km(diameter_km: Any) -> Any:
    """Diameter of the flat floor, Pike (1977)."""
    return 0.187 * diameter_km**1.249


def central_peak_height_km(diameter_km: Any) -> Any:
    """Height of the central peak above the floor, up to about 80 km, Hale and Grieve (1982)."""
    return 6e-4 * diameter_km**1.969
