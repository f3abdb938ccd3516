"""Log a step to MLflow: connect, open its run, log inputs, parameters and products."""

import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import mlflow
from matplotlib.figure import Figure
from mlflow.data.dataset_source_registry import get_dataset_source_from_json
from mlflow.data.meta_dataset import MetaDataset
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from PIL import Image

from lunar_models.config.base import StepConfig, specs
from serving.cli.options import UserError, to_text
from steps.shared.cache import KEY_TAG, OUTPUT_TAG, step_key
from steps.shared.descriptions import describe
from steps.shared.ending import closed_when_killed
from steps.shared.outage import STORE_ERRORS, is_outage, no_second_wait, patiently, store_errors
from steps.shared.unlogged import current_run_id, keeping, kept, return_to_server

PROJECT = Path(__file__).resolve().parents[2]
STEP_TAG = "step"

_LOGGED_BY_RUN = re.compile(r"runs:/{1,3}[^/]+/.+")

_NEEDS_THE_SERVER = frozenset({"main", "sweep", "register", "promote", "compare"})
"""Steps that read from it as they go on; the others only write, and may do so later."""
_MOST_DIFF_BYTES = 2**20
_GENERATED_NAME = re.compile(r"^[a-z]+-[a-z]+-\d+$")
"""What MLflow calls a run that nobody named."""


