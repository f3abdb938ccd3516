"""Move registry aliases under a lock, with a record of every change."""

import getpass
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import mlflow
from mlflow.entities.model_registry import ModelVersion

from serving.cli.options import UserError
from steps.shared.versions import find_aliases, find_version, quoted

PREVIOUS_TAG = "promoted_over"
HISTORY_TAG = "alias_history"
"""Of a version: what became of it, the latest first, a line each."""
_MOST_HISTORY = 5000
"""Characters that every registry keeps in a tag."""
NONE = "none"
CHALLENGER = "challenger"

LEASE_SECONDS = 60
"""Half the time after which the lock of a killed process is void."""

_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
_PAUSE_SECONDS = 1.0


@contextmanager
def exclusive(service_model: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the right to move a model's aliases, for at most `LEASE_SECONDS`.

    MLflow cannot compare and swap an alias, but it refuses to create a registered model twice, on
    every kind of store; such a model, there only during the move, is the lock. Its name carries
    the number of the current minute. Whoever takes it then looks for locks of the minutes beside
    and gives way to them; older ones belong to killed processes and count no longer.

    Args:
        service_model: registered model.
        wait_seconds: how long to wait for another process that holds the right.

    Raises:
        UserError: another process holds it.
    """
    stop = time.monotonic() + wait_seconds
    while (lock := _take(service_model)) is None:
        if time.monotonic() >= stop:
            raise UserError(
                f"Another promotion of {service_model} is under way, by {_holder(service_model)}. "
                f"Try again when it is over; that of a killed process is void after "
                f"{2 * LEASE_SECONDS} s."
            )
        time.sleep(_PAUSE_SECONDS)
    try:
        yield
    finally:
        _release(lock)


def _take(service_model: str) -> str | None:
    client, now_number = mlflow.MlflowClient(), int(time.time() // LEASE_SECONDS)
    lock = _lock_name(service_model, now_number)
    try:
        client.create_registered_model(lock, tags={"held_by": who(), "since": now()})
    except mlflow.MlflowException as error:
        if error.error_code != _ALREADY_EXISTS:
            raise
        return None
    others = [n for n in _lock_numbers(service_model) if n != now_number]
    if any(abs(n - now_number) == 1 for n in others):
        _release(lock)
        return None
    for number in others:
        _release(_lock_name(service_model, number))
    return lock


def _lock_name(service_model: str, number: int) -> str:
    return f"{service_model}--promotion-{number}"


def _lock_numbers(service_model: str) -> list[int]:
    prefix = _lock_name(service_model, 0).removesuffix("0")
    found = mlflow.MlflowClient().search_registered_models(f"name LIKE {quoted(prefix + '%')}")
    ends = [m.name.removeprefix(prefix) for m in found if m.name.startswith(prefix)]
    return [int(end) for end in ends if end.isdigit()]


def _holder(service_model: str) -> str:
    for number in sorted(_lock_numbers(service_model), reverse=True):
        with suppress(mlflow.MlflowException):  # it may be gone by now
            tags = mlflow.MlflowClient().get_registered_model(
                _lock_name(service_model, number)
            ).tags  # fmt: skip
            return f"{tags.get('held_by')} since {tags.get('since')}"
    return "another process"


def _release(lock: str) -> None:
    with suppress(mlflow.MlflowException):  # void locks are deleted by whoever comes first
        mlflow.MlflowClient().delete_registered_model(lock)


def promote_version(
    version: ModelVersion, over: ModelVersion | None, *, alias: str, why: str
) -> None:
    """Give an alias to a version, and note on both who did it, when, why and from which run.

    Call it inside `exclusive`.

    Args:
        version: gets the alias.
        over: has it now, as far as the caller knows; None: nobody.
        alias: to move.
        why: for the record.

    Raises:
        UserError: another version has the alias by now; nothing was changed.
    """
    previous = NONE if over is None else str(over.version)
    _expect(version.name, alias, previous)
    _tag(version, PREVIOUS_TAG, previous)  # first: without it nobody could roll back
    _expect(version.name, alias, previous)
    mlflow.MlflowClient().set_registered_model_alias(version.name, alias, version.version)
    note(version, f"became {alias} over {previous}: {why}")
    if over is not None:
        note(over, f"gave {alias} to {version.version}")
    _expect(version.name, alias, str(version.version))


def _expect(name: str, alias: str, number: str) -> None:
    found = find_aliases(name).get(alias, NONE)
    if found != number:
        raise UserError(
            f"{name}@{alias} was moved meanwhile: version {found} has it, not {number}, which was "
            "judged. Run the same command again to judge anew."
        )


def drop_alias(version: ModelVersion, alias: str) -> None:
    """Delete an alias if it still names this version. Call it inside `exclusive`."""
    if find_aliases(version.name).get(alias) == str(version.version):
        mlflow.MlflowClient().delete_registered_model_alias(version.name, alias)


def roll_back(champion: ModelVersion | None, *, service_model: str, alias: str) -> ModelVersion:
    """Give the alias back to the version that had it before. Call it inside `exclusive`.

    Raises:
        UserError: there is no champion, or none before it.
    """
    previous = None if champion is None else champion.tags.get(PREVIOUS_TAG, NONE)
    found = None if previous in (None, NONE) else find_version(service_model, str(previous))
    if champion is None or found is None:
        raise UserError(
            f"{service_model}@{alias} has no previous champion on record; set the alias by hand."
        )
    _expect(service_model, alias, str(champion.version))
    mlflow.MlflowClient().set_registered_model_alias(service_model, alias, found.version)
    note(champion, f"rolled back: gave {alias} to {found.version}")
    note(found, f"restored as {alias} in place of {champion.version}")
    _expect(service_model, alias, str(found.version))
    return found


def claim_alias(version: ModelVersion, alias: str) -> str:
    """Give a new version an alias, unless it would displace a version that may be in service.

    Returns:
        the alias it got: `alias` where no version has it, else ``challenger``, which `promote`
        judges. A challenger displaces an earlier one.

    Raises:
        UserError: another process moves aliases of the model for longer than it may.
    """
    with exclusive(version.name, wait_seconds=4 * LEASE_SECONDS):
        holder = find_version(version.name, alias)
        if alias != CHALLENGER and holder is None:
            promote_version(version, None, alias=alias, why=f"registered; there was no {alias}")
            return alias
        mlflow.MlflowClient().set_registered_model_alias(version.name, CHALLENGER, version.version)
        return CHALLENGER


def note(version: ModelVersion, what: str) -> None:
    """Put a line before a version's history: what became of it, when, by whom, in which run."""
    tags = mlflow.MlflowClient().get_model_version(version.name, version.version).tags
    line = f"{now()} {who()} run {_run_id()}: {' '.join(what.split())}"
    _tag(version, HISTORY_TAG, "\n".join([line, tags.get(HISTORY_TAG, "")]).strip())


def _tag(version: ModelVersion, key: str, value: str) -> None:
    client = mlflow.MlflowClient()
    client.set_model_version_tag(version.name, version.version, key, value[:_MOST_HISTORY])


def who() -> str:
    """User and machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _run_id() -> str:
    run = mlflow.active_run()
    return NONE if run is None else str(run.info.run_id)
