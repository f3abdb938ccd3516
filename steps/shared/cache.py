"""The step cache: a step whose key was seen before need not run again.

The key is a hash of the entry point, its settings, the content of its inputs and the code, so a
changed parameter redoes just the steps that depend on it.
"""

import functools
import hashlib
import json
from pathlib import Path

import mlflow
from mlflow.entities import Run

from lunar_models.config.base import StepConfig, specs
from lunar_models.crops.crop_set import INFO_FILE, CropSet

KEY_TAG = "step_key"
OUTPUT_TAG = "output."

_CODE = ("lunar_models", "steps", "serving")
_CODE_SUFFIXES = (".py", ".html", ".css", ".js", ".svg")
_WHOLE_FILE_BYTES = 2**26
_SAMPLES = 64
_SAMPLE_BYTES = 2**18


def step_key(step: str, config: StepConfig) -> str:
    """Hash of all that decides the result of a step."""
    parts: dict[str, object] = {"step": step, "code": code_digest()}
    for spec in specs(type(config)):
        value = getattr(config, spec.name)
        if spec.role == "setting":
            parts[spec.name] = value
        elif spec.role == "input" and value is not None:
            paths = value if isinstance(value, tuple) else (value,)
            parts[spec.name] = [digest(path) for path in paths]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def digest(path: str) -> str:
    """Content digest of an input.

    A crop set has its own; a folder's is that of its files; MLflow URIs name immutable things and
    stand for themselves. Of a file over 64 MiB, the size, the modification time and 64 evenly
    spread samples count: hashing a 6 GB mosaic for each run would cost more than the step.
    """
    place = Path(path)
    if (place / INFO_FILE).is_file():
        return CropSet.open(place).info.digest
    if place.is_dir():
        files = sorted(p for p in place.rglob("*") if p.is_file())
        lines = [f"{p.relative_to(place)} {digest(str(p))}" for p in files]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return file_digest(place) if place.is_file() else path


def file_digest(file: Path) -> str:
    """sha256 of a file, sampled above 64 MiB (see `digest`)."""
    status = file.stat()
    if status.st_size <= _WHOLE_FILE_BYTES:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    sha = hashlib.sha256(f"{status.st_size} {status.st_mtime_ns}".encode())
    with file.open("rb") as stream:
        for i in range(_SAMPLES):
            stream.seek(i * (status.st_size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            sha.update(stream.read(_SAMPLE_BYTES))
    return sha.hexdigest()


@functools.cache
def code_digest() -> str:
    """sha256 over the project's code: Python, and the pages that go with it."""
    root = Path(__file__).resolve().parents[2]
    sha = hashlib.sha256()
    for package in _CODE:
        for file in sorted(p for p in (root / package).rglob("*") if p.suffix in _CODE_SUFFIXES):
            sha.update(file.relative_to(root).as_posix().encode())
            sha.update(file.read_bytes())
    return sha.hexdigest()


def find_finished(key: str, experiment_id: str) -> Run | None:
    """The newest FINISHED run with this key whose outputs still exist, if any."""
    found = mlflow.search_runs(
        [experiment_id],
        filter_string=f"tags.{KEY_TAG} = '{key}' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return next((run for run in found if all(map(_exists, outputs(run).values()))), None)


def outputs(run: Run) -> dict[str, str]:
    """What a run made, by name: see `log_output`."""
    return {
        tag.removeprefix(OUTPUT_TAG): value
        for tag, value in run.data.tags.items()
        if tag.startswith(OUTPUT_TAG)
    }


def _exists(where: str) -> bool:
    if where.startswith("runs:/"):
        run_id, _, path = where.removeprefix("runs:/").partition("/")
        return bool(mlflow.MlflowClient().list_artifacts(run_id, path))
    if where.startswith("models:/m-"):
        try:
            mlflow.get_logged_model(where.removeprefix("models:/"))
        except mlflow.MlflowException:
            return False
        return True
    return Path(where).exists()