@contextmanager
def step_run(step: str, config: StepConfig, *, name: str) -> Iterator[mlflow.ActiveRun]:
    """Open the MLflow run of a step; parameters, tags and a snapshot are logged at once.

    Joins the run that ``mlflow run`` made, if there is one. An exception marks it FAILED, a signal
    KILLED.

    Args:
        step: entry point name.
        config: the step's parameters, as `store.prepare` returned them.
        name: readable run name, used where nobody chose one.

    Raises:
        UserError: the tracking store refused something.
    """
    key = step_key(step, config)
    joined = "MLFLOW_RUN_ID" in os.environ  # start_run would rename it
    # MLflow's own 10 s are longer than many a training.
    os.environ.setdefault("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "1")
    with (
        store_errors(),
        mlflow.start_run(
            run_name=None if joined else name, log_system_metrics=step == "train"
        ) as run,
        no_second_wait(),
    ):
        if _GENERATED_NAME.match(run.info.run_name or ""):
            mlflow.set_tag("mlflow.runName", name)
        mlflow.set_tags({STEP_TAG: step, KEY_TAG: key, "git_commit": git("rev-parse", "HEAD")})
        describe(run, step)
        _log_parameters(run, config)
        _log_snapshot(config)
        started = time.perf_counter()
        with keeping(allowed=step not in _NEEDS_THE_SERVER):
            with closed_when_killed(run, joined=joined):
                yield run
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB; bytes on macOS
            mib = peak / 2**20 if sys.platform == "darwin" else peak / 2**10
            seconds = time.perf_counter() - started
            log_metrics({"step/seconds": seconds, "step/peak_memory_mib": mib})


set_tag = kept(mlflow.set_tag)
log_text = kept(mlflow.log_text)
log_artifact = kept(mlflow.log_artifact)
log_artifacts = kept(mlflow.log_artifacts)
log_table = kept(mlflow.log_table)


def log_output(name: str, where: str) -> None:
    """Tag the run with something it made, for the steps after it: a path or a URI."""
    set_tag(OUTPUT_TAG + name, where)


@kept
def log_dataset(path: str, *, name: str, digest: str, context: str) -> None:
    """Record a dataset that the step read or wrote, without loading it.

    Args:
        path: where it is.
        name: what it is.
        digest: content digest; MLflow keeps at most 36 characters.
        context: what it was used for, such as ``training``.
    """
    source = get_dataset_source_from_json(json.dumps({"uri": path}), "local")
    mlflow.log_input(MetaDataset(source, name=name, digest=digest[:32]), context=context)


@kept
def log_figures(figures: dict[str, Figure]) -> None:
    """Log figures as artifacts; the key is the path, such as ``figures/loss_curve.png``."""
    for path, figure in figures.items():
        mlflow.log_figure(figure, path, save_kwargs={"dpi": 150, "bbox_inches": "tight"})


@kept
def log_figure_at(key: str, figure: Figure, *, step: int) -> None:
    """Log a figure as one frame of the UI's image slider `key`."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    # Synchronous: a short-lived process could end before an asynchronous upload.
    mlflow.log_image(Image.open(buffer), key=key, step=step, synchronous=True)


@kept
def log_folder(folder: Path, artifact_path: str) -> str:
    """Upload a folder to the active run and return its ``runs:/`` URI."""
    mlflow.log_artifacts(str(folder), artifact_path)
    return f"runs:/{current_run_id()}/{artifact_path}"


def _log_parameters(run: mlflow.ActiveRun, config: StepConfig) -> None:
    # `mlflow run` has logged its own spelling of them already, and values cannot change.
    known = mlflow.get_run(run.info.run_id).data.params
    mlflow.log_params(
        {
            spec.name: to_text(spec, getattr(config, spec.name))
            for spec in specs(type(config))
            if spec.name not in known
        }
    )


def _log_snapshot(config: StepConfig) -> None:
    """Keep what is needed to do the run again: code state, parameters, packages."""
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    values = {spec.name: getattr(config, spec.name) for spec in specs(type(config))}
    texts = {
        "parameters.json": json.dumps(values, indent=2),
        "packages.txt": "\n".join(packages),
        "commit.txt": git("rev-parse", "HEAD"),
        "uncommitted.diff": git("diff", "HEAD")[:_MOST_DIFF_BYTES],
        "untracked.txt": git("ls-files", "--others", "--exclude-standard"),  # not in the diff
        "MLproject.yaml": (PROJECT / "MLproject").read_text(),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, text in texts.items():
            (Path(folder) / name).write_text(text + "\n")
        log_artifacts(folder, "snapshot")


def git(*arguments: str) -> str:
    """Output of a git command in the project; ``unknown`` outside a repository."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        errors="replace",
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def resolve_artifacts(uri: str, *, part: str | None = None) -> Path:
    """Return a local folder or file for a path or an MLflow URI (``runs:/…``, ``models:/…``).

    Args:
        uri: what is wanted.
        part: a folder within it, which is returned instead, where there is one: of a model's 400
            files, most of them code, few are fetched then.

    Raises:
        UserError: there is nothing there.
        MlflowException, RequestException: the server is away.
    """
    if Path(uri).exists():
        inside = Path(uri, part or "")
        return inside if inside.exists() else Path(uri)
    if uri.startswith("runs:") and not _LOGGED_BY_RUN.fullmatch(uri):
        raise UserError(
            f"{uri!r} names a run, not what it logged: write runs:/RUN_ID/FOLDER, such as "
            "runs:/RUN_ID/encoder."
        )
    return_to_server()
    try:
        return patiently(partial(_download, uri, part))
    except (*STORE_ERRORS, OSError, ValueError) as error:
        if isinstance(error, STORE_ERRORS) and is_outage(error):
            raise
        raise UserError(
            f"{uri!r} is neither a path here nor an artifact of the tracking store: {error}"
        ) from error


def _download(uri: str, part: str | None) -> Path:
    if part is not None and uri.startswith(("models:/", "runs:/")):
        repository = get_artifact_repository(uri)
        if repository.list_artifacts(part):
            return Path(repository.download_artifacts(part))
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))


@kept
def log_metrics(metrics: dict[str, Any], *, step: int = 0) -> None:
    """Log numbers under their keys; a NaN (no such figure for this data) is left out."""
    mlflow.log_metrics({k: float(v) for k, v in metrics.items() if v == v}, step=step)
