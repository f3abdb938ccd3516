"""A user of a team's stack: run commands with their credentials and return what is printed."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import pytest
from team_stack import ROOT, USERS, TeamStack

SMALL = {
    "width_px": 900, "height_px": 900, "crater_count": 160, "epochs": 1, "latent_dim": 4,
    "n_clusters": 3, "views": "pca", "stability_rounds": 0, "bootstrap": 20, "folds": 3,
}  # fmt: skip
"""Parameters of a pipeline on a small synthetic Moon."""


class Call(subprocess.Popen[str]):
    """A running command that prints to a file: a full pipe that nobody reads would stop it."""

    def __init__(self, command: list[str], file: Path, **options: Any) -> None:
        self.file = file
        with file.open("w") as out:
            super().__init__(command, stdout=out, stderr=subprocess.STDOUT, **options)

    def communicate(self, *_: Any, timeout: float | None = None) -> Any:
        """Wait for the end; what was printed, and None."""
        self.wait(timeout)
        return self.file.read_text(), None


class Member:
    """A member of the team, who calls entry points and queries the server under their own name."""

    def __init__(self, name: str, stack: TeamStack, place: Path) -> None:
        self.name, self.stack = name, stack
        self.folder = place / name
        self.folder.mkdir(exist_ok=True)

    def start(self, *arguments: str, **parameters: object) -> Call:
        """`mlflow run` in this member's folder; the experiment is named by the environment."""
        command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local"]
        command += [*arguments]
        for name, value in parameters.items():
            command += ["-P", f"{name}={value}"]
        return self.call(*command)

    def call(self, *command: str, **more: str) -> Call:
        environment = self.stack.environment(
            self.name, MLFLOW_EXPERIMENT_NAME=f"team-{self.name}",
            XDG_STATE_HOME=str(self.folder / "state"), **more,
        )  # fmt: skip
        file = Path(tempfile.mkstemp(prefix=f"{self.name}-", suffix=".log", dir=self.folder)[1])
        return Call(list(command), file, cwd=self.folder, env=environment, start_new_session=True)

    def sign_in(self, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
        """A client in this process that acts as this member; without any key of the S3 server."""
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", self.name)
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", USERS[self.name])
        monkeypatch.setenv("MLFLOW_TRACKING_URI", self.stack.uri)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
        mlflow.set_tracking_uri(self.stack.uri)
        return mlflow.MlflowClient(self.stack.uri)


def finish(process: Call, code: int = 0) -> str:
    output, _ = process.communicate(timeout=3000)
    assert process.returncode == code, output
    return output
