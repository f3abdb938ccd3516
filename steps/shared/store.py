"""Connect to the tracking store and prepare a step, before anything is computed."""

import fcntl
import hashlib
import logging
import os
import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import mlflow

from lunar_models.config.base import StepConfig
from serving.cli.options import UserError
from steps.shared.caller import enter_callers_folder
from steps.shared.inputs import pinned
from steps.shared.outage import be_patient, store_errors
from steps.shared.unlogged import log_unlogged

C = TypeVar("C", bound=StepConfig)

DEFAULT_TRACKING_URI = "sqlite:///mlflow.db"
PATIENCE_SECONDS = 300.0
"""How long a step that has begun waits for a tracking server that is away."""

_CONNECT_SECONDS = 5.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 20.0
_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
_NAME_PARAMETERS = ("registered_model", "service_model")
_ALIAS_PARAMETERS = ("alias", "challenger", "champion")
_ALIAS = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RESERVED_ALIAS = re.compile(r"latest|v\d+", re.IGNORECASE)
_LONGEST_NAME = 256
_QUIET = {
    "mlflow.system_metrics.system_metrics_monitor": logging.WARNING,
    "mlflow.projects.backend.local": logging.WARNING,  # repeats a command of 100 parameters
    "mlflow.projects.utils": logging.WARNING,
    "mlflow.store.db.utils": logging.CRITICAL,  # prints the stack trace of what we catch
    "alembic": logging.WARNING,
}


def prepare(config: C) -> C:
    """Enter the caller's folder, connect, check names, and replace aliases by versions.

    Returns:
        the config to work with: `steps.shared.inputs.pinned`.

    Raises:
        UserError: the tracking server does not answer, the experiment cannot take a run, a name is
            not allowed in the registry, or an alias names nothing.
    """
    enter_callers_folder()
    check_names(config)
    connect()
    return pinned(config)


def connect() -> None:
    """Choose the tracking store, see that it answers, and make its tables and the experiment.

    `MLFLOW_TRACKING_URI` if set (``mlflow run`` sets it), else a SQLite file in this folder.

    Raises:
        UserError: the tracking server does not answer, or the experiment cannot take a run.
    """
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)
    if not sys.stderr.isatty():
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    if not mlflow.is_tracking_uri_set():
        mlflow.set_tracking_uri(DEFAULT_TRACKING_URI)
    uri = mlflow.get_tracking_uri()
    if urlsplit(uri).scheme in ("http", "https"):
        be_patient()
        _wait_for(uri)
    with _one_at_a_time(uri), store_errors():
        _check_experiment()
        log_unlogged(uri)


def check_names(config: StepConfig) -> None:
    """Check the names that a step will give to things in the registry, before it works for them.

    Raises:
        UserError: MLflow does not allow one.
    """
    for parameter in _NAME_PARAMETERS:
        name = getattr(config, parameter, None)
        if name is not None and (
            not name.strip() or {*"/:"} & {*name} or len(name) > _LONGEST_NAME
            or os.path.normpath(name) != name or name in (".", "..")
        ):  # fmt: skip
            raise UserError(
                f"{parameter}={name!r} is no name for a registered model: use 1 to {_LONGEST_NAME} "
                "characters without '/' and ':', such as 'team-encoder'."
            )
    for parameter in _ALIAS_PARAMETERS:
        alias = getattr(config, parameter, None)
        if alias is None or (parameter == "challenger" and alias.isdigit()):
            continue
        if not _ALIAS.fullmatch(alias) or _RESERVED_ALIAS.fullmatch(alias):
            raise UserError(
                f"{parameter}={alias!r} is no alias: use letters, digits, '_' and '-'; 'latest' "
                "and 'v1', 'v2', … are reserved."
            )


def _wait_for(uri: str) -> None:
    """A run that has begun (``MLFLOW_RUN_ID``) waits for a server that restarts."""
    address = urlsplit(uri)
    port = address.port or {"http": 80, "https": 443}[address.scheme]
    patience = PATIENCE_SECONDS if "MLFLOW_RUN_ID" in os.environ else 0.0
    began, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
    while True:
        try:
            socket.create_connection((address.hostname or "", port), _CONNECT_SECONDS).close()
            return
        except OSError as error:
            if time.monotonic() - began > patience:
                raise UserError(
                    f"The tracking server {address.hostname}:{port} does not answer ({error}). "
                    "Start it, or set MLFLOW_TRACKING_URI to one that runs."
                ) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


@contextmanager
def _one_at_a_time(uri: str) -> Iterator[None]:
    """Several processes on a new database would all make its tables, and all but one crash.

    Stores share 256 locks, which bounds the files that are left in the folder.
    """
    mark = hashlib.sha256(f"{uri} {Path.cwd()}".encode()).hexdigest()[:2]
    with open(Path(tempfile.gettempdir()) / f"lunar-models-{mark}-{os.getuid()}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_experiment() -> None:
    """Make the experiment that the environment names, unless the run exists already."""
    client = mlflow.MlflowClient()
    name, number = (os.environ.get(f"MLFLOW_EXPERIMENT_{key}") for key in ("NAME", "ID"))
    if "MLFLOW_RUN_ID" in os.environ or not (name or number):
        client.search_experiments(max_results=1)  # makes the tables
        return
    found = client.get_experiment(number) if number else client.get_experiment_by_name(name)
    if found is None:
        _create_experiment(client, str(name))
        return
    if found.lifecycle_stage != "active":
        raise UserError(
            f"Experiment {found.name!r} was deleted. Restore it (`mlflow experiments restore -x "
            f"{found.experiment_id}`), or set MLFLOW_EXPERIMENT_NAME to another one."
        )


def _create_experiment(client: mlflow.MlflowClient, name: str) -> None:
    try:
        client.create_experiment(name)
    except mlflow.MlflowException as error:  # another machine was faster
        if error.error_code != _ALREADY_EXISTS:
            raise
