"""Read what the notes of a catalogue state on longitudes, latitudes and sizes.

A clear statement is honoured, and reported; what may mean two things, or needs a conversion, is
refused with a question. `columns=` is the user's own answer, so notes are not consulted beside it.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.unit_names import KILOMETRES, LENGTHS, METRES, OTHER_LENGTHS
from lunar_models.errors import CatalogueError

_LONGITUDE = r"\blon(?:g|gitudes?)?s?\b"
_NAMES_WEST = re.compile(r"\b(?:west(?:wards?)?(?!\s+of\b)|w(?![\w/]))\b")
_LEFT_OPEN = re.compile(
    r"planetographic\s+lon|(?:l[äa]nge|longitud).*\b(?:westen|westlich|westw\w+|ouest|oeste|ovest)\b"
)
"""On longitudes, and in other languages: asked about, not translated."""
_NUMBERED = re.compile(r"\d\s*(?:°|deg(?:rees?)?)?\s*[nsew]\b")
_TO = r"[\s:=-]*(?:(?:is|are|in|to|towards?)\s+)?(?:the\s+)?"
_UNIT = "|".join(sorted((*LENGTHS, *OTHER_LENGTHS), key=len, reverse=True))
_SIZE = r"\b(?:diam(?:eter)?s?|dia|d|sizes?|radius|radii|lengths?)\b"
_SIZE_UNIT = re.compile(
    rf"(?:{_SIZE}[^.;]{{0,40}}?(?:\b(?:in|are|is)\b|[(\[:=,])|\bunits?\b[^.;]{{0,40}}?)"
    rf"\s*(?:units?\s+of\s+)?(?<![\w.])({_UNIT})(?![\w^²])"
)
_BODY_RADIUS = re.compile(
    r"\b(?:moon|lunar|mean|body|sphere|reference|polar|equatorial|ellipsoid)(?:'s)?\s+radius\b"
    r"|\bradius\s+of\s+(?:the\s+)?(?:moon|sphere|body)\b"
)
_RADIUS = re.compile(r"(?<!-)\b(?:radi(?:us|i)|semi-?diameters?)\b(?!\s*(?:of\s*)?[=:<>≤≥~]?\s*\d)")
_NO_RADIUS = re.compile(r"\bnot\s+(?:the\s+)?radi|twice|double|half|2\s*[x*×·]|/\s*2|\b2\s*r")
_POWERS = re.compile(rf"{_SIZE}.*(?:\b10\s*(?:\^|\*\*|[²³])|\b(?:hecto|deca|deci)met)")
_ANGLES = re.compile(
    r"\b(rad|radians?|arc[ -]?min(?:ute)?s?|arc[ -]?sec(?:ond)?s?|hours?|gradians?|gons?)\b"
)
_PLACES = re.compile(rf"{_LONGITUDE}|\blat(?:itude)?s?\b|\bcoord\w*|\bangles?\b|\bpositions?\b")
_BODIES = re.compile(
    r"\b(?:mars|martian|mercury|venus|ceres|vesta|phobos|europa|ganymede|callisto)\b"
)
_GRAPHIC = re.compile(r"(?<!not )\b(planetographic|geodetic)")
_COLATITUDE = re.compile(r"\bco-?latitudes?\b|\bpolar distances?\b")
_LOGARITHM = re.compile(rf"\blog(?:10|arithms?|arithmic)?\b.*{_SIZE}|{_SIZE}.*\blog")


def apply_statements(
    matched: Columns, lines: Iterable[str], path: Path
) -> tuple[Columns, list[str]]:
    """Name the fields by what the notes state.

    Args:
        matched: which column holds what, by the columns' names.
        lines: of the notes, comment signs included.
        path: of the file, for messages.

    Returns:
        the columns, with longitudes that count westward and sizes of stated unit named so; remarks.

    Raises:
        CatalogueError: a note contradicts a name or another note, or is unclear.
    """
    if matched.pixels:
        return matched, []
    notes = [text for line in lines if (text := line.strip().lstrip("#%;/!* ").strip())]
    matched, said = _apply_sense(matched, notes, path)
    _check_latitudes(matched, notes, path)
    foreign = next((line for line in notes if _BODIES.search(line.lower())), None)
    said += (
        [f"the Moon is taken, though a note names another body: {_quoted(foreign)}"]
        if foreign
        else []
    )
    return _apply_size(matched, notes, said, path)


def _positive(direction: str, opposite: str, text: str) -> bool:
    """Whether a text states that longitudes count towards a direction."""
    letter = rf"(?:{direction}(?:ward|wards|ern)?|{direction[0]}(?![\w/]))"
    other = rf"(?:{opposite}(?:ward|wards|ern)?|{opposite[0]}(?![\w/]))"
    plus = r"(?:positive(?:ly)?|plus|\+(?:ve)?|pos\.?|increas\w+|count\w*|measured|reckoned)"
    minus = r"(?:negative|minus|-ve|neg\.?)"
    words = r"[\s:=-]*(?:longitudes?\s+)?(?:(?:is|are|as)\s+)?"
    patterns = [
        rf"(?<!\w){plus}{_TO}{letter}\b",
        rf"\b{letter}{words}{plus}(?!\s*\d)(?!\w)(?!{_TO}{other})",
        rf"(?<!\w){minus}{_TO}{other}\b",
        rf"\b{other}{words}{minus}(?!\w)(?!{_TO}{letter})",
        rf"\blongitude\s+direction{_TO}{letter}\b",
        rf"\b{direction}(?:ern|ward)?[\s_-]+longitudes?\b(?!\s*(?:is|are)?\s*{minus})",
        rf"\b0\s*°?\s*(?:-|–|to|\.\.+|…)\s*360\s*(?:°|deg(?:rees?)?)?\s*{letter}\b",
    ]
    if re.search(_LONGITUDE, text):
        unit = r"(?:degrees?|deg|°)"
        patterns += [
            rf"(?<![\d.])(?<!\d\s){unit}[\s_]*{letter}\b(?!\s*of\b)",
            rf"{_LONGITUDE}[\s:=(\[,]*(?:(?:in|is|are|given)\s+)*{unit}?[\s_]*{letter}\b",
        ]
    return any(re.search(pattern, text) for pattern in patterns)


def _apply_sense(matched: Columns, notes: list[str], path: Path) -> tuple[Columns, list[str]]:
    found: dict[str, str] = {}
    for line in notes:
        text = line.lower().replace("_", " ")
        for direction, opposite in (("west", "east"), ("east", "west")):
            if _positive(direction, opposite, text):
                found.setdefault(direction, line)
        plain = _NUMBERED.sub("", text)
        unclear = _LEFT_OPEN.search(text) or (
            _NAMES_WEST.search(plain) and re.search(_LONGITUDE, text)
        )
        denied = found and re.search(r"\bnot\b", text) and (line in found.values() or unclear)
        if denied or (unclear and not found):
            found = {"west": line, "east": line}
            break
    field = next((f for f in ("longitude_deg", "longitude_west") if f in matched.found), None)
    if field is None or not found:
        return matched, []
    name = matched.found[field]
    here = "west" if field == "longitude_west" else "east" if _named_east(name) else None
    if len(found) == 1 and here in (None, *found):
        if "east" in found or here:
            return matched, []
        renamed = {f: n for f, n in matched.found.items() if f != field}
        remark = f"longitudes are taken as positive west, as a note says: {_quoted(found['west'])}"
        return replace(matched, found={**renamed, "longitude_west": name}), [remark]
    quoted = " and ".join(dict.fromkeys(map(_quoted, found.values())))
    raise CatalogueError(
        f"{path}: the note {quoted} leaves open whether the longitudes of column {name!r} count "
        f"eastward or westward. Say columns=longitude_west={name},… or "
        f"columns=longitude_deg={name},… (eastward)."
    )


def _named_east(name: str) -> bool:
    plain = plain_name(name)
    return "east" in plain or plain in ("lone", "longitudee", "londege")


def _check_latitudes(matched: Columns, notes: list[str], path: Path) -> None:
    if "latitude_deg" not in matched.found:
        return
    name = matched.found["latitude_deg"]
    answer = f"or say that it holds those of the sphere in degrees: columns=latitude_deg={name},…"
    for line in notes:
        text = line.lower()
        graphic, angle = _GRAPHIC.search(text), _ANGLES.search(text)
        if graphic and "planetocentric" not in text and "centric" not in plain_name(name):
            raise CatalogueError(
                f"{path}: by the note {_quoted(line)} coordinates are {graphic[1]}. Convert the "
                "latitudes to planetocentric ones, by tan(planetocentric) = (b/a)² "
                f"tan(planetographic), {answer}."
            )
        if angle and _PLACES.search(text) and not re.search(r"\bdeg|°", text):
            raise CatalogueError(
                f"{path}: by the note {_quoted(line)} coordinates may be in {angle[1]}. Convert "
                f"column {name!r} and the longitudes to degrees, {answer}."
            )
        if _COLATITUDE.search(text):
            raise CatalogueError(
                f"{path}: by the note {_quoted(line)} column {name!r} may count from a pole. Write "
                f"90 minus it, {answer}."
            )


def _apply_size(
    matched: Columns, notes: list[str], said: list[str], path: Path
) -> tuple[Columns, list[str]]:
    size = matched.size
    if size is None:
        return matched, said
    name = matched.found[size]
    units: dict[str, str] = {}
    for line in notes:
        text = _BODY_RADIUS.sub("", line.lower())
        text = re.sub(r"\b(?:lunar|moon)\s+radii\b", "lunar-radii", text)
        _check_kind(size, name, text, line, path)
        for unit in _SIZE_UNIT.findall(text):
            units.setdefault("km" if unit in KILOMETRES else "m" if unit in METRES else unit, line)
    own = size.split("_")[1] if "_" in size else None
    if not units or own in units:
        return matched, said
    quoted = " and ".join(dict.fromkeys(map(_quoted, units.values())))
    kind = size.split("_")[0]
    unit = next(iter(units))
    if own is not None or len(units) > 1 or unit not in ("km", "m"):
        factor = OTHER_LENGTHS.get(unit)
        remedy = f"Multiply it by {factor:g} and name it {kind}_km" if factor else "Rename it"
        raise CatalogueError(
            f"{path}: by the note {quoted} column {name!r} may be in {' or '.join(units)}. "
            f"{remedy}, or say the unit: columns=…,{kind}_km={name} (or {kind}_m={name})."
        )
    renamed = {f: n for f, n in matched.found.items() if f != size}
    remark = f"column {name!r} is taken as {unit}, as a note says: {quoted}"
    return replace(matched, found={**renamed, f"{kind}_{unit}": name}), [*said, remark]


def _check_kind(size: str, name: str, text: str, line: str, path: Path) -> None:
    """Raise CatalogueError for radii in a column read as diameters, logarithms, other powers."""
    radii = _RADIUS.search(text) and not _NO_RADIUS.search(text)
    diameters = re.search(r"\bnot\s+(?:the\s+)?radi", text)
    if (size.startswith("diameter") and radii) or (size.startswith("radius") and diameters):
        raise CatalogueError(
            f"{path}: the note {_quoted(line)} leaves open whether column {name!r} holds radii or "
            f"diameters. Say columns=…,radius_km={name} or columns=…,diameter_km={name} (or _m)."
        )
    for pattern, held in ((_LOGARITHM, "logarithms"), (_POWERS, "another power of ten")):
        if pattern.search(text):
            raise CatalogueError(
                f"{path}: by the note {_quoted(line)} column {name!r} may hold {held}. Write the "
                f"diameters themselves, or say columns=…,diameter_km={name}."
            )


def _quoted(line: str) -> str:
    return repr(line if len(line) <= 80 else f"{line[:77]}…")
