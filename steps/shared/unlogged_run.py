"""Keep what a run could not log in a folder of this disk, and copy it to the server later."""

import fcntl
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import mlflow
from mlflow.entities import Param, Run, RunTag

from steps.shared.outage import STORE_ERRORS, is_outage

ABOUT_FILE = "run.json"
_TABLES_TAG = "mlflow.loggedArtifacts"
_MOST_IN_BATCH = 1000
"""Metrics that MLflow takes in one request."""


def unlogged_folder() -> Path:
    """Return where unlogged runs are kept: ``~/.local/state/lunar-models/unlogged``."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "lunar-models" / "unlogged"


@dataclass
class Unlogged:
    """What one run could not log."""

    folder: Path
    tracking_uri: str
    run_id: str
    copy_id: str = ""
    """The run in the store in `folder` that has what is missing."""
    first_tags: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> str:
        """Tracking URI of the store in `folder`."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def save(self) -> None:
        """Note in `folder` what `load` needs."""
        (self.folder / ABOUT_FILE).write_text(
            json.dumps([self.tracking_uri, self.run_id, self.copy_id, self.first_tags])
        )

    @classmethod
    def load(cls, folder: Path) -> "Unlogged":
        """Read what `save` noted."""
        return cls(folder, *json.loads((folder / ABOUT_FILE).read_text()))

    def lock(self) -> TextIO | None:
        """Hold it while the file is open; None while a living process still adds to it."""
        file = (self.folder / "lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def log_to_server(self) -> bool:
        """Log it; False where the server is away or a living process still adds to it.

        Raises:
            MlflowException, RequestException: the server refuses it.
        """
        if (lock := self.lock()) is None:
            return False
        with lock:
            try:
                self.copy_to_server(end=True)
            except STORE_ERRORS as error:
                if is_outage(error):
                    return False
                raise
        return True

    def copy_to_server(self, *, end: bool) -> None:
        """Copy everything to the run on the server, end that as it ended here, and forget it."""
        here, server = mlflow.MlflowClient(self.store), mlflow.MlflowClient(self.tracking_uri)
        run = here.get_run(self.copy_id)
        points = [m for key in run.data.metrics for m in here.get_metric_history(self.copy_id, key)]
        for start in range(0, len(points), _MOST_IN_BATCH):
            server.log_batch(self.run_id, metrics=points[start : start + _MOST_IN_BATCH])
        server.log_batch(
            self.run_id,
            params=[Param(key, value) for key, value in run.data.params.items()],
            tags=_new_tags(run, self.first_tags, server.get_run(self.run_id)),
        )
        server.log_inputs(self.run_id, run.inputs.dataset_inputs)
        if (artifacts := self.folder / "artifacts" / self.copy_id / "artifacts").is_dir():
            server.log_artifacts(self.run_id, str(artifacts))
        if end:  # a run without an end was killed
            status = run.info.status if run.info.end_time else "KILLED"
            server.set_terminated(self.run_id, status, run.info.end_time)
        shutil.rmtree(self.folder, ignore_errors=True)


def _new_tags(run: Run, first: dict[str, str], logged: Run) -> list[RunTag]:
    new = {k: v for k, v in run.data.tags.items() if first.get(k) != v}
    if _TABLES_TAG in new:  # a list that grows
        known = json.loads(logged.data.tags.get(_TABLES_TAG, "[]"))
        new[_TABLES_TAG] = json.dumps([*known, *json.loads(new[_TABLES_TAG])])
    return [RunTag(key, str(value)) for key, value in new.items()]
