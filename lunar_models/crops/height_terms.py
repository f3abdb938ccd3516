"""Tell by words and units whether a raster holds heights, which are easily taken for brightness."""

import re

HEIGHT_UNITS_M = {
    "m": 1.0, "metre": 1.0, "meter": 1.0, "metres": 1.0, "meters": 1.0,
    "km": 1000.0, "kilometer": 1000.0, "kilometre": 1000.0, "kilometers": 1000.0,
    "kilometres": 1000.0, "ft": 0.3048, "foot": 0.3048, "feet": 0.3048,
}  # fmt: skip
"""Metres per unit."""
_FROM = ("above", "over", "relative", "from", "below")

_HEIGHTS = re.compile(
    r"(?<![a-z])(elev(ations?)?|heights?|altitudes?|altimetry|topo(graphy|graphic)?|s?l?dem|dtm|dsm"
    r"|gld|h(ö|oe)hen?)(?![a-z])",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"shad(e|ed|ing|ow)|relief|slope|aspect|ortho|photo|bright|reflect|radian|albedo|i/f|intensity"
    r"|hellig|(sun|solar|image|pixel)[ _]?(elev|height)|incidence|emission|phase|count|error"
    r"|M\d{8,}[LRCMS]?E?",  # of an LROC image, whose orthophotos are named after their DTM
    re.IGNORECASE,
)
"""Words beside, that say it is something else made with heights."""


def height_unit(text: str) -> float | None:
    """Return the metres per unit of a text that is a unit of length; None if it is none.

    What it is counted from may follow: ``m above the sphere``.
    """
    unit, _, rest = text.strip(' "<>()').lower().partition(" ")
    return HEIGHT_UNITS_M.get(unit) if not rest or rest.startswith(_FROM) else None


def says_heights(text: str) -> bool:
    """Return whether a name or a title says that values are heights."""
    return bool(_HEIGHTS.search(text)) and not _OTHERWISE.search(text)
