"""Follow the votes of a labelling: who has labelled what, and where people disagree."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from lunar_models.labelling.design import Design
from lunar_models.labelling.votes import BLIND_KINDS, LABEL, Kind, slot_of


@dataclass(frozen=True)
class Standing:
    """A vote that stands."""

    vote_id: str
    value: str
    note: str
    kind: Kind
    position: int
    """How many answers this person had given before it."""


class Ledger:
    """What the votes amount to, kept up to date vote by vote.

    Args:
        design: the craters and who is asked about them.
        scheme: name of the scheme; votes of others are left out.
    """

    def __init__(self, design: Design, scheme: str) -> None:
        self.design, self.scheme = design, scheme
        self.sequence, self.claim_sequence = 0, 0
        self.row = {crater: k for k, crater in enumerate(design.craters)}
        self.wanted = design.wanted()
        self.given = np.zeros(len(self.wanted), np.int64)
        """How many people have labelled each crater blind, and have a label standing."""
        self.answers: dict[str, int] = defaultdict(int)
        """Answers given by each person, undone ones included."""
        self.disputed: dict[str, None] = {}
        """Craters with labels that differ and that nobody has decided on, the earliest first.

        A blind label that was changed or withdrawn after a look still counts here.
        """
        self.claimed: dict[str, dict[str, datetime]] = defaultdict(dict)
        """Person -> crater -> when it was last handed out, for craters not yet answered."""
        self._standing: dict[str, dict[tuple[str, str], Standing]] = defaultdict(dict)
        self._blind: dict[str, dict[tuple[str, str], Standing]] = defaultdict(dict)
        self._slot: dict[str, tuple[str, str, Kind]] = {}
        self._mine: dict[str, npt.NDArray[np.bool_]] = {}
        self._repeats: dict[str, dict[str, int]] = defaultdict(dict)
        self._people: dict[str, set[str]] = defaultdict(set)

    def note(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in votes, in their order of arrival."""
        for row in rows:
            self.sequence = row["sequence"]
            if row["scheme"] == self.scheme:
                self._note(row)

    def note_claims(self, rows: Iterable[tuple[int, str, str, datetime]]) -> None:
        """Take in claims (sequence, crater, labeller, time), in their order."""
        for sequence, crater, labeller, time in rows:
            self.claim_sequence = sequence
            if not self.first(labeller, crater):
                self.claimed[labeller][crater] = time

    def mine(self, labeller: str) -> npt.NDArray[np.bool_]:
        """Return (N,): whether this person has labelled each crater."""
        return self._mine.setdefault(labeller, np.zeros(len(self.wanted), np.bool_))

    def standing(self, crater: str, labeller: str, kind: str) -> Standing | None:
        """Return the vote that stands there, if any."""
        return self._standing.get(crater, {}).get((labeller, slot_of(kind)))

    def first(self, labeller: str, crater: str) -> Standing | None:
        """Return this person's label of the crater, repeats and decisions apart."""
        return self._standing.get(crater, {}).get((labeller, LABEL))

    def labels(self, crater: str) -> dict[str, Standing]:
        """Return the label of each person who has labelled the crater."""
        votes = self._standing.get(crater, {})
        return {person: vote for (person, slot), vote in votes.items() if slot == LABEL}

    def decided(self, crater: str) -> bool:
        """Return whether somebody has decided between differing labels."""
        return any(kind == "adjudication" for _, kind in self._standing.get(crater, {}))

    def may_decide(self, labeller: str, crater: str) -> bool:
        """Return whether a decision on the crater would be no judgement in the person's own case.

        Who has ever labelled it decides nothing there, nor may they know that another's label
        differs, unless all its labels are theirs.
        """
        people = self._people.get(crater, set())
        return labeller not in people or len(people) == 1

    def repeats_of(self, labeller: str) -> list[tuple[str, int]]:
        """Return craters to repeat and how many answers lie between, for one person."""
        now = self.answers.get(labeller, 0)
        pending = self._repeats.get(labeller, {})
        return [(crater, now - position) for crater, position in pending.items()]

    def slot(self, vote_id: str | None) -> Kind | None:
        """Return the kind of a vote that stands."""
        known = self._slot.get(vote_id or "")
        return known[2] if known else None

    def first_kind(self, labeller: str, crater: str) -> Kind:
        """Say whether a label by this person is the crater's first or second."""
        if own := self.first(labeller, crater):
            return own.kind
        return "second" if self.labels(crater).keys() - {labeller} else "ordinary"

    def _note(self, row: Mapping[str, Any]) -> None:
        crater, labeller, kind = row["crater_id"], row["labeller"], row["kind"]
        if row["supersedes"] is not None:
            self._withdraw(row["supersedes"], blind=row["blind"])
        if row["value"] is None:
            return
        vote = Standing(row["vote_id"], row["value"], row["note"], kind, self.answers[labeller])
        self.answers[labeller] += 1
        slot = slot_of(kind)
        self._standing[crater][labeller, slot] = vote
        self._slot[vote.vote_id] = (crater, labeller, kind)
        if kind in BLIND_KINDS:
            self._people[crater].add(labeller)
            if row["blind"]:
                self._blind[crater][labeller, slot] = vote
            self.claimed[labeller].pop(crater, None)
        self._recount(crater, labeller)

    def _withdraw(self, vote_id: str, *, blind: bool) -> None:
        slot = self._slot.pop(vote_id, None)
        if slot is None:
            return
        crater, labeller, kind = slot
        key = (labeller, slot_of(kind))
        for votes in (self._standing, self._blind) if blind else (self._standing,):
            vote = votes[crater].get(key)
            if vote is not None and vote.vote_id == vote_id:
                del votes[crater][key]
        self._recount(crater, labeller)

    def _recount(self, crater: str, labeller: str) -> None:
        row = self.row.get(crater)
        if row is None:
            return
        labels = self.labels(crater)
        blind = self._blind.get(crater, {})
        self.given[row] = len(labels.keys() & {person for person, _ in blind})
        self.mine(labeller)[row] = labeller in labels
        self._repeats[labeller].pop(crater, None)
        repeated = self.standing(crater, labeller, "repeat") is not None
        if labeller in labels and not repeated and self.design.repeats(labeller, crater):
            self._repeats[labeller][crater] = labels[labeller].position
        said = {vote.value for vote in (*labels.values(), *blind.values())}
        if len(said) > 1 and not self.decided(crater):
            self.disputed.setdefault(crater)
        else:
            self.disputed.pop(crater, None)
