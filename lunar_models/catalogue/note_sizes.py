"""Read from a sentence of a note what a catalogue's sizes are: their unit, radii, logarithms.

As in `note_directions.py`, a unit is taken from clauses of known words only.
"""

import re

from lunar_models.catalogue.note_directions import speaks_of_change
from lunar_models.catalogue.note_sentences import Sentence
from lunar_models.catalogue.unit_names import KILOMETRES, LENGTHS, METRES, OTHER_LENGTHS

_UNIT = "|".join(sorted((*LENGTHS, *OTHER_LENGTHS), key=len, reverse=True))
_DIAMETERS = r"diam(?:eter)?s?|dia|d"
_STATES_UNIT = re.compile(
    rf"(?:(?:{_DIAMETERS}) *[:=] *)?(?:all |the |crater |rim |rim-to-rim )*"
    rf"(?:{_DIAMETERS}|sizes|crater sizes?|radi(?:us|i))"
    r"(?: d)?(?: (?:values?|column))?(?: of (?:all |the )*craters?)?"
    rf"(?:[ :=]+(?:is|are|given|measured|expressed|listed|reported|in|units? of|units?|unit is)\b)*"
    rf"[ :=]+({_UNIT})"  # parted: the word diameter is no dia in meter
)
_MAY_STATE_UNIT = re.compile(
    r"(?:\b(?:diam(?:eter)?s?|dia|d|sizes?|lengths?)\b[^.;]{0,40}?"
    r"(?:\b(?:in|are|is)\b|[(\[:=,]|\bunits?\b[^.;]{0,40}?))"
    rf"\s*(?:units?\s+of\s+)?(?<![\w.])({_UNIT})(?![\w^²/])"
)
_LOOSELY_METRES = re.compile(
    r"\bmet(?:er|re)s?\b|\bmetern?\b|\bm[èe]tres\b|\bmetri\b|\bmetros\b|\bmetric\b|метр"
    r"|\bsi units?\b|[（(]\s*m\s*[)）]|\bunits?\W+(?:is\W+|are\W+)?m\b|\bunits? of \S*\d\S*\s*k?m\b"
    r"|\b(?:all|distances?|lengths?|values?|durchmesser|diam\w*)\b.*\b(?:in|en) m\b"
    r"|^\W*d(?:iam\w*)?\s*/\s*m\W*$|\bdiam\w*\s+m\b|\bno, m\b"
    r"|\b(?:crater|diam)\w*\b[^<>≤≥]*\d\s*m\b|\d\s*m\b.*\b(?:crater|diam)\w*"
)
_NO_WIDTH = re.compile(
    r"\bdepths?\b|\belevat\w*|\bheights?\b|\brelief\b|\bd[et]ms?\b|\baltitudes?\b|\bmaps?\b"
)
_HALVED = re.compile(
    r"^half\b.*\bdiam|\bis half\b.*\b(?:distance|diam|width)|\bhalf-?\s?diameters?\b|^radii\W"
    r"|\bradius (?:statt|listed)|\b(?:need\w*|must|should|to get)\b.*\bdoubl\w+"
    r"|\bmultiply\b.*\bby (?:two|2)\b|^(?:\d+ )?diam\w*\W+(?:radius\b|semi-major)|\bhalbmesser\b"
)
_OTHER_SIZE = re.compile(
    r"\bpixels?\b|\bpx\b|resolution|\bscales?\b|\bareas?\b|spacing|\bgrid\b|\bimages?\b|accura"
    r"|precision|uncertain|\berrors?\b|\bsearch\b|\bbuffer|\bboxe?s?\b|\bfile|\bfont|\bwindow"
)
_MEASURED = re.compile(r"(?<![\w.])\d[\d.,]*\s*(?:km|m)\b")
_IN_RADII = re.compile(r"\b(?:lunar|moon)\s+radii\b")

