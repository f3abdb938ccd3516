"""Read from the notes of a catalogue what its latitudes and longitudes are besides degrees."""

import re
from collections.abc import Sequence

from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.note_sentences import Sentence

_PLACES = r"(?:\blon(?:g|gitudes?)?s?\b|\blat(?:itude)?s?\b|\bcoord\w*|\bangles?\b|\bpositions?\b)"
_ANGLES = re.compile(
    rf"{_PLACES}.*(?:\b(?:in|as|are|units?)\b|[(\[:=])\s*(?:decimal\s+|units?\s+of\s+)?"
    r"(rad|radians?|arc[ -]?min(?:ute)?s?|arc[ -]?sec(?:ond)?s?|hours?|gradians?|gons?)\b"
    r"|(?:\blon\w*|\blat\w*)\W+(rad(?:ians?)?)\b"
    r"|^(?:all |the )*(?:angles? |angular )?(?:units?)?\W*(?:in |is |are )?(radians?)\W*$"
    r"|(\bbogenma(?:ß|ss))"
)
_FINENESS = re.compile(r"accura|precision|uncertain|\berrors?\b|resolution|sub-?solar|\bsun\b")
_GRAPHIC = re.compile(
    r"(?<!not )\b(planetographic|geodetic|graphic(?= lat))\b"
    r"(?!\s+(?:control|network|datum|reference|system|survey|frame))"
)
_POLE = re.compile(
    r"(?<!not )(?<!90 - )(?<!minus )(?:\bco-?latitudes?\b|\bpolar distances?\b)"
    r"|\b(?:measured|counted|reckoned|angles?|angular distance)\b.*\b(?:pole|spin axis)\b"
    r"|\b90\s*°?\s*(?:-|–|minus)\s*lat|\bzenith angle"
)
_LATITUDE = r"\blat(?:itude)?s?\b"
_ALL_SOUTH = re.compile(
    rf"{_LATITUDE}\W+(?:(?:are|is|in|the|all|given|deg(?:rees?)?|°|values?)\W+)*(?:south\w*|s)\W*$"
)
_SOUTH, _NORTH = re.compile(r"\bsouth\w*|\bs\b"), re.compile(r"\bnorth\w*|\bn\b")
_PLUS = re.compile(r"\bposit\w*|\bplus\b|\+|\bincreas\w*|>\s*0")
_MINUS = re.compile(r"\bnegat\w*|\bminus\b|\bdecreas\w*|\bnot\b|<\s*0")
_ZERO = r"(?:180|90|270|far[ -]?side|anti-?meridian)"
_MERIDIAN = re.compile(
    rf"\bprime meridian\b[^,;]*\b{_ZERO}\b"
    rf"|\blon\w*\b[^,;]*\b(?:offset|shifted|relative|origin|zero|0|from the|counted|measured)\b"
    rf"[^,;]*\b{_ZERO}\b(?!\s*(?:to|-|–)\s*\d)"
    rf"|\bzero\s+(?:of\s+)?lon\w*[^,;]*\b{_ZERO}\b"
)
_RANGE = re.compile(r"[+-]?\d+\s*°?\s*(?:w|e|west|east)?\s*(?:to|-|–|\.\.+)\s*[+-]?\d+")


def doubt_of_angles(matched: Columns, sentences: Sequence[Sentence]) -> str | None:
    """Return what notes say of latitudes and longitudes that is not read, and the remedy."""
    if "latitude_deg" not in matched.found:
        return None
    name = matched.found["latitude_deg"]
    answer = f"or say that it holds those of the sphere in degrees: columns=latitude_deg={name},…"
    for sentence in sentences:
        text, note = sentence.text, repr(sentence.line[:80])
        graphic, angle = _GRAPHIC.search(text), _ANGLES.search(text)
        if graphic and "planetocentric" not in text and "centric" not in plain_name(name):
            return (
                f"by the note {note} coordinates are {graphic[1]}. Convert the latitudes to "
                "planetocentric ones, by tan(planetocentric) = (b/a)² tan(planetographic), "
                f"{answer}"
            )
        if angle and not re.search(r"\bdeg|°", text) and not _FINENESS.search(text):
            unit = next(filter(None, angle.groups()))
            return (
                f"by the note {note} coordinates may be in {unit}. Convert column {name!r} and the "
                f"longitudes to degrees, {answer}"
            )
        if _POLE.search(text):
            return (
                f"by the note {note} column {name!r} may count from a pole. Write 90 minus it, "
                f"{answer}"
            )
        if _says_south(sentence):
            return f"by the note {note} latitudes may count southward. Negate {name!r}, {answer}"
        if "longitude_deg" in matched.found and _MERIDIAN.search(_RANGE.sub(" ", text)):
            return (
                f"by the note {note} longitudes may count from another meridian than that of the "
                "middle of the near side. Convert them, or say that they do not: "
                f"columns=longitude_deg={matched.found['longitude_deg']},…"
            )
    return None


def _says_south(sentence: Sentence) -> bool:
    """Whether a clause says that southern latitudes are positive, or northern ones negative."""
    for clause in sentence.clauses:
        south, north = _SOUTH.search(clause), _NORTH.search(clause)
        plus, minus = _PLUS.search(clause), _MINUS.search(clause)
        if _ALL_SOUTH.search(clause):
            return True
        if (south and plus and not (north or minus)) or (north and minus and not (south or plus)):
            return "hemisphere" not in clause
    return False
