"""Describe runs and experiments on MLflow's pages, with links to what they hold."""

import re
from functools import partial

import mlflow
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

MODEL_TRAINING = "workflowType=machine_learning"
"""Makes MLflow's pages those of model training; else they open with those of agents."""

MLFLOW_EXPERIMENT_NOTE = "mlflow.note.content"
_ABOUT = (
    "Lunar craters: which look alike, how worn each is. Runs of `main` hold a whole pipeline, with "
    "`report.html` and its steps nested below; `tables/freshest.csv` of a cluster run ranks them."
)
_NOTES = {
    "main": "The whole pipeline; the answer is in [report.html]({report.html}), the steps are "
    "nested below.",
    "synthesize": "A synthetic Moon with known truth.",
    "preprocess": "One aligned crop per crater, cut out of the mosaic.",
    "train": "An encoder trained without labels: [both losses]({figures/loss_curve.png}) on one "
    "chart, reconstructions (the last under Model metrics) and the checkpoint.",
    "evaluate": "What the encoder's embedding knows, judged on spatial blocks apart.",
    "cluster": "Craters in groups and by degradation: tables, maps, and "
    "[explore.html]({explore.html}).",
    "analyse": "Sizes, ages and maps of a region's craters.",
    "register": "The served model: encoder, head, clusters and reference craters.",
    "promote": "Whether a challenger is better than the champion, and what became of it.",
    "compare": "Several evaluations side by side, by paired bootstrap.",
    "sweep": "Trainings with several settings, nested below.",
    "import_checkpoint": "An autoencoder of the original pipeline, registered.",
    "export": "An encoder in the formats of other programs: Hugging Face layout and ONNX.",
    "download": "Catalogue and mosaic, fetched and verified.",
}
"""Descriptions of runs, by step; an artifact in braces becomes a link to it."""


def describe(run: mlflow.ActiveRun, step: str) -> None:
    """Say on the pages of run and experiment what they are, where nobody has said it yet."""
    if MLFLOW_RUN_NOTE not in run.data.tags:
        text = _NOTES.get(step, f"Step {step}.")
        link = partial(_to_artifact, run)
        mlflow.set_tag(MLFLOW_RUN_NOTE, re.sub(r"\{([^}]+)\}", link, text))
    experiment = mlflow.get_experiment(run.info.experiment_id)
    if (
        "mlflow.experimentKind" not in experiment.tags
    ):  # of the experiment; the pages do not follow it
        mlflow.set_experiment_tag("mlflow.experimentKind", "custom_model_development")
    if MLFLOW_EXPERIMENT_NOTE not in experiment.tags:
        mlflow.set_experiment_tag(MLFLOW_EXPERIMENT_NOTE, _ABOUT)


def _to_artifact(run: mlflow.ActiveRun, found: re.Match[str]) -> str:
    return artifact_page(run.info.experiment_id, run.info.run_id, found[1])


def artifact_page(experiment_id: str, run_id: str, path: str) -> str:
    """Where MLflow's pages show an artifact, relative to their root."""
    page = f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{path}"
    return f"{page}?{MODEL_TRAINING}"
