"""Relative paths are those of the caller's folder; MLflow starts steps in the project's."""

import os
import subprocess
import sys

import pytest

from steps.shared.tracking import PROJECT

STEP = (
    "from steps.shared.caller import enter_callers_folder as e; import os; e(); print(os.getcwd())"
)

MLFLOW = """
import os, subprocess, sys
project, step, run_id = sys.argv[2:]
environment = {**os.environ, **({"MLFLOW_RUN_ID": run_id} if run_id else {})}
command = f'{sys.executable} -c "{step}"; true'
subprocess.run(["bash", "-c", command], cwd=project, env=environment, check=True)
"""


@pytest.mark.parametrize(
    ("program", "run_id", "enters"),
    [("mlflow", "abc", True), ("steps.main", "abc", True), ("mlflow", "", False),
     ("other", "abc", False)],
)  # fmt: skip
def test_the_folder_of_mlflow_run(tmp_path, program, run_id, enters):
    done = subprocess.run(
        [sys.executable, "-c", MLFLOW, program, str(PROJECT), STEP, run_id],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if k != "MLFLOW_RUN_ID"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path if enters else PROJECT)
