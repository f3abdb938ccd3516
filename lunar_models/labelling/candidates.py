"""Order the craters that a person is asked about next."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import numpy as np

from lunar_models.labelling.ledger import Ledger
from lunar_models.labelling.votes import Kind


def next_craters(
    ledger: Ledger, labeller: str, now: datetime, lease: timedelta, *, decides: bool
) -> Iterator[tuple[str, Kind]]:
    """Yield craters and why they are shown, the next first.

    Args:
        ledger: of the votes so far.
        labeller: the person.
        now: when it is asked.
        lease: how long a crater that was handed out is kept from others.
        decides: whether the person decides between differing labels.
    """
    for crater in training_left(ledger, labeller):
        yield crater, "gold"
    if decides:
        for crater in to_decide(ledger, labeller):
            yield crater, "adjudication"
    repeats = _repeats(ledger, labeller)
    yield from ((crater, "repeat") for crater, left in repeats if left <= 0)
    yield from _first_labels(ledger, labeller, now, lease)
    # Nothing else is left, so that these come early.
    yield from ((crater, "repeat") for crater, left in repeats if left > 0)


def training_left(ledger: Ledger, labeller: str) -> list[str]:
    """Gold craters that a person has not answered yet."""
    craters = ledger.design.training(labeller)
    return [c for c in craters if ledger.standing(c, labeller, "gold") is None]


def to_decide(ledger: Ledger, labeller: str) -> list[str]:
    """Disputed craters that the person may decide on, the earliest first."""
    return [crater for crater in ledger.disputed if ledger.may_decide(labeller, crater)]


def _repeats(ledger: Ledger, labeller: str) -> list[tuple[str, float]]:
    """Craters to repeat, and how many answers must still come before; the first due first."""
    pending = ledger.repeats_of(labeller)
    due = [(crater, ledger.design.gap(labeller, crater) - past) for crater, past in pending]
    return sorted(due, key=lambda each: each[1])


def _first_labels(
    ledger: Ledger, labeller: str, now: datetime, lease: timedelta
) -> Iterator[tuple[str, Kind]]:
    mine = [crater for crater in ledger.claimed[labeller] if crater in ledger.row]
    taken = ledger.given.copy()
    for other, craters in ledger.claimed.items():
        if other != labeller:
            for crater, time in craters.items():
                if now - time < lease and crater in ledger.row:
                    taken[ledger.row[crater]] += 1
    open_rows = (taken < ledger.wanted) & ~ledger.mine(labeller)
    for crater in mine:
        row = ledger.row[crater]
        if open_rows[row]:
            open_rows[row] = False
            yield crater, _blind_kind(ledger, row)
    for new in np.flatnonzero(open_rows).tolist():
        yield ledger.design.craters[new], _blind_kind(ledger, new)


def _blind_kind(ledger: Ledger, row: int) -> Kind:
    return "second" if ledger.given[row] else "ordinary"
