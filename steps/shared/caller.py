"""Resolve relative paths against the folder in which ``mlflow run`` was called."""

import os

import psutil

_RUN_ID = "MLFLOW_RUN_ID"


def enter_callers_folder() -> None:
    """Change to the folder in which ``mlflow run`` was started.

    MLflow starts an entry point in the project's folder, or in a clone of it, while its own
    relative paths, such as that of the tracking database, are those of the caller. The caller is
    the nearest process above this one that does not belong to the same run. Without a run, or
    where the system does not tell, nothing changes.
    """
    run_id = os.environ.get(_RUN_ID)
    if run_id is None:
        return
    try:
        above = psutil.Process().parents()
        caller = next((p for p in above if p.environ().get(_RUN_ID) != run_id), None)
        if caller is not None and any("mlflow" in part for part in _program(caller)):
            os.chdir(caller.cwd())
    except (psutil.Error, OSError):
        return


def _program(process: psutil.Process) -> list[str]:
    """The command line, and a word for steps that call MLflow themselves."""
    line = process.cmdline()
    return [*line, *("mlflow" for part in line if part.startswith("steps."))]