_RADII = re.compile(
    r"\b(?:d|diam\w*|sizes?|columns?|values?)\b[^,;]{0,25}(?:\b(?:is|are|holds?|contains?|gives?"
    r"|means?)\b|[=:])[^,;]{0,20}\b(?:radi(?:us|i)|semi-?diameters?)\b(?!\s*(?:of\s*)?[<>=~]?\s*\d)"
    r"|^(?:all |the |crater )*(?:radi(?:us|i)|semi-?diameters?)\b\s*"
    r"(?:of (?:the )?craters\s*)?(?:(?:is|are)\b|(?:given |listed )?in\b|[(\[:=]\s*(?:in\s+)?k?m\b"
    r"|$|(?:instead of|not)\b)"
    r"|\bradi(?:us|i)\b,?\s+(?:not|instead of|rather than)\b"
)
_NO_RADII = re.compile(r"\bnot\s+(?:the\s+)?radi|twice|double|half|2\s*[x*×·]|/\s*2|\b2\s*r")
_BODY = re.compile(
    r"\b(?:moon|lunar|mean|body|sphere|reference|polar|equatorial|ellipsoid)(?:'s)?\s+radius\b"
    r"|\bradius\s+of\s+(?:the\s+)?(?:moon|sphere|body|ellipsoid)\b"
)
_LOGARITHMS = re.compile(
    rf"\blog(?:10|2|e)?(?:\s+|\s*\(\s*|-)(?:of\s+)?(?:the\s+)?(?:crater\s+)?"
    rf"(?:{_DIAMETERS}|sizes?|radi(?:us|i))\b"
    r"|\b(?:diam\w*|sizes?|d)\b(?!.*\bchange\s+log).*\b(?:logarithm\w*|log10|log(?=\s*(?:scale|units"
    r"|space|base|10|\W*$)))|\blogarithm\w*\s+.*\b(?:diam\w*|sizes?)\b"
)
_POWERS = re.compile(
    r"\b(?:diam(?:eter)?s?|dia|d|sizes?)\b.*(?:\b10\s*(?:\^|\*\*|[²³])|\b(?:hecto|deca|deci)met)"
    r"(?!.*\b(?:yr|years?|ages?|areas?)\b)"
)


def stated_unit(sentence: Sentence) -> str | None:
    """Return the unit of the sizes where a clause states it plainly, as ``km``, ``m`` or other."""
    for clause in sentence.clauses if "?" not in sentence.line else ():
        text = _IN_RADII.sub("lunar-radii", clause)
        if found := _STATES_UNIT.fullmatch(text):
            return _plain_unit(found[1])
    return None


def possible_unit(sentence: Sentence) -> str | None:
    """Return another unit than km that a sentence may state without saying so plainly."""
    for text in sentence.text.split(" and ") if "," not in sentence.text else [sentence.text]:
        if _OTHER_SIZE.search(text):
            continue
        other = _NO_WIDTH.search(text) or speaks_of_change(sentence.line.lower())
        if _LOOSELY_METRES.search(text) and not other:
            return "m"
        for unit in map(_plain_unit, _MAY_STATE_UNIT.findall(_MEASURED.sub(" ", text))):
            if unit != "km":
                return unit
    return None


def _plain_unit(unit: str) -> str:
    return "km" if unit in KILOMETRES else "m" if unit in METRES else unit


def says_radii(text: str) -> bool:
    """Whether a sentence may say that sizes are radii."""
    if _HALVED.search(text) and not re.search(r"\bradi\w*\W+(?:is|are|=)\W+half", text):
        return True
    return bool(_RADII.search(_BODY.sub("", text)) and not _NO_RADII.search(text))


def denies_radii(text: str) -> bool:
    """Whether a sentence says that sizes are no radii."""
    return bool(re.search(r"\bnot\s+(?:the\s+)?radi", text))


def other_numbers(text: str) -> str | None:
    """Return what else than lengths a sentence says that sizes are; None if nothing."""
    if _LOGARITHMS.search(text):
        return "logarithms"
    return "another power of ten" if _POWERS.search(text) else None
