"""Read the keywords of planetary labels (PDS3, PDS4, ISIS3) that GDAL ignores."""

import json
import math
import re
import struct
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np

from lunar_models.crops.height_terms import height_unit
from lunar_models.errors import MosaicError
from lunar_models.mosaic.projection import Projection

_EMPTY_WORDS = re.compile(
    r"(NULL|MISSING|INVALID|UNKNOWN|ERROR|NOT_APPLICABLE)(_CONSTANT|_VALUE)?|LOW_\w*SATURATION"
)
_BRIGHT_WORDS = re.compile(r"HIGH_\w*SATURATION|SATURATED_CONSTANT")
_LIMIT_WORDS = ("VALID_MINIMUM", "VALID_MAXIMUM")

_CENTRE_TOLERANCE = 0.05
"""Part of a map's extent by which its stated and its computed middle may differ."""


def special_constants(data: Any, dtype: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Stored values without data, and saturated ones, as a PDS3 or PDS4 label declares them.

    Args:
        data: an open rasterio dataset.
        dtype: NumPy name of the stored values, as which hexadecimal constants are read.
    """
    empty: set[float] = set()
    bright: set[float] = set()
    kinds: list[Any] = []
    for key, value in label_items(data):
        word = key.upper().removeprefix("CORE_")
        if word == "INVALID_TYPE":  # of the INVALID_VALUE that follows (Kaguya)
            kinds = listed(value)
        bright_word = _BRIGHT_WORDS.fullmatch(word)
        if not bright_word and not _EMPTY_WORDS.fullmatch(word):
            continue
        for n, item in enumerate(listed(value)):
            named = word == "INVALID_VALUE" and n < len(kinds) and str(kinds[n]) == "SATURATION"
            if (number := _number(item, dtype)) is not None:
                (bright if bright_word or named else empty).add(number)
    return tuple(sorted(empty - bright)), tuple(sorted(bright))


def valid_limits(data: Any, dtype: str) -> tuple[float, float]:
    """Least and largest stored value that is valid, by a PDS3 or PDS4 label; infinite if unsaid.

    Args:
        data: an open rasterio dataset.
        dtype: NumPy name of the stored values, as which hexadecimal limits are read.
    """
    limits = [-math.inf, math.inf]
    for key, value in label_items(data):
        word = key.upper().removeprefix("CORE_")
        if word in _LIMIT_WORDS and (number := _number(listed(value)[0], dtype)) is not None:
            limits[_LIMIT_WORDS.index(word)] = number
    return limits[0], limits[1]


def label_items(data: Any) -> Iterator[tuple[str, Any]]:
    """Return all keywords of the label, however deep."""
    if "json:PDS" in data.tag_namespaces():
        # rasterio parts the text at its first colon
        parts = [f"{key}:{value}" for key, value in data.tags(ns="json:PDS").items()]
        yield from _walk(json.loads("".join(parts) or "{}"))
    if "json:ISIS3" in data.tag_namespaces():
        parts = [f"{key}:{value}" for key, value in data.tags(ns="json:ISIS3").items()]
        yield from _walk(json.loads("".join(parts) or "{}"))
    if "xml:PDS4" in data.tag_namespaces():
        text = "".join(data.tags(ns="xml:PDS4").values())
        for element in ElementTree.fromstring(text).iter():
            if element.text and not len(element):
                yield element.tag.rpartition("}")[2], element.text.strip()


def _walk(node: Any) -> Iterator[tuple[str, Any]]:
    for key, value in node.items() if isinstance(node, dict) else ():
        yield str(key), value
        yield from _walk(value)


def listed(value: Any) -> list[Any]:
    """List the items of a value: of a sequence in brackets, or of a number with its unit."""
    if isinstance(value, str):
        return [item.strip() for item in value.strip("() ").split(",")]
    if isinstance(value, dict):  # with a unit
        return [value.get("value")]
    return value if isinstance(value, list) else [value]


def _number(text: Any, dtype: str = "float64") -> float | None:
    """A number of a label: plain, or PDS3's ``16#FF7FFFFB#``, the bytes of a value."""
    text = str(text).strip('"')
    if match := re.fullmatch(r"16#([0-9A-Fa-f]+)#", text):
        digits = match[1]
        form = {("f", 8): ">f", ("f", 16): ">d", ("i", 2): ">b", ("i", 4): ">h", ("i", 8): ">i"}
        kind = form.get((np.dtype(dtype).kind, len(digits)))
        return float(struct.unpack(kind, bytes.fromhex(digits))[0] if kind else int(digits, 16))
    try:
        return float(text)
    except ValueError:
        return None


def height_unit_m(data: Any) -> float | None:
    """Metres per unit where a raster says that its values are lengths, such as heights."""
    texts = [unit for unit in data.units if unit]
    # ISIS' of a band; PDS3's lower case ones are GDAL's
    word = {"PDS4": "unit", "ISIS3": "Units"}.get(data.driver, "UNIT")
    texts += [str(value) for key, value in label_items(data) if key == word]
    return next((unit for unit in map(height_unit, texts) if unit is not None), None)


def raw_frame(data: Any) -> str | None:
    """Return the instrument of an image without map projection, where its label names one."""
    if data.driver not in ("ISIS3", "ISIS2", "PDS", "PDS4", "VICAR"):
        return None
    name = data.tags().get("INSTRUMENT_NAME", "").strip('"')
    return name or f"the {data.driver} product"


def is_positive_west(data: Any) -> bool:
    """Tell whether the label counts longitudes westward where GDAL takes its meridian as eastward.

    True of GDAL's ISIS3 and PDS drivers; its PDS4 driver minds the direction.
    """
    if data.driver not in ("ISIS3", "PDS"):
        return False
    words = ("POSITIVE_LONGITUDE_DIRECTION", "LONGITUDEDIRECTION")
    stated = [str(value).upper() for key, value in label_items(data) if key.upper() in words]
    return any("WEST" in value for value in stated)


def _check_planetocentric(data: Any, name: str) -> None:
    """Raise MosaicError for planetographic latitudes on an ellipsoid, which GDAL takes as others.

    GDAL lays cylindrical maps of ISIS and PDS labels on a sphere.
    """
    items = {key.upper().replace("_", ""): value for key, value in label_items(data)}
    words = ("LATITUDETYPE", "COORDINATESYSTEMNAME")
    if not any(str(items.get(word, "")).strip('"').upper() == "PLANETOGRAPHIC" for word in words):
        return
    pairs = (("EQUATORIALRADIUS", "POLARRADIUS"), ("AAXISRADIUS", "CAXISRADIUS"))
    for pair in pairs:
        radius, polar = (
            _number(listed(items[word])[0]) if word in items else None for word in pair
        )
        if radius and polar and abs(1.0 - polar / radius) > 1e-6:
            raise MosaicError(
                f"{name} counts planetographic latitudes on an ellipsoid of {radius:g} by "
                f"{polar:g}, up to {math.degrees(1.0 - polar / radius):.3f} deg from those on the "
                "lunar sphere; convert it (ISIS: map2map with LatitudeType = Planetocentric)."
            )


def label_rotation_deg(data: Any) -> float:
    """Return by how much an ISIS label turns the map, which GDAL ignores."""
    if data.driver != "ISIS3":
        return 0.0
    turns = (_number(listed(value)[0]) for key, value in label_items(data) if key == "Rotation")
    return next((turn for turn in turns if turn), 0.0)


def check_label_place(data: Any, projection: Projection, name: str) -> None:
    """Make sure that a map lies where its label says.

    Producers of PDS3 count the projection offsets in several ways, of which GDAL knows one.

    Raises:
        MosaicError: latitudes are planetographic; an ISIS label turns the map; or a PDS3
            label's edges lie elsewhere.
    """
    _check_planetocentric(data, name)
    if (turn := label_rotation_deg(data)) != 0.0:
        raise MosaicError(
            f"{name} is turned by {turn:g} deg (Rotation in its Mapping group), which GDAL "
            "ignores; bring it north up first (ISIS: map2map with Rotation = 0)."
        )
    if data.driver != "PDS":
        return
    items = {key.upper(): _number(listed(value)[0]) for key, value in label_items(data)}
    words = ("WESTERNMOST", "EASTERNMOST", "MINIMUM", "MAXIMUM")
    edges = [items.get(f"{word}_{'LONGITUDE' if 'MOST' in word else 'LATITUDE'}") for word in words]
    if projection.pole or any(edge is None for edge in edges):
        return
    west, east, south, north = (float(edge) for edge in edges if edge is not None)
    if is_positive_west(data):
        west, east = -west, -east
    row, column = (data.height - 1) / 2.0, (data.width - 1) / 2.0
    longitude, latitude = projection.to_degrees(column_px=column, row_px=row)
    span = (east - west) % 360.0 or 360.0
    pixel_deg = math.degrees(1.0 / abs(projection.ky))
    away = (abs((float(longitude) - west - span / 2.0 + 180.0) % 360.0 - 180.0),
            abs(float(latitude) - (south + north) / 2.0))  # fmt: skip
    limits = np.maximum(2.0 * pixel_deg, _CENTRE_TOLERANCE * np.array([span, north - south]))
    if (span < 359.0 and away[0] > limits[0]) or away[1] > limits[1]:
        raise MosaicError(
            f"{name}: its middle is at longitude {float(longitude):.3f}, latitude "
            f"{float(latitude):.3f} by its projection, but the label's edges say "
            f"{west:g} to {east:g} and {south:g} to {north:g} deg. Convert it with the right "
            "corners: gdal_translate -a_ullr WEST NORTH EAST SOUTH -a_srs IAU_2015:30100."
        )
