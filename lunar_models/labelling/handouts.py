"""Record which tasks were handed out: only those are answered, however late the answer comes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from lunar_models.labelling.tables import HANDOUTS


@dataclass(frozen=True)
class Task:
    """A crater that a person is asked about.

    What kind of task it is, a repeat for instance, is not in it: the page must not tell.
    """

    task_id: str
    """The same for the same question to the same person."""
    crater_id: str


def record_handouts(
    connection: sa.Connection, scheme: str, labeller: str, tasks: Iterable[Task]
) -> None:
    """Append the tasks that were not handed out before.

    Args:
        connection: from `LabelStore.exclusive`.
        scheme: name of the scheme.
        labeller: who gets them.
        tasks: of this person.
    """
    craters = {task.task_id: task.crater_id for task in tasks}
    own = HANDOUTS.c.scheme == scheme
    query = sa.select(HANDOUTS.c.task_id).where(own, HANDOUTS.c.task_id.in_(craters))
    known = set(connection.execute(query).scalars())
    now = datetime.now(UTC)
    rows = [
        {"scheme": scheme, "task_id": task_id, "crater_id": crater, "labeller": labeller,
         "time_utc": now}
        for task_id, crater in craters.items() if task_id not in known
    ]  # fmt: skip
    if rows:
        connection.execute(HANDOUTS.insert(), rows)


def was_handed_out(connection: sa.Connection, scheme: str, task_id: str) -> bool:
    """Whether a task was ever handed out."""
    query = sa.select(HANDOUTS.c.task_id).filter_by(scheme=scheme, task_id=task_id)
    return connection.execute(query).first() is not None
