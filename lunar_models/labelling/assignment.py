"""Hand out craters to label and take in the answers: blind, without clashes, deterministically."""

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np
import sqlalchemy as sa

from lunar_models.errors import LabelsError, TaskError
from lunar_models.labelling.candidates import next_craters, to_decide, training_left
from lunar_models.labelling.design import Design
from lunar_models.labelling.handouts import Task, record_handouts, was_handed_out
from lunar_models.labelling.ledger import Ledger, Standing
from lunar_models.labelling.looks import Look, has_looked, record
from lunar_models.labelling.scheme import Scheme
from lunar_models.labelling.store import LabelStore
from lunar_models.labelling.votes import BLIND_KINDS, Kind, Vote


@dataclass(frozen=True)
class Progress:
    """How far one person and the whole work are."""

    answers: int
    labelled: int
    wanted: int
    disputed: int
    """Craters that this person may decide on."""
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
            found = list(islice(self._next(labeller, now, decides=decides), count))
            tasks = [Task(self._task_id(labeller, *each), each[0]) for each in found]
            fresh = [
                crater
                for crater, kind in found
                if kind in BLIND_KINDS and self._claim_is_old(labeller, crater, now)
            ]
            self._store.claim(connection, labeller, fresh)
            record_handouts(connection, self.scheme.name, labeller, tasks)
        return tasks

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
            TaskError: the task was not handed out to this person.
            LabelsError: the value is not of this labelling, or the store refuses the vote.
        """
        if vote.value is not None and vote.value not in self.scheme.values:
            raise LabelsError(
                f"{vote.value!r} is not an answer of scheme {self.scheme.name}; give one of "
                f"{', '.join(self.scheme.values)}."
            )
        with self._lock, self._store.exclusive() as connection:
            self._catch_up(connection)
            known = self._store.find(connection, vote.vote_id)
            if known is not None:
                kind, blind = known.kind, known.blind
            else:
                kind = self._kind(connection, vote, task_id, decides=decides)
                blind = vote.blind and not has_looked(connection, vote.labeller, vote.crater_id)
            told = vote.model_copy(update={"kind": kind, "blind": blind})
            return self._store.append(connection, told)

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
            The label of each other person; None while this person has not given theirs, and for a
            while after it for craters that may come again.
        """
        with self._lock:
            self._refresh()
            ledger = self._ledger
            kinds = (*BLIND_KINDS, "gold", "adjudication")
            answered = any(ledger.standing(crater, labeller, kind) for kind in kinds)
            if not answered or self._withheld(labeller, crater):
                return None
            given = ledger.labels(crater) if labels else {}
            found = {person: vote for person, vote in given.items() if person != labeller}
            looks = [Look(crater, labeller, "label", p, vote.value) for p, vote in found.items()]
            with self._store.exclusive() as connection:
                record(connection, [*looks, *more])
        return found

    def is_decision(self, labeller: str, task: Task) -> bool:
        """Return whether a task is to decide between labels that differ: that need not be hidden.

        Args:
            labeller: who got it.
            task: one of `tasks`.
        """
        return task.task_id == self._task_id(labeller, task.crater_id, "adjudication")

    def progress(self, labeller: str, *, decides: bool = False) -> Progress:
        """Count what is done.

        Nobody is told of disputes about craters that they have labelled, and who does not decide
        of none: it would tell that another's label differs.
        """
        with self._lock:
            self._refresh()
            ledger = self._ledger
            return Progress(
                answers=ledger.answers.get(labeller, 0),
                labelled=int(np.minimum(ledger.given, ledger.wanted).sum()),
                wanted=int(ledger.wanted.sum()),
                disputed=len(to_decide(ledger, labeller)) if decides else 0,
                training_left=len(training_left(ledger, labeller)),
            )

    def _next(self, labeller: str, now: datetime, *, decides: bool) -> Iterator[tuple[str, Kind]]:
        return next_craters(self._ledger, labeller, now, self._lease, decides=decides)

    def _withheld(self, labeller: str, crater: str) -> bool:
        """Whether what others say is withheld, lest it tell what comes again."""
        ledger, design = self._ledger, self._design
        label = ledger.first(labeller, crater)
        if label is None or crater not in ledger.row or not design.withholds(labeller, crater):
            return False
        if design.repeats(labeller, crater):
            return ledger.standing(crater, labeller, "repeat") is None
        if ledger.answers[labeller] - label.position > design.withholding():
            return False
        return next(self._next(labeller, datetime.now(UTC), decides=False), None) is not None

    def _claim_is_old(self, labeller: str, crater: str, now: datetime) -> bool:
        time = self._ledger.claimed[labeller].get(crater)
        return time is None or now - time > self._lease / 2

    def _kind(self, connection: sa.Connection, vote: Vote, task_id: str, *, decides: bool) -> Kind:
        crater, labeller = vote.crater_id, vote.labeller
        kinds: tuple[Kind, ...] = ("ordinary", "repeat", "gold", "adjudication")
        kind = next((k for k in kinds if self._task_id(labeller, crater, k) == task_id), None)
        # A crater of an earlier order may be answered after that order was replaced.
        if kind is None or (kind == "gold" and crater not in self._design.gold):
            raise TaskError(
                f"Task {task_id} on crater {crater} was not given to {labeller} in this labelling; "
                "reload the page."
            )
        if replaced := self._ledger.slot(vote.supersedes):
            return replaced
        # The name of a task is no secret: whoever knows one need not have been given it.
        if kind == "adjudication" and not decides:
            raise TaskError(
                f"{labeller} may not decide between the labels of crater {crater}; that takes a "
                "token with the scope adjudicate."
            )
        if kind == "adjudication" and not self._ledger.may_decide(labeller, crater):
            raise TaskError(
                f"{labeller} has labelled crater {crater} and may not decide on it; somebody else "
                "with the scope adjudicate does."
            )
        if kind == "repeat" and labeller not in self._ledger.labels(crater):
            raise TaskError(
                f"Crater {crater} comes again only after {labeller} has labelled it; reload the "
                "page."
            )
        if not was_handed_out(connection, self.scheme.name, task_id):
            raise TaskError(
                f"Task {task_id} on crater {crater} has not been given to {labeller} yet; reload "
                "the page and send it again."
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
