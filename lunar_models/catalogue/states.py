"""Convert labels to ordered degradation states (1 is the freshest) with names."""

from collections.abc import Iterator, Sequence

import pandas as pd

from lunar_models.errors import LabelsError
from lunar_models.terms import STATE_NAMES

MOST_STATES = 20
"""A whole number above it is no state but a measure, such as an age in years."""
UNKNOWN = 0
"""State of a crater whose measure is missing; it is rejected, with that reason."""
KNOWN_ORDERS = (STATE_NAMES, ("Fresh", "Degraded"))


def ordered_states(
    text: "pd.Series[str]", order: Sequence[str] = (), merge: Sequence[str] = ()
) -> pd.DataFrame:
    """Rank states, and merge some of them.

    Args:
        text: the state of each crater, as written.
        order: all states from freshest to oldest. Empty: numbers ascend, and the names of
            `KNOWN_ORDERS` are known in any case; the numbers 1 to 4 are given their names, unless
            `order` or `merge` calls them by number.
        merge: groups such as ``Fresh=New+Semi-New``; states in none stay as they are.

    Returns:
        state (int64 from 1) and state_name (str), indexed as `text`.

    Raises:
        LabelsError: a state is not in the order, the order cannot be inferred, a number is above
            `MOST_STATES`, or a merge names an unknown state, a state twice, or states that are
            not neighbours.
    """
    order = [_tidy(name) for name in order]
    names = _named(text.map(_tidy), {*order, *_members(merge)})
    order = order or _inferred_order(set(names))
    spelling = {name.lower(): name for name in order}
    unknown = ~names.str.lower().isin(spelling)
    if unknown.any():
        raise LabelsError(
            f"State {text[unknown].min()!r} is not in the order {', '.join(order)}; list all "
            "states from freshest to oldest in label_order."
        )
    final = _merged(order, merge)
    ranks = {name: rank for rank, name in enumerate(dict.fromkeys(final.values()), start=1)}
    state_name = names.str.lower().map(spelling).map(final)
    return pd.DataFrame({"state": state_name.map(ranks).astype("int64"), "state_name": state_name})


def quantile_states(value: "pd.Series[float]", count: int, *, freshest: str) -> pd.DataFrame:
    """Cut a continuous measure into `count` states of equal size.

    Args:
        value: measure of each crater, NaN where there is none.
        count: states to make.
        freshest: highest (depth/diameter) or lowest (K/R2, age): which end is state 1.

    Returns:
        state (int64 from 1, `UNKNOWN` without a measure) and state_name (str such as ``Q1``),
        indexed as `value`.

    Raises:
        LabelsError: the values cannot be cut into so many states.
    """
    ascending = -value if freshest == "highest" else value
    try:
        state = pd.qcut(ascending, count, labels=False)
    except ValueError as error:
        raise LabelsError(
            f"{value.nunique()} distinct values cannot be cut into {count} states of equal size "
            f"({error}); choose a smaller quantile_states."
        ) from error
    state = pd.Series(state, index=value.index).add(1).fillna(UNKNOWN).astype("int64")
    return pd.DataFrame({"state": state, "state_name": "Q" + state.astype(str)})


def _tidy(name: str) -> str:
    """Trimmed, and a whole number without decimals."""
    name = name.strip()
    try:
        number = float(name)
    except ValueError:
        return name
    return f"{number:.0f}" if number.is_integer() else name


def _named(names: "pd.Series[str]", words: set[str]) -> "pd.Series[str]":
    """The numbers 1 to 4 by their names, unless the parameters call the states otherwise."""
    numbers = {str(number): name for number, name in enumerate(STATE_NAMES, start=1)}
    known = {name.lower() for name in STATE_NAMES}
    if not {word.lower() for word in words} <= known:
        return names
    if not set(names) <= set(numbers) or str(len(STATE_NAMES)) not in set(names):
        return names
    return names.map(numbers)


def _members(merge: Sequence[str]) -> Iterator[str]:
    """The states that the groups of `merge` join."""
    for group in merge:
        yield from (_tidy(part) for part in group.partition("=")[2].split("+"))


def _inferred_order(found: set[str]) -> list[str]:
    for known in KNOWN_ORDERS:
        if {name.lower() for name in found} <= {name.lower() for name in known}:
            return list(known)
    if not all(name.isdecimal() for name in found):
        raise LabelsError(
            f"The order of the states {', '.join(sorted(found))} is not known; list them from "
            "freshest to oldest in label_order."
        )
    oldest = max(found, key=int)
    if int(oldest) > MOST_STATES:
        raise LabelsError(
            f"State {oldest} is too large: at most {MOST_STATES} states are told apart. Cut a "
            "measure into states with quantile_states, or give it as value_column."
        )
    return [str(number) for number in range(1, int(oldest) + 1)]


def _merged(order: Sequence[str], merge: Sequence[str]) -> dict[str, str]:
    """state -> name after merging."""
    final = {name: name for name in order}
    used: set[int] = set()
    for group in merge:
        name, _, members = group.partition("=")
        parts = [_tidy(part) for part in members.split("+")]
        positions = sorted(_position(order, part, group) for part in parts)
        together = positions == list(range(positions[0], positions[0] + len(positions)))
        if used & set(positions) or not together:
            raise LabelsError(
                f"merge_states={group!r} must join neighbours in the order {', '.join(order)}, "
                "each state once."
            )
        used |= set(positions)
        final |= {order[position]: name.strip() for position in positions}
    return final


def _position(order: Sequence[str], part: str, group: str) -> int:
    lowered = [name.lower() for name in order]
    if part.lower() not in lowered:
        raise LabelsError(
            f"merge_states={group!r} names {part!r}, which is not among the states "
            f"{', '.join(order)}; write it as Fresh=New+Semi-New."
        )
    return lowered.index(part.lower())
