"""Reuse a finished run of a step with the same key instead of running it again.

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
from lunar_models.errors import CropSetError
from steps.shared.inputs import digest
from steps.shared.versions import ABSENT, find_aliases, find_version

KEY_TAG = "step_key"
OUTPUT_TAG = "output."

_CODE = ("lunar_models", "steps", "serving")
_CODE_SUFFIXES = (".py", ".html", ".css", ".js", ".svg")


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
    """Find the newest FINISHED run with this key whose products still are where it left them."""
    found = mlflow.search_runs(
        [experiment_id],
        filter_string=f"tags.{KEY_TAG} = '{key}' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return next((run for run in found if all(map(_exists, outputs(run).values()))), None)


def outputs(run: Run) -> dict[str, str]:
    """Return what a run made, by name: see `log_output`."""
    return {
        tag.removeprefix(OUTPUT_TAG): value
        for tag, value in run.data.tags.items()
        if tag.startswith(OUTPUT_TAG)
    }


def _exists(where: str) -> bool:
    client = mlflow.MlflowClient()
    try:
        if where.startswith("runs:/"):
            run_id, _, path = where.removeprefix("runs:/").partition("/")
            return bool(path) and bool(client.list_artifacts(run_id, path))
        if where.startswith("models:/m-"):
            return bool(client.list_logged_model_artifacts(where.removeprefix("models:/")))
        if where.startswith("models:/"):
            return _is_registered(where.removeprefix("models:/"))
    except mlflow.MlflowException as error:
        if error.error_code == ABSENT:
            return False
        raise
    if (Path(where) / INFO_FILE).exists():
        try:
            CropSet.open(where)
        except CropSetError:
            return False
    return bool(where) and Path(where).exists()


def _is_registered(place: str) -> bool:
    """Whether ``NAME/VERSION`` is there, and with ``@ALIAS`` whether the alias is.

    An alias may have moved to another version, or the version under another alias: somebody
    promoted it, and nothing is missing.
    """
    name, _, version = place.partition("/")
    number, _, alias = version.partition("@")
    if find_version(name, number) is None:
        return False
    aliases = find_aliases(name)
    return not alias or alias in aliases or number in aliases.values()
