"""Keep what a run logs on this disk while the tracking server is away, and log it later.

After an outage that outlasts all retries a run's metrics, tags and artifacts go to an SQLite store
of its own. They are copied to the server when the step ends or, if it is still away, when the next
step starts.
"""

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ParamSpec, TextIO, TypeVar

import click
import mlflow
import requests

from serving.cli.options import UserError
from steps.shared.outage import STORE_ERRORS, give_up, is_outage, patiently
from steps.shared.unlogged_run import ABOUT_FILE, Unlogged, unlogged_folder

P = ParamSpec("P")
R = TypeVar("R")
_here: Unlogged | None = None
"""Of this process, while its run is diverted."""
_held: TextIO | None = None
_registry: str | None = None
"""The registry that was named before, if any."""
_may_divert = False


def kept(log: Callable[P, R]) -> Callable[P, R]:
    """Make a logging function write to this disk where the tracking server stays away."""

    @functools.wraps(log)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        once = functools.partial(log, *arguments, **options)
        try:
            return _waiting(once)
        except STORE_ERRORS as error:
            if not (_may_divert and is_outage(error)):
                raise
        _divert()
        return once()

    return call


def _waiting(log: Callable[[], R]) -> R:
    """Log, and wait where MLflow does not wait by itself: for files that are refused with 401."""
    try:
        return log()
    except requests.RequestException as error:
        if not is_outage(error):
            raise
        return patiently(log)


def current_run_id() -> str:
    """Identifier of the active run on the tracking server, also while it is away."""
    run = mlflow.active_run()
    assert run is not None, "no run is active"
    return str(run.info.run_id) if _here is None else _here.run_id


@contextlib.contextmanager
def keeping(*, allowed: bool) -> Iterator[None]:
    """Let `kept` functions divert the active run; at the end, log what is missing.

    Args:
        allowed: whether the step only writes, and may go on without the server.

    Raises:
        UserError: the step is complete, but the server is still away.
    """
    global _may_divert
    _may_divert, status = allowed, "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        _may_divert = False
        ours = None if _here is None else _leave(status)
        if ours is not None and not ours.log_to_server():
            give_up()
            if status == "FINISHED":
                raise UserError(
                    f"The tracking server {ours.tracking_uri} stays away. What this run made is "
                    f"kept in {ours.folder} and logged when the next step starts; finished steps "
                    "are then reused."
                )


def return_to_server() -> None:
    """Log what is missing now, for something that cannot do without the server.

    Raises:
        MlflowException: it is still away.
    """
    global _may_divert
    if _here is not None:
        _may_divert = False
        _leave("FAILED").copy_to_server(end=False)  # failed, unless this comes through
        _may_divert = True


def log_unlogged(tracking_uri: str) -> None:
    """Log what earlier runs could not log to this server; an outage leaves it for later."""
    for file in sorted(unlogged_folder().glob(f"*/{ABOUT_FILE}")):
        ours = Unlogged.load(file.parent)
        if ours.tracking_uri != tracking_uri:
            continue
        try:
            done = ours.log_to_server()
        except STORE_ERRORS as error:
            click.echo(
                f"What run {ours.run_id} could not log is refused: {error} "
                f"Delete {ours.folder} to give it up."
            )
            continue
        if done:
            click.echo(f"Logged what run {ours.run_id} could not log while the server was away.")


def _divert() -> None:
    """Open a store on this disk and make a run in it the active one."""
    global _here, _held, _registry
    run = mlflow.active_run()
    assert run is not None
    _registry = os.environ.get("MLFLOW_REGISTRY_URI")  # also what `set_registry_uri` was given
    registry, tracking = mlflow.get_registry_uri(), mlflow.get_tracking_uri()
    ours = Unlogged(unlogged_folder() / run.info.run_id, tracking, run.info.run_id)
    _make_folder(ours.folder)
    client = mlflow.MlflowClient(ours.store)
    experiment = client.create_experiment("unlogged", (ours.folder / "artifacts").as_uri())
    made = client.create_run(experiment, run_name=run.info.run_name)
    ours.copy_id, ours.first_tags = made.info.run_id, dict(made.data.tags)
    ours.save()
    mlflow.set_tracking_uri(ours.store)
    mlflow.set_registry_uri(registry)  # no model is ever registered in the store on this disk
    mlflow.start_run(run_id=ours.copy_id, nested=True)
    _here, _held = ours, ours.lock()
    click.echo(f"The tracking server stays away; what this run logs is kept in {ours.folder} …")


def _make_folder(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)


def _leave(status: str) -> Unlogged:
    """Make the run on the server the active one again."""
    global _here, _held
    ours, active = _here, mlflow.active_run()
    assert ours is not None
    if active is not None and active.info.run_id == ours.copy_id:
        mlflow.end_run(status)
    mlflow.set_tracking_uri(ours.tracking_uri)
    mlflow.set_registry_uri(_registry)  # None: the tracking server again, whichever it is
    if _registry is None:
        os.environ.pop("MLFLOW_REGISTRY_URI", None)
    if _held is not None:
        _held.close()
    _here = _held = None
    return ours
