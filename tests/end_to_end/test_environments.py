"""`mlflow run` from wherever somebody has the project, and from whatever folder they are in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from live_server import reserve_port

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
MOON = {"width_px": 300, "height_px": 300, "crater_count": 20}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with one commit that has whatever is in this working tree."""
    folder = tmp_path_factory.mktemp("from") / "lunar-models"
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in names.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-q", "-m", "All"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def run(project: object, folder: Path, *before: str, **more: str) -> Path:
    """Make a small Moon by `mlflow run`, called from `folder`; the folder that has it then."""
    folder.mkdir(exist_ok=True)
    command = [*before, sys.executable, "-m", "mlflow", "run", str(project), "-e", "synthesize"]
    command += ["--env-manager", "local", "-P", "output=a moon"]
    for name, value in MOON.items():
        command += ["-P", f"{name}={value}"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment = {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_EXPERIMENT_NAME": "named by the environment",
        **more,
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    client = mlflow.MlflowClient(environment["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("named by the environment")
    [made] = client.search_runs([experiment.experiment_id])
    assert made.info.status == "FINISHED"
    assert (folder / "a moon" / "mosaic.tif").is_file()
    return folder


def test_from_another_folder(repository, tmp_path):
    """Relative paths are the caller's, and nothing is written into the project."""
    before = sorted(p for p in repository.rglob("*") if "__pycache__" not in p.parts)
    run(repository, tmp_path / "elsewhere")
    assert before == sorted(p for p in repository.rglob("*") if "__pycache__" not in p.parts)


def test_from_a_git_uri(repository, tmp_path):
    """Cloned from a server. MLflow gives the URI to git, which knows no ``git+file://``."""
    port = str(reserve_port())
    serve = ["git", "daemon", "--export-all", f"--base-path={repository.parent}", "--reuseaddr"]
    server = subprocess.Popen([*serve, "--listen=127.0.0.1", f"--port={port}"])
    try:
        run(f"git://127.0.0.1:{port}/{repository.name}", tmp_path / "elsewhere")
    finally:
        server.terminate()
        server.wait(10)


def test_from_a_git_uri_with_a_fragment(repository, tmp_path):
    run(f"file://{repository}#", tmp_path / "elsewhere")


def test_from_a_path_with_a_number_sign(repository, tmp_path):
    """What follows the sign names a folder of the project, as in any URI of MLflow's."""
    run(f"{repository.parent}#{repository.name}", tmp_path / "elsewhere")


def test_from_a_path_with_spaces(repository, tmp_path):
    project = tmp_path / "my own project"
    shutil.copytree(repository, project)
    run(project, tmp_path / "my own folder")


def test_from_a_checkout_that_cannot_be_written(repository, tmp_path):
    if os.getuid() == 0:  # permissions do not hold root back; a read-only mount does
        mounted = (
            f'mount --bind "{repository}" "{repository}" && mount -o remount,ro,bind "{repository}"'
        )
        before = ("unshare", "--mount", "sh", "-c", f'{mounted} && exec "$@"', "sh")
        if subprocess.run([*before, "true"], capture_output=True).returncode:
            pytest.skip("this root may not mount; run the test as another user")
        assert subprocess.run([*before, "touch", repository / "x"], capture_output=True).returncode
        run(repository, tmp_path / "elsewhere", *before)
        return
    project = tmp_path / "read-only"
    shutil.copytree(repository, project)
    for path in (project, *project.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    try:
        run(project, tmp_path / "elsewhere")
    finally:
        for path in (project, *project.rglob("*")):
            path.chmod(path.stat().st_mode | 0o200)
