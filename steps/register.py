"""Assemble the served model and register it."""

import tempfile
from dataclasses import replace
from pathlib import Path

import click
import mlflow
import pandas as pd
from mlflow.models.model import ModelInfo

from lunar_models.clustering import ClusterModel
from lunar_models.config.register import RegisterConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import measure_crops, score_crops
from lunar_models.encoders.checkpoint import Checkpoint
from serving.cli.options import UserError, config_command
from serving.model.reference_set import reference_set
from steps.shared.inputs import digest, open_crops
from steps.shared.physics import calibrated
from steps.shared.promotion import claim_alias
from steps.shared.registry import embed_crop_set, golden_crops, log_service_model
from steps.shared.store import prepare
from steps.shared.tracking import (
    log_dataset,
    log_output,
    resolve_artifacts,
    set_tag,
    step_run,
)

_KAPPA = "head/qwk"


@config_command(RegisterConfig)
def main(config: RegisterConfig) -> None:
    """Assemble encoder, head and clusters into the served model, and register it."""
    config = prepare(config)
    with step_run("register", config, name=config.service_model):
        crop_set = open_crops(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="reference")
        assemble_and_publish(crop_set, config)


def assemble_and_publish(crop_set: CropSet, config: RegisterConfig) -> None:
    """Assemble the served model within the active run, register it and give it an alias.

    Raises:
        UserError: the head comes from no evaluation.
    """
    judgement = _judgement(config.head)  # first: it may fail, and the rest takes long
    checkpoint, embeddings = embed_crop_set(crop_set, config.encoder_uri)
    checkpoint = replace(
        calibrated(checkpoint, crop_set, config.calibrate), interval_levels=config.interval_levels
    )
    lineage = _lineage(checkpoint, crop_set, config) | judgement
    head, clusters = (
        None if uri is None else resolve_artifacts(uri) for uri in (config.head, config.clusters)
    )
    with tempfile.TemporaryDirectory() as folder:
        model = None if clusters is None else ClusterModel.load(clusters)
        scores = score_crops(checkpoint, crop_set.crops)
        known, encoder = Path(folder) / "neighbours", Path(folder) / "encoder"
        reference_set(
            crop_set,
            embeddings,
            clusters=model,
            scores=scores,
            physics=measure_crops(checkpoint, crop_set.crops),
        ).save(known)
        checkpoint.save(encoder)
        info = log_service_model(
            encoder=encoder,
            head=head,
            clusters=clusters,
            neighbours=known,
            golden_crops=checkpoint.cut(golden_crops(crop_set)),
            registered_model=config.service_model,
            tags=lineage,
            description=_describe(checkpoint, crop_set, config, lineage),
        )
    _publish(info, config, tells_depth=checkpoint.encoder.residual_table() is not None)


def _publish(info: ModelInfo, config: RegisterConfig, *, tells_depth: bool) -> None:
    """Assign the alias to the new version, and record it on the run."""
    name, number = config.service_model, str(info.registered_model_version)
    version = mlflow.MlflowClient().get_model_version(name, number)
    alias = None if config.alias is None else claim_alias(version, config.alias)
    set_tag("model_version", number)
    log_output("model", info.model_uri)
    log_output("version", f"models:/{name}/{number}" + (f"@{alias}" if alias else ""))
    click.echo(f"Registered {name} version {number}{f' as @{alias}' if alias else ''}.")
    if alias != config.alias:
        click.echo(
            f"{name}@{config.alias} stays as it is: `mlflow run . -e promote -P service_model="
            f"{name}` judges the challenger and puts it into service if it is better."
        )
    if config.head is None and tells_depth:
        click.echo("It has no head: its states are those of the predicted depth (physics.state).")
    elif config.head is None:
        click.echo("It has no head, so it tells no states: give labels to get them.")


def _lineage(checkpoint: Checkpoint, crop_set: CropSet, config: RegisterConfig) -> dict[str, str]:
    return {
        "encoder": checkpoint.encoder.name,
        "encoder_uri": config.encoder_uri,
        "crops_digest": crop_set.info.digest,
        **{f"{name}_uri": uri for name, uri in _given(config).items()},
        **({} if config.calibrate is None else {"calibrate_digest": digest(config.calibrate)}),
    }


def _judgement(head: str | None) -> dict[str, str]:
    """The evaluation that fitted the head: run, digest, and metrics with their intervals."""
    if head is None or not head.startswith("runs:/"):
        return {}
    run = mlflow.get_run(head.removeprefix("runs:/").partition("/")[0])
    if "evaluation_digest" not in run.data.tags:
        raise UserError(f"head={head} does not come from an evaluate run; run evaluate again.")
    intervals = pd.read_csv(resolve_artifacts(f"runs:/{run.info.run_id}/tables") / "intervals.csv")
    judged = intervals[intervals["metric"].str.startswith("head/")]
    labels = {k: run.data.tags[f"labels_{k}"] for k in ("name", "digest")
              if f"labels_{k}" in run.data.tags}  # fmt: skip
    return {
        **({"labels": " ".join(labels.values())} if labels else {}),
        "evaluation_run": run.info.run_id,
        "evaluation_digest": run.data.tags["evaluation_digest"],
        **{str(row.metric): f"{row.value:.4f} [{row.low:.4f}, {row.high:.4f}]"
           for row in judged.itertuples()},
    }  # fmt: skip


def _given(config: RegisterConfig) -> dict[str, str]:
    parts = {"head": config.head, "clusters": config.clusters}
    return {name: uri for name, uri in parts.items() if uri is not None}


def _describe(
    checkpoint: Checkpoint, crop_set: CropSet, config: RegisterConfig, lineage: dict[str, str]
) -> str:
    encoder = checkpoint.encoder
    answers = ["embedding", *("state" if p == "head" else "cluster" for p in _given(config))]
    quality = "" if _KAPPA not in lineage else (
        f" In spatial cross-validation its states agree with the labels at a weighted kappa of "
        f"{lineage[_KAPPA]}."
    )  # fmt: skip
    if "labels" in lineage:
        quality += f" Its head was fitted on the labels {lineage['labels']}."
    if config.calibrate is not None:
        quality += f" Its depths are corrected by measured ones of {Path(config.calibrate).name}."
    return (
        f"Answers with {', '.join(answers)} and the nearest of {len(crop_set):,} craters. "
        f"Encoder {encoder.name}, {encoder.embedding_dim} dimensions, crops of "
        f"{encoder.crop_size_px} px spanning {checkpoint.context_diameters:g} crater diameters."
        f"{quality}"
    )


if __name__ == "__main__":
    main()
