"""Read from a sentence of a note whether longitudes count eastward or westward.

Only a sentence that consists of known words in a known order states a direction. Of the others,
those that may state one are told apart, so that they can be asked about.
"""

import re
from typing import Literal

from lunar_models.catalogue.note_sentences import Sentence

Stated = Literal["west", "east", "open"]

_CRATERS = r"(?:all |the |crater |center |centre )*"
_PHRASES = (
    (r"^[+-]?\d+ ?[:.)] ", " "),
    (r"(?:±|\+/-) ?180(?: ?(?:degrees?|deg|°))?", " symrange "),
    (r"- ?180(?: ?(?:°|deg))? *(?:west|w) *(?:to|-|–|\.\.+|…) *\+?180(?: ?(?:°|deg))? *"
     r"(?:east|e)\b", " defaultrange "),
    (r"(?:from )?(?<![\w.])([+-]?\d+)(?:\.0+)? ?(?:°|deg(?:rees?)?)? ?(?:to|-|–|\.\.+|…) ?"
     r"([+-]?\d+)(?:\.0+)?(?![\d.])(?: ?(?:degrees?\b|deg\b|°))?", None),
    (r"°|\bdeg(?:s|rees?)?\b|\bdecimal degrees?\b", " degrees "),
    (r"\+ve\b", " plus "), (r"(?<!\w)-ve\b", " minus "),
    (r"(?<!\w)\+ ?(?=(?:west|east|w|e)\b)", " plus "),
    (r"\b(west|east|w|e) ?\+(?!\w)", r"\1 plus "),
    (r"(?<=[a-z])-(?=[a-z])", " "),
    (r"\b(west|east|w|e) of (?:the )?(?:(?:prime|central|zero|0) )?"
     r"(?:meridian|greenwich|zero|0(?: degrees)?)(?!\w)", r"\1 zero"),
    (r"\b(?:(?:have|has|with|carry|get|bear) )?(?:an? )?(?:negative|minus)"
     r"(?: (?:sign|values?|numbers?))?\b", " minus "),
    (r"\b(?:(?:have|has|with|carry|get|bear) )?(?:an? )?(?:positive|positively|plus|pos)"
     r"(?: (?:sign|values?|numbers?))?\b", " plus "),
    (rf"\b{_CRATERS}(?:lon|longs?|lons|longitudes?)"
     r"(?: (?:values?|coordinates?|column|field|convention|system|direction|sense))*"
     rf"(?: of {_CRATERS}(?:craters?|centers?|centres?))?\b", " longitudes "),
    (r"\bfrom (?:the )?(?:west|w) to (?:the )?(?:east|e)\b", " fromwesttoeast "),
    (r"\bcoordinate systems?\b", " coordinates "),
)  # fmt: skip
_LETTERS = {
    "longitudes": "L", "coordinates": "K", "plus": "P", "positive": "P", "minus": "N", "neg": "N",
    "west": "W", "westward": "W", "westwards": "W", "western": "W", "w": "W",
    "east": "E", "eastward": "E", "eastwards": "E", "eastern": "E", "e": "E",
    "increase": "I", "increases": "I", "increasing": "I", "count": "I", "counts": "I",
    "counted": "I", "measured": "I", "reckoned": "I",
    "decrease": "J", "decreases": "J", "decreasing": "J",
    "to": "T", "towards": "T", "toward": "T", "the": "T", "if": "C", "when": "C", "zero": "Z",
    "degrees": "U", "fullrange": "F", "symrange": "S", "negrange": "n", "halfrange": "h",
    "defaultrange": "Q", "fromwesttoeast": "Y",
    "latitude": "A", "latitudes": "A", "lat": "A", "lats": "A", "north": "A", "south": "A",
    "northward": "A", "southward": "A", "northern": "A", "southern": "A", "n": "A", "s": "A",
    "range": "G",
    "diameter": "G", "diameters": "G", "d": "G", "depth": "G", "depths": "G", "km": "G", "m": "G",
    "kilometers": "G", "kilometres": "G", "meters": "G", "metres": "G", "moon": "G", "me": "G",
}  # fmt: skip
"""Word -> letter of a clause's pattern: D in patterns is the direction, O the opposite one."""
_FILLERS = (
    "is", "are", "be", "given", "expressed", "listed", "reported", "taken", "stored", "in", "as",
    "here", "all", "decimal", "planetocentric", "selenographic", "selenocentric",
)  # fmt: skip
_WAYS = (
    "[LK]?C?PT*D", "[LK]?DC?P", "L?PDL", "DPL", "DLP", "PLT*D", "[LK]?IT*D", "LU?DF?", "LFU?D",
    "FU?D", "DL", "[LK]?OC?N", "OLN", "[LK]?C?NT*O", "[LK]?JT*O", "NLT*O", "LOZN", "ONL",
    "[LK]?DPON", "[LK]?PT*DNT*O", "[LK]?PT*DON",
)  # fmt: skip
_WAYS_EAST = ("[LK]?Q", "L?On", "L?Dh", "LIY")
"""Also -180 (west) to 180 (east), west -180..0, east 0..180, increases from west to east."""

