"""Apply what the notes of a catalogue state on longitudes, latitudes and sizes.

A plain statement is followed, and reported. What may mean another reading than the usual one is
refused with a question; what speaks of the same things otherwise is quoted in a warning.
`columns=` is the user's own answer: notes beside it are only quoted.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from lunar_models.catalogue.columns import Columns, plain_name
from lunar_models.catalogue.note_angles import doubt_of_angles
from lunar_models.catalogue.note_directions import may_concern, speaks_of_change, stated_direction
from lunar_models.catalogue.note_sentences import Sentence, split_notes
from lunar_models.catalogue.note_sizes import (
    denies_radii,
    other_numbers,
    possible_unit,
    says_radii,
    stated_unit,
)
from lunar_models.catalogue.unit_names import OTHER_LENGTHS
from lunar_models.errors import CatalogueError

_MOST_QUOTED = 5
_SUB_SOLAR_WEST = re.compile(r"sub-? ?solar.*\b(?:west\w*|w)\b")
_BODIES = re.compile(
    r"\b(?:mars|martian|mercury|venus|ceres|vesta|phobos|europa|ganymede|callisto)\b"
)


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
    sentences = split_notes(lines)
    if matched.mapped:
        return matched, _remarks_beside_mapping(matched, sentences, path)
    return _apply(matched, sentences, path)


def _remarks_beside_mapping(
    matched: Columns, sentences: Sequence[Sentence], path: Path
) -> list[str]:
    """What notes say that `columns=` overrules."""
    try:
        _, said = _apply(matched, sentences, path)
    except CatalogueError as error:
        said = [str(error).removeprefix(f"{path}: ").split(". ")[0]]
    return [f"columns= is followed; without it, {remark}" for remark in said]


def _apply(
    matched: Columns, sentences: Sequence[Sentence], path: Path
) -> tuple[Columns, list[str]]:
    """Follow notes, or raise CatalogueError: see `apply_statements`."""
    matched, said = _apply_direction(matched, sentences, path)
    if doubt := doubt_of_angles(matched, sentences):
        raise CatalogueError(f"{path}: {doubt}.")
    _check_sub_solar(matched, sentences, path)
    foreign = next((s for s in sentences if _BODIES.search(s.text)), None)
    if foreign:
        said.append(f"the Moon is taken, though a note names another body: {_quoted([foreign])}")
    matched, more = _apply_size(matched, sentences, path)
    said += more
    if rest := [s for s in sentences if may_concern(s) and not any(s.line in m for m in said)]:
        said.append(f"not understood, and not followed: the note {_quoted(rest[:_MOST_QUOTED])}")
    return matched, said


def _check_sub_solar(matched: Columns, sentences: Sequence[Sentence], path: Path) -> None:
    """Raise CatalogueError for sub-solar longitudes that may count westward."""
    name = matched.found.get("sub_solar_longitude_deg")
    note = next((s for s in sentences if _SUB_SOLAR_WEST.search(s.text)), None)
    if name is not None and note is not None:
        raise CatalogueError(
            f"{path}: by the note {_quoted([note])} column {name!r} may count westward. Negate it, "
            f"or say that it counts eastward: columns=…,sub_solar_longitude_deg={name}."
        )


def _apply_direction(
    matched: Columns, sentences: Sequence[Sentence], path: Path
) -> tuple[Columns, list[str]]:
    field = next((f for f in ("longitude_deg", "longitude_west") if f in matched.found), None)
    if field is None:
        return matched, []
    name = matched.found[field]
    named = "west" if field == "longitude_west" else "east" if _named_east(name) else None
    stated: dict[str, list[Sentence]] = {"west": [], "east": [], "open": []}
    for sentence in sentences:
        if direction := stated_direction(sentence):
            stated[direction].append(sentence)
    west, east, unclear = stated["west"], stated["east"], stated["open"]
    changed = [s for s in sentences if west and _changes_longitudes(s)]
    against = {"west": east, "east": west, None: [*west, *east] if west and east else []}[named]
    if against:
        unclear = against
    elif named is None and (unclear or changed):
        unclear = [*west, *unclear, *changed]
    elif west and named is None:
        found = {f: n for f, n in matched.found.items() if f != field}
        remark = f"longitudes are taken as positive west, as a note says: {_quoted(west[:1])}"
        return replace(matched, found={**found, "longitude_west": name}), [remark]
    else:
        return matched, []
    raise CatalogueError(
        f"{path}: the note {_quoted(unclear)} leaves open whether the longitudes of column "
        f"{name!r} count eastward or westward. Say columns=longitude_west={name},… or "
        f"columns=longitude_deg={name},… (eastward)."
    )


def _changes_longitudes(sentence: Sentence) -> bool:
    about = re.search(r"\blon|\bcoord|\beast|\bwest|\bsigns?\b|\bdirection", sentence.text)
    return bool(about and speaks_of_change(sentence.text))


def _named_east(name: str) -> bool:
    plain = plain_name(name)
    return "east" in plain or plain in ("lone", "longitudee", "londege")


def _apply_size(
    matched: Columns, sentences: Sequence[Sentence], path: Path
) -> tuple[Columns, list[str]]:
    size = matched.size
    if size is None:
        return matched, []
    name, kind = matched.found[size], size.split("_")[0]
    own = size.split("_")[1] if "_" in size else None
    stated: dict[str, Sentence] = {}
    possible: dict[str, Sentence] = {}
    for sentence in sentences:
        _check_kind(size, name, sentence, path)
        if unit := stated_unit(sentence):
            stated.setdefault(unit, sentence)
        elif own is None and (unit := possible_unit(sentence)):
            possible.setdefault(unit, sentence)
    changed = [s for s in sentences if stated.keys() - {"km"} and _changes_sizes(s)]
    if own in stated or (not possible and stated.keys() <= ({own} if own else set())):
        return matched, []
    unit = next(iter(stated), None)
    if own is None and len(stated) == 1 and unit in ("km", "m") and not possible and not changed:
        found = {f: n for f, n in matched.found.items() if f != size}
        remark = f"column {name!r} is taken as {unit}, as a note says: {_quoted([stated[unit]])}"
        return replace(matched, found={**found, f"{kind}_{unit}": name}), [remark]
    units = list(dict.fromkeys([*stated, *possible]))
    factor = OTHER_LENGTHS.get(units[0])
    remedy = f"Multiply it by {factor:g} and name it {kind}_km" if factor else "Rename it"
    raise CatalogueError(
        f"{path}: by the note {_quoted([*stated.values(), *possible.values(), *changed])} column "
        f"{name!r} may be in {' or '.join(units)}. {remedy}, or say the unit: "
        f"columns=…,{kind}_km={name} (or {kind}_m={name})."
    )


def _changes_sizes(sentence: Sentence) -> bool:
    about = re.search(r"\bk?m\b|\bunits?\b|\bdiam|\bsizes?\b|met(?:er|re)s?\b", sentence.text)
    return bool(about and speaks_of_change(sentence.text))


def _check_kind(size: str, name: str, sentence: Sentence, path: Path) -> None:
    """Raise CatalogueError for radii in a column read as diameters, logarithms, other powers."""
    text = sentence.text
    if says_radii(text) if size.startswith("diameter") else denies_radii(text):
        raise CatalogueError(
            f"{path}: the note {_quoted([sentence])} leaves open whether column {name!r} holds "
            f"radii or diameters. Say columns=…,radius_km={name} or columns=…,diameter_km={name} "
            "(or _m)."
        )
    if held := other_numbers(text):
        raise CatalogueError(
            f"{path}: by the note {_quoted([sentence])} column {name!r} may hold {held}. Write the "
            f"diameters themselves, or say columns=…,diameter_km={name}."
        )


def _quoted(sentences: Iterable[Sentence]) -> str:
    lines = (s.line if len(s.line) <= 80 else f"{s.line[:77]}…" for s in sentences)
    return " and ".join(dict.fromkeys(map(repr, lines)))
