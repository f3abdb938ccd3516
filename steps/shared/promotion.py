"""Move the champion alias safely: one promotion at a time, every change on record."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import mlflow
from mlflow.entities.model_registry import ModelVersion

from serving.cli.options import UserError

PREVIOUS_TAG = "promoted_over"
NONE = "none"


@contextmanager
def exclusive(service_model: str) -> Iterator[None]:
    """Hold the right to move a model's aliases.

    MLflow cannot compare and swap an alias, but it refuses to create a registered model twice, on
    every kind of store; such a model, there only during the promotion, is the lock.

    Raises:
        UserError: another promotion is under way, or one was killed.
    """
    client, lock = mlflow.MlflowClient(), f"{service_model}--promotion"
    try:
        client.create_registered_model(lock, tags={"held_by": who(), "since": now()})
    except mlflow.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        held = client.get_registered_model(lock).tags
        raise UserError(
            f"Another promotion of {service_model} is under way, by {held.get('held_by')} since "
            f"{held.get('since')}. Wait for it; if it was killed, delete the registered model "
            f"{lock!r} and try again."
        ) from error
    try:
        yield
    finally:
        client.delete_registered_model(lock)


def find_version(service_model: str, alias_or_number: str) -> ModelVersion | None:
    """The version behind an alias or a number, or None."""
    client = mlflow.MlflowClient()
    try:
        if alias_or_number.isdigit():
            return client.get_model_version(service_model, alias_or_number)
        return client.get_model_version_by_alias(service_model, alias_or_number)
    except mlflow.MlflowException:
        return None


def promote_version(
    version: ModelVersion, over: ModelVersion | None, *, alias: str, why: str
) -> None:
    """Give the alias to a version and note on both who did it, when, why and from which run."""
    previous = NONE if over is None else over.version
    tag(version, promoted_at=now(), promoted_by=who(), promoted_why=why, promoted_run=_run_id(),
        **{PREVIOUS_TAG: previous})  # fmt: skip
    mlflow.MlflowClient().set_registered_model_alias(version.name, alias, version.version)
    if over is not None:
        tag(over, demoted_at=now(), demoted_by=who(), demoted_for=version.version)


def roll_back(champion: ModelVersion | None, *, service_model: str, alias: str) -> ModelVersion:
    """Give the alias back to the version that had it before.

    Raises:
        UserError: there is no champion, or none before it.
    """
    previous = None if champion is None else champion.tags.get(PREVIOUS_TAG, NONE)
    found = None if previous in (None, NONE) else find_version(service_model, str(previous))
    if champion is None or found is None:
        raise UserError(
            f"{service_model}@{alias} has no previous champion on record; set the alias by hand."
        )
    mlflow.MlflowClient().set_registered_model_alias(service_model, alias, found.version)
    tag(champion, rolled_back_at=now(), rolled_back_by=who(), rolled_back_run=_run_id())
    tag(found, restored_at=now(), restored_by=who(), restored_run=_run_id())
    return found


def tag(version: ModelVersion, **values: str) -> None:
    """Set tags of a version."""
    for key, value in values.items():
        mlflow.MlflowClient().set_model_version_tag(version.name, version.version, key, str(value))


def who() -> str:
    """User and machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def now() -> str:
    """UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _run_id() -> str:
    run = mlflow.active_run()
    return NONE if run is None else str(run.info.run_id)
