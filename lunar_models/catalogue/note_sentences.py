"""Split the notes of a catalogue into sentences and clauses."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_GOES_ON = re.compile(
    r"(?:is|are|was|were|have|has|had|with|as|but|and|or|if|when|where|which|that|because|than|"
    r"of|to|towards?|in|from|for|by|on|at|not|between|only|up)\b"
)
_LEFT_OFF = re.compile(r"(?:[,:=–-]|\b(?:the|a|of|and|or|is|are|in|to|towards?|not|no|as|from))$")
_KEY = re.compile(r"\w+\s*[:=]")
_WRAPPED = 50
"""Characters of a line that may have been broken because of its length."""
_SIGN_ALONE = re.compile(r"(?:positive|negative)\b")
_LONGITUDES_ALONE = re.compile(r"\blon(?:g|gitudes?)?s?$")
_INITIALS = re.compile(r"\b(?:[A-Z]\.[ -]?)+(?=[A-Z][a-z])|(?<=[a-z], )(?:[A-Z]\.[ -]?)+")
"""Of authors, such as W. K. Hartmann and Hartmann, W. K."""
_CAMEL_CASE = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
"""As in LongitudeDirection = PositiveWest."""
_SHORT = re.compile(r"\b(degs?|pos|neg|lons?|long|lats?|diam|dia|approx|ca|no|fig|e\.g|i\.e|vs)\.")
_LABEL = re.compile(
    r"(?:(?:notes?|n\.?b\.?|remarks?|attention|important|caution|warning|comments?|conventions?"
    r"|description|columns?(?:\s+\d+)?)\s*[:=]\s*|(?:[-•*]|\d{1,2}[.)])\s+)+"
)
_BETWEEN_CLAUSES = re.compile(r"\s*,\s*|\s+(?:and|&|-|–|—)\s+")
_BETWEEN_SENTENCES = re.compile(r"\s*;\s*|[.!?](?:\s+|$)")
_INTERVAL = re.compile(r"[\[(]\s*([+-]?\d+)\s*°?\s*,\s*([+-]?\d+)\s*°?\s*[\])]")


@dataclass(frozen=True)
class Sentence:
    """A sentence of a note, in lower case."""

    text: str
    """Brackets included."""
    clauses: tuple[str, ...]
    """Parts between commas and `and`, without brackets."""
    line: str
    """The note that it stands in, as written."""
    before: str
    """The line above in lower case, where it has no end that parts them; else empty."""


def split_notes(lines: Iterable[str]) -> list[Sentence]:
    """Part notes into sentences; a sentence that runs over several lines is one."""
    notes = _joined([text for line in lines if (text := _plain(line))])
    sentences = []
    for n, note in enumerate(notes):
        above = notes[n - 1].lower() if n and not notes[n - 1].endswith((".", ";", "!")) else ""
        words = _CAMEL_CASE.sub(" ", _INITIALS.sub("", note))
        text = _SHORT.sub(r"\1", words.lower().replace("_", " "))
        text = _LABEL.sub("", text, count=1) if _LABEL.match(text) else text
        for part in filter(None, _BETWEEN_SENTENCES.split(text)):
            plain = re.sub(r"[()\[\]{}\"'`]", " ", _INTERVAL.sub(r"\1 to \2", part))
            clauses = [c for clause in _BETWEEN_CLAUSES.split(plain) if (c := clause.strip())]
            sentences.append(Sentence(part, tuple(clauses), note, above))
    return sentences


def _plain(line: str) -> str:
    """A line without comment signs, quotes and the empty fields of a spreadsheet."""
    text = unicodedata.normalize("NFC", line).replace("\u2212", "-").replace("\t", " ")
    return re.sub(r"[,;|\s]+$", "", text.strip().strip('"').lstrip("#%;/!* ")).strip(' "')


def _joined(notes: list[str]) -> list[str]:
    joined: list[str] = []
    length = 0
    for note in notes:
        above = joined[-1] if joined else ""
        wrapped = length >= _WRAPPED and note[0].islower() and not _KEY.match(note)
        length = len(note)
        sign = _SIGN_ALONE.match(note) and _LONGITUDES_ALONE.search(above.lower())
        goes_on = _GOES_ON.match(note) or sign or wrapped
        open_above = _LEFT_OFF.search(above.lower())
        if above and (open_above or (goes_on and not above.endswith((".", ";", "!")))):
            joined[-1] = f"{above} {note}"
        else:
            joined.append(note)
    return joined
