"""Take votes from a file into a store, each once, whichever form of file it came in first."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import Vote, slot_of

NAMESPACE = uuid.UUID("6a2d3a52-0f0a-4a7c-9d0c-6c756e61726c")
"""Of the ids of votes that come without one."""

_MADE_HERE = 5
"""Version of the UUIDs that imports make; those of pages and other programs are random."""

Key = tuple[Any, ...]


class Intake:
    """Votes of one file, within one transaction.

    Args:
        store: where to.
        connection: from its `exclusive`.
        changes: whether a vote may have been changed under its id, as Label Studio does; then
            it supersedes the former.
    """

    def __init__(self, store: LabelStore, connection: sa.Connection, *, changes: bool) -> None:
        self._store, self._connection, self._changes = store, connection, changes
        self._count = 0
        rows = store.rows(connection, 0)
        self._following = {row["supersedes"]: row["vote_id"] for row in rows}
        self._said: set[Key] = set()
        """Every answer that was ever given."""
        self._standing: dict[Key, Key] = {}
        """What each person says of each crater now."""
        self._imported: dict[Key, Key] = {}
        """What the last import said there, whatever its author made of it since."""
        for row in rows:
            self._note(row)

    def take_all(self, votes: Sequence[tuple[Vote, bool]]) -> Counter[bool]:
        """Take all votes of the file, each with whether the file says when it was given.

        Returns:
            How many are new (True), and how many were there.
        """
        slots = [_slot(vote.model_dump()) for vote, _ in votes]
        last = {slot: k for k, slot in enumerate(slots)}
        return Counter(
            self.take(vote, dated=dated, last=last[slots[k]] == k)
            for k, (vote, dated) in enumerate(votes)
        )

    def take(self, vote: Vote, *, dated: bool = True, last: bool = True) -> bool:
        """Append a vote unless the same answer is there.

        Forms of files tell different details of a vote, such as how the picture was turned: the
        same person's same answer at the same time under the same id is the same vote.

        Args:
            vote: from the file.
            dated: whether the file says when it was given; if not, the same person's same answer on
                the same crater is the same vote, whenever the file was written, unless another
                has taken its place since.
            last: whether it is the file's last answer there; earlier ones never stand again.

        Returns:
            Whether it is new.

        Raises:
            LabelsError: another vote has this id, or the superseded vote is missing.
        """
        if not dated and self._is_said(vote, last=last):
            return False
        known = self._store.find(self._connection, vote.vote_id)
        if known is not None and not dated and uuid.UUID(vote.vote_id).version == _MADE_HERE:
            vote, known = self._anew(vote), None  # said before, and something else since
        if known is None:
            return self._append(vote)
        if _answer(known) == _answer(vote):
            self._withdraw_superseded(vote, known)
            return False
        if self._changes:
            return self._append_change(vote, known)
        return self._append(vote)  # which refuses it

    def _is_said(self, vote: Vote, *, last: bool) -> bool:
        slot, said = _slot(vote.model_dump()), (vote.value, vote.note)
        imported = self._imported.get(slot)
        if not last or imported is None:
            return (*slot, *said) in self._said
        without_note = vote.note == "" and vote.value == imported[0]
        return without_note or said in (imported, self._standing.get(slot))

    def _anew(self, vote: Vote) -> Vote:
        """Give an answer that comes back another id."""
        words = f"{vote.vote_id}\x1f{self._count}"
        return vote.model_copy(update={"vote_id": str(uuid.uuid5(NAMESPACE, words))})

    def _append(self, vote: Vote) -> bool:
        new = self._store.append(self._connection, vote)
        if new:
            if vote.supersedes is not None:
                self._following[vote.supersedes] = vote.vote_id
            self._note(vote.model_dump())
        return new

    def _note(self, row: Mapping[str, Any]) -> None:
        self._count += 1
        slot, said = _slot(row), (row["value"], row["note"])
        self._said.add((*slot, *said))
        self._standing[slot] = said
        if row["value"] is not None and uuid.UUID(row["vote_id"]).version == _MADE_HERE:
            self._imported[slot] = said

    def _withdraw_superseded(self, vote: Vote, known: Vote) -> None:
        """A form that leaves out undone votes has left out that this one replaced another."""
        former = vote.supersedes
        if former is None or known.supersedes is not None or former in self._following:
            return
        if self._store.find(self._connection, former) is not None:
            words = f"{former}\x1f{vote.vote_id}"
            changed = {"vote_id": str(uuid.uuid5(NAMESPACE, words)), "value": None, "note": ""}
            self._append(vote.model_copy(update=changed))

    def _append_change(self, vote: Vote, known: Vote) -> bool:
        """Append what became of a vote; its time is that of the last change."""
        if (known.value, known.note, known.time_utc) == (vote.value, vote.note, vote.time_utc):
            return False
        former = vote.vote_id
        while former in self._following:
            former = self._following[former]
        newest = self._store.find(self._connection, former)
        if newest is None or (newest.value, newest.note) == (vote.value, vote.note):
            return False
        words = "\x1f".join((former, str(vote.value), vote.note, vote.time_utc.isoformat()))
        changed = {"vote_id": str(uuid.uuid5(NAMESPACE, words)), "supersedes": former}
        return self._append(vote.model_copy(update=changed))


def _slot(row: Mapping[str, Any]) -> Key:
    return row["crater_id"], row["labeller"], row["scheme"], slot_of(row["kind"])


def _answer(vote: Vote) -> tuple[object, ...]:
    return (vote.crater_id, vote.labeller, vote.scheme, vote.value, vote.note, vote.time_utc)