_LONGITUDE = (
    r"(?:\blon(?:g|gitude|gitudine)?s?\b|\blongitud\w*|\bl(?:ä|ae?)ngen?(?:grad\w*)?\b"
    r"|\bcoord\w*|\bmeridian)"
)
_LETTER_WEST = (
    r"(?:(?:°|deg(?:rees?)?|grad|positive|plus|\+|360|[(:=\[])\s*w\b|\bw\s*[-(]?\s*positive)"
)
_WEST = rf"(?:\b(?:west\w*|ouest|oeste|ovest)\b(?!\s+of\b(?!\s+the\s+prime))|{_LETTER_WEST})"
_SENSE = (
    r"(?:posi[tv]\w+|n[eé]ga\w+|minus|plus|\bsigns?\b|\bsigned\b|\+|increas\w+|decreas\w+"
    r"|\b(?:count(?:s|ed)?|measured|reckoned)\W+(?:(?:positively|to|towards?|the)\W+)*(?:w|west"
    r"|westwards?|from)\b|\bnot\W+(?:\w+\W+){0,2}?(?:w\b|west|posi)"
    r"|convention|direction|\bsense\b|\bnach\s+w|\bvers\s+l|\bverso\b|\bhacia\b|zunehm\w+"
    r"|croissant\w*)"
)
_MAY_STATE = [
    re.compile(pattern)
    for pattern in (
        rf"(?=.*{_LONGITUDE})(?=.*{_WEST}).*{_SENSE}",
        r"(?:\bwest|\bw)\b\W{0,3}(?:is |are )?(?:>\s*0|[+](?!\s*\d))|[+]\W{1,3}(?:west|w)\b",
        r"(?:\beast|\be)\b\W{0,3}(?:is |are )?(?:<\s*0|-(?!\s*[\d\w]))|<\s*0\W+(?:is |are )?east\b",
        r"^(?:units?\W*)?(?:°|deg(?:rees?)?)\s*(?:west|w)\W*$",
        r"\b(?:sense|direction|hemisphere)s?\b\W*(?:w|west\w*)\W*$",
        r"\bx\b.*\b(?:west\w*|left\w*)\b",
        rf"{_LONGITUDE}.*\b(?:clockwise|retrograde|left\w*|opposite|inverted|inverse|unsigned)\b",
        rf"(?:\b(?:revers\w+|flipped|mirrored|inverted)\b|-\s*1\b|\B-\s*(?=lon)).*{_LONGITUDE}",
        rf"{_LONGITUDE}.*(?:\bby\b|\*|×)\s*-\s*1\b|\bunsigned\b",
        r"\b(?:to get|converts?|obtain)\b.*\beast\b",
        r"\bastronomical convention\b|\bpre-?1961\b|\bcrisium\b.*\bwest\b|\bwest\b.*\bcrisium\b",
        r"запад|西[经經経]|zachod",
        rf"(?=.*{_LONGITUDE})(?=.*\beast\w*).*(?:negative|minus|decreas\w+)",
        rf"{_LONGITUDE}.*\b(?:deg(?:rees?)?|°)\s*(?:w\b|west\w*)",
        rf"{_LONGITUDE}[\s:=(\[]*(?:(?:is|are|in|to|the|given)\s+)*(?:west\w*|w)\b(?!\s+of\b)",
        r"\b(?:positive|plus)\W+(?:\w+\W+){0,3}?west|\bwest\w*\W+(?:\w+\W+){0,3}?(?:positive|plus)",
        rf"{_LONGITUDE}.*\b(?:revers\w+|flipped|mirrored|negated|(?:multiplied by|times) -1)",
        rf"(?=.*{_LONGITUDE}).*\bwestwards?\b",
        r"planetographic\s+lon",
    )
]
_FORMULA = re.compile(rf"360\s*°?\s*[-–]\s*(?:\w+\s+)*?{_LONGITUDE}|{_LONGITUDE}[^,]*=\s*-\s*[a-z]")
_NUMBERS_AND_WEST = re.compile(
    r"\b0 ?(?:to|-|–|\.\.+) ?360 ?°? ?w(?:est)?\b"
    rf"|{_LONGITUDE}\W+(?:west|w) of (?:0|zero|the (?:prime|central))\b"
)
_BOTH = re.compile(
    rf"{_LONGITUDE}[^,;]{{0,40}}{_WEST}|{_WEST}[^,;]{{0,20}}{_LONGITUDE}|\bw {_LONGITUDE}"
)
_COVERAGE = re.compile(r"\bcover\w*|\blies?\b|\blocated\b|\bregions?\b")
_NUMBERED = re.compile(r"[+-]?\d[\d.]*\s*(?:°|deg(?:rees?)?)?\s*[nsew]\b")
_ONE_VALUE = re.compile(
    r"\b(?:west|east|min|max)\w*\s+(?:bounding\s+)?lon\w*\s*[:=]?\s*[+-]?\d[\d.]*\W*$"
)
_OTHER_SUBJECT = re.compile(
    r"sub[- ]?(?:solar|spacecraft|earth|observer)|\bsun\b|\bsolar\b|spacecraft|\borbit\w*|\bcamera"
    r"|boresight|\bnadir|\bbound(?:s|ing|ar)|\bextent|\bimage|footprint|\blimb\b|\bsort(?:ed)?\b|\border(?:ed)?\b"
    r"|observer|terminator|\bland(?:er|ing)\b|\brover\b|\bswath|ground track|\bcorners?\b"
)
_ORIGIN = re.compile(r"\bfrom (?:the )?(?:mean )?sub-?earth (?:point|meridian)")
_CONCERNS = re.compile(
    r"\bwest(?:ward|wards|erly)?\b|\b(?:ouest|oeste|ovest)\b|запад|\b(?:degrees?|deg|°)\s*w\b"
    r"|\bsigns?\b|\bnegat\w+|\bmirror\w*|\bflipp?\w*|\breversed\b|\binverted\b|clockwise|retrograde"
    r"|\bradi(?:us|i)\b|\bsemi-|\bhalf\b|\bdoubl\w+|\btwice\b|\brayons?\b|\bhalbmesser"
    r"|\bradians?\b|\bpoles?\b|\bmeridian|\boffset|\bunits?\b|\bmet(?:er|re)s?\b"
    r"|^r\s*[(\[:=]"
)
_CHANGED = re.compile(
    r"convert|transform|\bflip|mirrored|negated|revers|\boriginal|former|\bno longer|previous"
)


