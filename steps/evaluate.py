"""Evaluate an encoder: reconstruction error, and with labels all of `lunar_models.evaluation`."""

import math
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.labels import labels_for, read_depths
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.embedding import reconstruct_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import ConfigError, LabelsError
from lunar_models.evaluation import Evaluation, build_evaluation_set, evaluate
from lunar_models.export.tables import physical_table
from lunar_models.heads.physical import LEAST_MEASURED
from lunar_models.plots.evaluation import evaluation_figures
from lunar_models.plots.physics import depth_figure
from serving.cli.options import config_command
from serving.model.bundle import DOMAIN_FILE, GIVEN_FILE, HEAD_FILE, LABELS_FILE
from serving.model.schema import LabelSet
from steps.shared.inputs import digest, open_crops
from steps.shared.physics import measured_rows, predict_physics
from steps.shared.registry import embed_crop_set
from steps.shared.store import prepare
from steps.shared.tracking import (
    log_dataset,
    log_figures,
    log_folder,
    log_metrics,
    log_output,
    log_table,
    log_text,
    set_tag,
    step_run,
)

_SHOWN_TABLES = ("intervals", "baselines", "by_diameter", "by_band", "audit")
"""Tables that MLflow's pages show as tables, and compare over runs."""
_RECONSTRUCTED = 2048
"""Test crops on which the reconstruction error is measured."""


@config_command(EvaluateConfig)
def main(config: EvaluateConfig) -> None:
    """Evaluate an encoder on a crop set, with labels if there are any."""
    config = prepare(config)
    with step_run("evaluate", config, name="evaluate"):
        crop_set = open_crops(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="evaluation")
        labels = None if config.labels is None else _labels(crop_set, config)
        checkpoint, embeddings = embed_crop_set(crop_set, config.encoder_uri)
        set_tag("mlflow.runName", f"evaluate-{checkpoint.encoder.name}")
        if checkpoint.encoder.can_reconstruct:
            log_metrics({"reconstruction/mse": reconstruction_error(checkpoint, crop_set)})
        _judge_physics(checkpoint, crop_set, config)
        if labels is not None:
            _judge(crop_set, embeddings, labels, config)


def _labels(crop_set: CropSet, config: EvaluateConfig) -> pd.DataFrame:
    """The labels, refused before anything is embedded if they do not fit these crops."""
    labels = labels_for(config)
    build_evaluation_set(
        crop_set.metadata, labels, config, context_diameters=crop_set.info.context_diameters
    )
    return labels


def reconstruction_error(checkpoint: Checkpoint, crop_set: CropSet) -> float:
    """Mean squared error of normalised brightness over (at most 2,048) test crops.

    NaN where the crop set has no test crops.
    """
    rows = crop_set.indices("test")[:_RECONSTRUCTED]
    if not len(rows):
        return math.nan
    answers = (
        reconstruct_crops(checkpoint, crop_set.crops[part])
        for part in np.array_split(rows, max(1, len(rows) // 256))
    )
    errors = [np.square(seen - made).mean(axis=(1, 2)) for seen, made, _ in answers]
    return float(np.concatenate(errors).mean())


def _judge_physics(checkpoint: Checkpoint, crop_set: CropSet, config: EvaluateConfig) -> None:
    """Log the physical quantities, and how well depths agree with measured ones.

    Craters that corrected the depths do not judge them.
    """
    prediction = predict_physics(checkpoint, crop_set, config.calibrate)
    if prediction is None:
        if config.depths is not None:
            raise ConfigError(
                f"depths judges predicted depths, but encoder={checkpoint.encoder.name} predicts "
                "none; leave it out, or use encoder_uri=pretrained:…"
            )
        return
    craters = crop_set.metadata
    table = physical_table(prediction, craters["diameter_km"].to_numpy(), config.interval_levels)
    table.insert(0, "crater_id", craters["crater_id"])
    log_text(table.to_csv(index=False, float_format="%.6g"), "tables/physics.csv")
    if config.depths is None:
        return
    rows, depth = measured_rows(craters, read_depths(config.depths))
    if config.calibrate is not None:
        used = craters["crater_id"].iloc[rows].isin(read_depths(config.calibrate)["crater_id"])
        rows, depth = rows[~used], depth[~used]
    if len(rows) < LEAST_MEASURED:
        raise LabelsError(
            f"depths={config.depths} has {len(rows)} of these craters"
            f"{' beside those in calibrate' if config.calibrate else ''}; give at least "
            f"{LEAST_MEASURED}."
        )
    judged = prediction.take(rows)
    truth = np.column_stack([np.full(len(rows), np.nan), np.log(depth)])
    log_metrics({**judged.scores(truth), "physics/measured": float(len(rows))})
    log_figures({"figures/depth.png": depth_figure(judged, depth, seed=config.seed)})


def _judge(
    crop_set: CropSet,
    embeddings: npt.NDArray[np.float32],
    labels: pd.DataFrame,
    config: EvaluateConfig,
) -> None:
    evaluation = evaluate(
        embeddings,
        crop_set.metadata,
        labels,
        config,
        context_diameters=crop_set.info.context_diameters,
    )
    log_metrics(evaluation.metrics)
    set_tag("evaluation_digest", evaluation.digest)
    log_figures(evaluation_figures(evaluation))
    _log_tables(evaluation)
    with tempfile.TemporaryDirectory() as folder:
        evaluation.head.save(Path(folder) / HEAD_FILE)
        known = LabelSet(name=Path(str(config.labels)).name, digest=digest(str(config.labels)))
        (Path(folder) / LABELS_FILE).write_text(known.model_dump_json())
        given = evaluation.predictions[["crater_id", "state"]].set_axis(
            ["crater_id", "given_label"], axis=1
        )
        given.to_csv(Path(folder) / GIVEN_FILE, index=False)
        labelled = crop_set.metadata["crater_id"].isin(evaluation.predictions["crater_id"])
        TrainingDomain.of(crop_set.metadata[labelled]).save(Path(folder) / DOMAIN_FILE)
        log_output("head", log_folder(Path(folder), "head"))


def _log_tables(evaluation: Evaluation) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in (
            "intervals",
            "predictions",
            "confusion",
            "by_diameter",
            "by_band",
            "by_split",
            "baselines",
            "audit",
            "learning_curve",
            "rejected",
        ):
            table = getattr(evaluation, name)
            table.to_csv(Path(folder) / f"{name}.csv", index=name == "confusion")
        log_folder(Path(folder), "tables")
    for name in _SHOWN_TABLES:
        log_table(getattr(evaluation, name), f"evaluation/{name}.json")


if __name__ == "__main__":
    main()
