"""Assemble the served model and put it into the registry."""

import tempfile
from pathlib import Path

import click
import mlflow

from lunar_models.clustering import ClusterModel
from lunar_models.config.register import RegisterConfig
from lunar_models.crops import CropSet
from lunar_models.encoders.checkpoint import Checkpoint
from serving.reference import reference_set
from steps._options import options_from
from steps._registry import embed_crop_set, find_encoder, golden_crops, log_service_model
from steps._tracking import log_dataset, log_output, resolve_artifacts, step_run


@click.command()
@options_from(RegisterConfig)
def main(config: RegisterConfig) -> None:
    """Assemble encoder, head and clusters into the served model, and register it."""
    with step_run("register", config, name=config.service_model):
        crop_set = CropSet.open(config.crops)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="reference")
        checkpoint, embeddings = embed_crop_set(crop_set, config.encoder_uri)
        head, clusters = (
            None if uri is None else resolve_artifacts(uri)
            for uri in (config.head, config.clusters)
        )
        with tempfile.TemporaryDirectory() as folder:
            model = None if clusters is None else ClusterModel.load(clusters)
            reference_set(crop_set, embeddings, clusters=model).save(folder)
            info = log_service_model(
                encoder=find_encoder(config.encoder_uri),
                head=head,
                clusters=clusters,
                neighbours=Path(folder),
                golden_crops=golden_crops(crop_set),
                registered_model=config.service_model,
                tags=_lineage(checkpoint, crop_set, config),
                description=_describe(checkpoint, crop_set, config),
            )
        version = str(info.registered_model_version)
        mlflow.set_tag("model_version", version)
        if config.alias is not None:
            mlflow.MlflowClient().set_registered_model_alias(
                config.service_model, config.alias, version
            )
        log_output("model", info.model_uri)
        click.echo(f"Registered {config.service_model} version {version} as @{config.alias}.")


def _lineage(checkpoint: Checkpoint, crop_set: CropSet, config: RegisterConfig) -> dict[str, str]:
    return {
        "encoder": checkpoint.encoder.name,
        "encoder_uri": config.encoder_uri,
        "crops_digest": crop_set.info.digest,
        **{f"{name}_uri": uri for name, uri in _given(config).items()},
    }


def _given(config: RegisterConfig) -> dict[str, str]:
    parts = {"head": config.head, "clusters": config.clusters}
    return {name: uri for name, uri in parts.items() if uri is not None}


def _describe(checkpoint: Checkpoint, crop_set: CropSet, config: RegisterConfig) -> str:
    encoder = checkpoint.encoder
    answers = ["embedding", *("state" if p == "head" else "cluster" for p in _given(config))]
    return (
        f"Answers with {', '.join(answers)} and the nearest of {len(crop_set):,} craters. "
        f"Encoder {encoder.name}, {encoder.embedding_dim} dimensions, crops of "
        f"{encoder.crop_size_px} px spanning {checkpoint.context_diameters:g} crater diameters."
    )


if __name__ == "__main__":
    main()
