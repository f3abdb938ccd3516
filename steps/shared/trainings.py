"""Run the trainings of a sweep, each as a nested run, on an engine for tasks."""

import os
from pathlib import Path
from typing import NamedTuple

import mlflow
import torch
from mlflow.utils import mlflow_tags

from serving.batch.engines import Engine, ProcessEngine

TRIAL_TAG = "trial"
_PROJECT = Path(__file__).resolve().parents[2]


class Training(NamedTuple):
    """One training, as a process on any machine can run it."""

    number: int
    """Of the trial."""
    parameters: dict[str, str]
    """Of train."""
    parent_id: str
    experiment_id: str
    tracking_uri: str
    folder: str
    """Relative paths are relative to it; it must be there on every machine."""
    threads: int


class Trained(NamedTuple):
    """What came of it."""

    run_id: str
    metrics: dict[str, float]


def training_engine(engine: str, address: str, workers: int) -> Engine:
    """Start what trainings run on: processes of this machine, or a Ray cluster.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers.
    """
    if engine == "local":
        return ProcessEngine(workers, preload=())
    from serving.batch.ray_engine import RayEngine

    return RayEngine(address, workers=workers, gpus=torch.cuda.is_available())


def run_training(training: Training) -> Trained:
    """Train in this process, in a run below the sweep's.

    One that is begun again, since its process died, goes on in the same run.

    Raises:
        LunarModelsError, UserError: as the train step.
    """
    from steps.train import main

    os.chdir(training.folder)
    torch.set_num_threads(training.threads)
    mlflow.set_tracking_uri(training.tracking_uri)
    run_id = _own_run(training)
    os.environ |= {
        "MLFLOW_TRACKING_URI": training.tracking_uri,
        "MLFLOW_EXPERIMENT_ID": training.experiment_id,
        "MLFLOW_RUN_ID": run_id,  # as `mlflow run` tells a step; starting the run removes it
    }
    try:
        options = [part for k, v in training.parameters.items() for part in (f"--{k}", v)]
        main.main(options, standalone_mode=False)
    finally:
        os.environ.pop("MLFLOW_RUN_ID", None)
    return Trained(run_id, mlflow.get_run(run_id).data.metrics)


def _own_run(training: Training) -> str:
    client = mlflow.MlflowClient()
    mine = {mlflow_tags.MLFLOW_PARENT_RUN_ID: training.parent_id, TRIAL_TAG: str(training.number)}
    query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in mine.items())
    if found := client.search_runs([training.experiment_id], query):
        return str(found[0].info.run_id)
    parent = client.get_run(training.parent_id)
    made_by = {
        mlflow_tags.MLFLOW_SOURCE_NAME: str(_PROJECT),
        mlflow_tags.MLFLOW_SOURCE_TYPE: "PROJECT",
        mlflow_tags.MLFLOW_PROJECT_ENTRY_POINT: "train",
        mlflow_tags.MLFLOW_USER: parent.data.tags.get(mlflow_tags.MLFLOW_USER, ""),
    }
    return str(client.create_run(training.experiment_id, tags=mine | made_by).info.run_id)
