"""Record which tasks were handed out: only those are answered, however late the answer comes."""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from lunar_models.labelling.tables import HANDOUTS


def record_handouts(
    connection: sa.Connection, scheme: str, labeller: str, tasks: Iterable[tuple[str, str]]
) -> None:
    """Append the tasks that were not handed out before.

    Args:
        connection: from `LabelStore.exclusive`.
        scheme: name of the scheme.
        labeller: who gets them.
        tasks: (task id, crater id).
    """
    craters = dict(tasks)
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