def stated_direction(sentence: Sentence) -> Stated | None:
    """Return the direction in which a sentence says that longitudes count.

    Returns:
        ``west`` or ``east`` where it says so plainly, ``open`` where it may speak of that, None
        where it speaks of other things.
    """
    clauses = [_clause_direction(clause) for clause in sentence.clauses]
    pairs = list(zip(clauses, sentence.clauses, strict=True))
    if _OTHER_SUBJECT.search(_ORIGIN.sub("", sentence.text)):
        west = any(said == "west" and re.search(_LONGITUDE, text) for said, text in pairs)
        return "open" if west else None
    if _FORMULA.search(sentence.text):
        return "open"
    said = {clause for clause in clauses if clause in ("west", "east")}
    rest = [text for found, text in pairs if found is None]
    if len(said) == 2:
        return "open"
    if said == {"west"}:
        context = f"{sentence.before} {sentence.line.lower()}"
        unsure = (
            rest or "?" in context or _OTHER_SUBJECT.search(context) or _CHANGED.search(context)
        )
        return "open" if unsure else "west"
    if said == {"east"}:
        plain = not any(re.search(rf"{_WEST}|\bwest", text) for text in rest)
        return "east" if plain else "open"
    return "open" if _may_state(sentence.text) else None


def may_concern(sentence: Sentence) -> bool:
    """Whether a sentence speaks of directions, signs or units in a way that is not understood."""
    if stated_direction(sentence) == "east" or _OTHER_SUBJECT.search(sentence.text):
        return False
    return bool(_CONCERNS.search(_NUMBERED.sub(" ", sentence.text)))


def speaks_of_change(text: str) -> bool:
    """Whether a note says that values were converted, or are not the original ones."""
    return bool(_CHANGED.search(text))


def _may_state(text: str) -> bool:
    if _ONE_VALUE.search(text):
        return False
    if _NUMBERS_AND_WEST.search(text) or (_BOTH.search(text) and not _COVERAGE.search(text)):
        return True
    plain = _NUMBERED.sub(" ", text)
    return any(pattern.search(plain) for pattern in _MAY_STATE)


def _range(found: "re.Match[str]") -> str:
    kinds = {(0, 360): "fullrange", (-180, 180): "symrange", (-180, 0): "negrange",
             (0, 180): "halfrange"}  # fmt: skip
    return f" {kinds.get((int(found[1]), int(found[2])), 'otherrange')} "


def _clause_direction(clause: str) -> str | None:
    """``west``, ``east``, ``neutral``, or None for a clause with a word or an order not known."""
    for pattern, replacement in _PHRASES:
        clause = re.sub(pattern, _range if replacement is None else replacement, clause)
    words = [word for word in re.findall(r"[^\s:=]+", clause) if word not in _FILLERS]
    letters = "".join(_LETTERS.get(word, "X") for word in words)
    letters = re.sub(r"L+", "L", letters)
    if re.search("[PNIJ]", letters):
        letters = re.sub("[UFS]", "", letters)
    for direction, opposite, ways in (("W", "E", _WAYS), ("E", "W", (*_WAYS, *_WAYS_EAST))):
        pattern = "|".join(ways).replace("D", direction).replace("O", opposite)
        if re.fullmatch(pattern, letters):
            return "west" if direction == "W" else "east"
    signs_of_latitude = "A" in letters and re.fullmatch("[LKAPNIJTUG]*", letters)
    return "neutral" if signs_of_latitude or re.fullmatch("[LKUFSGTA]*", letters) else None
