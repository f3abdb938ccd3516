"""Validate the inputs of all steps of a pipeline before the first one runs."""

from pathlib import Path
from typing import Any

import mlflow

from lunar_models.catalogue.labels import labels_for
from lunar_models.catalogue.table import read_catalogue
from lunar_models.config.base import StepConfig
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.inputs import open_mosaics
from lunar_models.errors import ConfigError
from serving.cli.options import UserError
from steps.shared.inputs import open_crops
from steps.shared.pipeline import PIPELINE, PipelineConfig, Step, step_values
from steps.shared.versions import find_version

PENDING = "(made by an earlier step)"
_ARTIFACTS = ("encoder_uri", "head", "clusters")


def check_pipeline(config: PipelineConfig, needed: list[Step]) -> None:
    """Build the config of each step and look at every file and URI that the user gave.

    A wrong path of labels is told now, not after an hour of training.

    Args:
        config: the parameters of `main`, aliases pinned.
        needed: the steps that will run.

    Raises:
        UserError: something that a URI names does not exist.
        LunarModelsError: a parameter, a mosaic, its coordinate reference system, a catalogue, a
            label table or a crop set cannot be used.
    """
    names = {step.name for step in needed}
    wires = {wire for step in PIPELINE for wire in step.wires.values()}
    made = {wire: PENDING for wire in wires if wire.partition(".")[0] in names}
    for step in needed:
        _check_step(step.config(**step_values(step, config, made)))


def _check_step(config: StepConfig) -> None:
    match config:
        case PreprocessConfig() if PENDING not in config.mosaic:
            open_mosaics(config)
            if not Path(config.catalogue).exists():
                raise ConfigError(f"catalogue={config.catalogue} does not exist; check the path.")
            read_catalogue(config.catalogue, columns=config.column_names)
        case EvaluateConfig() if config.labels not in (None, PENDING):
            labels_for(config)
        case _:
            pass
    crops = getattr(config, "crops", PENDING)
    if crops != PENDING:
        open_crops(crops)
    for name in _ARTIFACTS:
        _check_artifact(name, getattr(config, name, None))


def _check_artifact(name: str, uri: Any) -> None:
    """A URI of the tracking store or a path must lead somewhere."""
    if uri in (None, PENDING) or Path(uri).exists() or uri.startswith("models:/m-"):
        return
    scheme, _, rest = uri.partition(":/")
    owner, _, path = rest.partition("/")
    if scheme == "models":
        found = find_version(owner, path) is not None
    elif scheme == "runs":
        try:
            found = bool(mlflow.MlflowClient().list_artifacts(owner, path or None))
        except mlflow.MlflowException:
            found = False
    else:
        found = ":" in uri  # a store that is asked when it is needed
    if not found:
        raise UserError(f"{name}={uri} leads nowhere: check the path, or the run in `mlflow ui`.")
