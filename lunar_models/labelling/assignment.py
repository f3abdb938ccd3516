"""Hand out craters to label and take in the answers: blind, without clashes, deterministically."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
import sqlalchemy as sa

from lunar_models.errors import LabelsError
from lunar_models.labelling.design import Design
from lunar_models.labelling.ledger import Ledger, Standing
from lunar_models.labelling.looks import Look, has_looked, record
from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import BLIND_KINDS, Kind, Vote


@dataclass(frozen=True)
class Task:
    """A crater that a person is asked about.

    What kind of task it is, a repeat for instance, is not in it: the page must not tell.
    """

    task_id: str
    """The same for the same question to the same person."""
    crater_id: str


@dataclass(frozen=True)
class Progress:
    """How far one person and the whole work are."""

    answers: int
    labelled: int
    wanted: int
    disputed: int
    training_left: int


class Assignment:
    """The tasks of a labelling. Threads, and processes on the same store, may share the work.

    Args:
        store: the votes.
        scheme: the question; kept in the store.
        design: who is asked about which crater how often.
        lease: how long a crater that was handed out is kept from others.

    Raises:
        LabelsError: the store has another scheme of this name and version.
    """

    def __init__(
        self,
        store: LabelStore,
        scheme: Scheme,
        design: Design,
        lease: timedelta = timedelta(hours=2),
    ) -> None:
        store.keep_scheme(scheme)
        self._store, self.scheme, self._design, self._lease = store, scheme, design, lease
        self._ledger = Ledger(design, scheme.name)
        self._lock = threading.Lock()

    def tasks(self, labeller: str, count: int, *, decides: bool = False) -> list[Task]:
        """Return the next tasks of a person; asked again, the same until they are answered.

        Training comes first, then differing labels (for who decides on them), repeats that are
        due, what was handed out to the person before, and new craters, which are kept for the
        person from now on.

        Args:
            labeller: the person.
            count: how many, at most.
            decides: whether the person decides between differing labels.
        """
        with self._lock, self._store.exclusive() as connection:
            self._catch_up(connection)
            now = datetime.now(UTC)
            found = list(islice(self._candidates(labeller, now, decides), count))
            fresh = [
                crater
                for crater, kind in found
                if kind in BLIND_KINDS and self._claim_is_old(labeller, crater, now)
            ]
            self._store.claim(connection, labeller, fresh)
        return [Task(self._task_id(labeller, *each), each[0]) for each in found]

    def cast(self, vote: Vote, task_id: str, *, decides: bool = False) -> bool:
        """Take in a vote; its kind follows from the task, whatever it says.

        It is blind only if nothing about the crater was shown to the person before.

        Args:
            vote: the answer, or the withdrawal of one.
            task_id: of the task that it answers.
            decides: whether the person decides between differing labels.

        Returns:
            Whether it is new; False if it was taken in before.

        Raises:
            LabelsError: the task or the value is not of this labelling or not this person's, or
                the store refuses the vote.
        """
        if vote.value is not None and vote.value not in self.scheme.values:
            raise LabelsError(
                f"{vote.value!r} is not an answer of scheme {self.scheme.name}; give one of "
                f"{', '.join(self.scheme.values)}."
            )
        with self._lock:
            with self._store.exclusive() as connection:
                self._catch_up(connection)
                known = self._store.find(connection, vote.vote_id)
                looked = has_looked(connection, vote.labeller, vote.crater_id)
            kind = known.kind if known else self._kind(vote, task_id, decides)
            blind = known.blind if known else vote.blind and not looked
            return self._store.add(vote.model_copy(update={"kind": kind, "blind": blind}))

    def others(
        self, labeller: str, crater: str, more: Sequence[Look] = (), *, labels: bool = True
    ) -> dict[str, Standing] | None:
        """Return what others say of a crater, once it is on record that the person is shown it.

        Args:
            labeller: the person.
            crater: the crater.
            more: what else the person is shown with it.
            labels: whether others' labels are wanted at all.

        Returns:
            The label of each other person; None while this person has not given theirs, or has to
            give it again.
        """
        with self._lock:
            self._refresh()
            ledger = self._ledger
            kinds = (*BLIND_KINDS, "gold", "adjudication")
            answered = any(ledger.standing(crater, labeller, kind) for kind in kinds)
            if not answered or any(c == crater for c, _ in ledger.repeats_of(labeller)):
                return None
            given = ledger.labels(crater) if labels else {}
            found = {person: vote for person, vote in given.items() if person != labeller}
            looks = [Look(crater, labeller, "label", p, vote.value) for p, vote in found.items()]
            with self._store.exclusive() as connection:
                record(connection, [*looks, *more])
        return found

    def progress(self, labeller: str, *, decides: bool = False) -> Progress:
        """Count what is done.

        Who does not decide is told of no dispute: it would tell that another's label differs.
        """
        with self._lock:
            self._refresh()
            ledger = self._ledger
            return Progress(
                answers=ledger.answers.get(labeller, 0),
                labelled=int(np.minimum(ledger.given, ledger.wanted).sum()),
                wanted=int(ledger.wanted.sum()),
                disputed=len(ledger.disputed) if decides else 0,
                training_left=len(self._training(labeller)),
            )

    def _candidates(
        self, labeller: str, now: datetime, decides: bool
    ) -> Iterator[tuple[str, Kind]]:
        for crater in self._training(labeller):
            yield crater, "gold"
        if decides:
            for crater in self._to_decide(labeller):
                yield crater, "adjudication"
        repeats = self._repeats(labeller)
        yield from ((crater, "repeat") for crater, left in repeats if left <= 0)
        yield from self._first_labels(labeller, now)
        # Nothing else is left, so that these come early.
        yield from ((crater, "repeat") for crater, left in repeats if left > 0)

    def _repeats(self, labeller: str) -> list[tuple[str, float]]:
        """Craters to repeat, and how many answers must still come before; the first due first."""
        pending = self._ledger.repeats_of(labeller)
        due = [(crater, self._design.gap(labeller, crater) - past) for crater, past in pending]
        return sorted(due, key=lambda each: each[1])

    def _first_labels(self, labeller: str, now: datetime) -> Iterator[tuple[str, Kind]]:
        ledger = self._ledger
        mine = [crater for crater in ledger.claimed[labeller] if crater in ledger.row]
        taken = ledger.given.copy()
        for other, craters in ledger.claimed.items():
            if other != labeller:
                for crater, time in craters.items():
                    if now - time < self._lease and crater in ledger.row:
                        taken[ledger.row[crater]] += 1
        open_rows = (taken < ledger.wanted) & ~ledger.mine(labeller)
        for crater in mine:
            row = ledger.row[crater]
            if open_rows[row]:
                open_rows[row] = False
                yield crater, self._blind_kind(row)
        for new in np.flatnonzero(open_rows).tolist():
            yield self._design.craters[new], self._blind_kind(new)

    def _blind_kind(self, row: int) -> Kind:
        return "second" if self._ledger.given[row] else "ordinary"

    def _training(self, labeller: str) -> list[str]:
        craters = self._design.training(labeller)
        return [c for c in craters if self._ledger.standing(c, labeller, "gold") is None]

    def _to_decide(self, labeller: str) -> list[str]:
        """Those first that the person has not labelled: they decide without a label to defend."""
        disputed = self._ledger.disputed
        return sorted(disputed, key=lambda crater: labeller in self._ledger.labels(crater))

    def _claim_is_old(self, labeller: str, crater: str, now: datetime) -> bool:
        time = self._ledger.claimed[labeller].get(crater)
        return time is None or now - time > self._lease / 2

    def _kind(self, vote: Vote, task_id: str, decides: bool) -> Kind:
        crater, labeller = vote.crater_id, vote.labeller
        kinds: tuple[Kind, ...] = ("ordinary", "repeat", "gold", "adjudication")
        kind = next((k for k in kinds if self._task_id(labeller, crater, k) == task_id), None)
        # A crater of an earlier order may be answered after that order was replaced.
        if kind is None or (kind == "gold" and crater not in self._design.gold):
            raise LabelsError(
                f"Task {task_id} on crater {crater} was not given to {labeller} in this labelling; "
                "reload the page."
            )
        if replaced := self._ledger.slot(vote.supersedes):
            return replaced
        # The name of a task is no secret: whoever knows one need not have been given it.
        if kind == "adjudication" and not decides:
            raise LabelsError(
                f"{labeller} may not decide between the labels of crater {crater}; that takes a "
                "token with the scope adjudicate."
            )
        if kind == "repeat" and labeller not in self._ledger.labels(crater):
            raise LabelsError(
                f"Crater {crater} comes again only after {labeller} has labelled it; reload the "
                "page."
            )
        return self._ledger.first_kind(labeller, crater) if kind == "ordinary" else kind

    def _task_id(self, labeller: str, crater: str, kind: Kind) -> str:
        blind = "first" if kind in BLIND_KINDS else kind
        text = "\x1f".join((str(self._design.seed), labeller, crater, blind))
        return hashlib.blake2b(text.encode(), digest_size=9).hexdigest()

    def _refresh(self) -> None:
        with self._store.snapshot() as connection:
            self._catch_up(connection)

    def _catch_up(self, connection: sa.Connection) -> None:
        self._ledger.note(self._store.rows(connection, self._ledger.sequence))
        self._ledger.note_claims(
            self._store.claims(connection, self._ledger.claim_sequence, since=self._lease)
        )
