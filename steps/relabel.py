"""Fit the head on new labels, judge it as the version in service was judged, and register it."""

import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd

from lunar_models.arrays import FloatArray
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.config.register import RegisterConfig
from lunar_models.config.relabel import RelabelConfig
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.training_domain import TrainingDomain
from lunar_models.evaluation import build_evaluation_set
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.head_fitting import fit_head
from lunar_models.evaluation.predictions import predict_held_out
from lunar_models.evaluation.scores import intervals_table, score_clusters, score_predictions
from lunar_models.labelling.reading import VoteSet, read_votes
from serving.cli.options import config_command
from serving.model.bundle import DOMAIN_FILE, GIVEN_FILE, HEAD_FILE, LABELS_FILE
from serving.model.schema import LabelSet
from steps.register import assemble_and_publish
from steps.shared.champion_evaluation import champion_evaluation_set, training_labels
from steps.shared.inputs import open_crops
from steps.shared.label_report import (
    consensus_labels,
    log_agreement,
    log_model_view,
    write_page,
)
from steps.shared.registry import embed_crop_set
from steps.shared.store import prepare
from steps.shared.tracking import (
    log_dataset,
    log_folder,
    log_metrics,
    log_output,
    set_tag,
    step_run,
)
from steps.shared.versions import find_version


@config_command(RelabelConfig)
def main(config: RelabelConfig) -> None:
    """Fit a head on labels, judge it on the champion's evaluation set, register a challenger."""
    config = prepare(config)
    with step_run("relabel", config, name=f"relabel-{config.service_model}"):
        crop_set = open_crops(config.crops)
        votes = read_votes(config.votes, scheme=config.scheme, states=config.label_order)
        log_dataset(config.crops, name="crops", digest=crop_set.info.digest, context="training")
        log_dataset(config.votes, name="votes", digest=votes.digest, context="labels")
        consensus, sections = log_agreement(votes, config)
        labels = consensus_labels(consensus, votes.states)
        settings = _settings(config)
        own = build_evaluation_set(
            crop_set.metadata, labels, settings, context_diameters=crop_set.info.context_diameters
        )
        champion = find_version(config.service_model, config.champion)
        frozen = (champion_evaluation_set(champion, crop_set) if champion else None) or own
        _, embeddings = embed_crop_set(crop_set, config.encoder_uri)
        _judge(frozen, labels, crop_set, embeddings, config)
        sections += log_model_view(consensus, crop_set, embeddings, votes.states, config)
        write_page(sections, votes)
        head = _log_head(own, votes, crop_set, embeddings, settings)
        register = RegisterConfig(
            encoder_uri=config.encoder_uri, crops=config.crops, head=head,
            clusters=config.clusters, service_model=config.service_model, alias=config.champion,
        )  # fmt: skip
        assemble_and_publish(crop_set, register)
        click.echo(f"Its head was fitted on {votes.name}, {len(own.table):,} craters, digest "
                   f"{votes.digest[:12]}.")  # fmt: skip


def _settings(config: RelabelConfig) -> EvaluateConfig:
    return EvaluateConfig(
        crops=config.crops, encoder_uri=config.encoder_uri, block_deg=config.block_deg,
        folds=config.folds, neighbours=config.neighbours, bootstrap=config.bootstrap,
        interval=config.interval, head_kind=config.head_kind,
        conformal_level=config.conformal_level, abstain_below=config.abstain_below,
        seed=config.seed,
    )  # fmt: skip


def _judge(
    frozen: EvaluationSet,
    labels: pd.DataFrame,
    crop_set: CropSet,
    embeddings: FloatArray,
    config: RelabelConfig,
) -> None:
    """Log metrics and predictions on the evaluation set, as an evaluate run has them."""
    training, frozen = training_labels(frozen, labels, crop_set, embeddings, config.block_deg)
    chosen = np.asarray(embeddings[frozen.position], np.float64)
    predictions = predict_held_out(chosen, frozen, training, _settings(config))
    judged = predictions[~predictions["overlaps_training"]]
    options = {"n_states": len(frozen.states), "replicates": config.bootstrap, "seed": config.seed}
    scores = score_predictions(judged, **options) | score_clusters(predictions, **options)
    log_metrics({name: score.value for name, score in scores.items()})
    set_tag("evaluation_digest", frozen.digest)
    with tempfile.TemporaryDirectory() as folder:
        predictions.to_csv(Path(folder) / "predictions.csv", index=False)
        intervals = intervals_table(scores, config.interval)
        intervals.to_csv(Path(folder) / "intervals.csv", index=False)
        log_folder(Path(folder), "tables")


def _log_head(
    own: EvaluationSet,
    votes: VoteSet,
    crop_set: CropSet,
    embeddings: FloatArray,
    settings: EvaluateConfig,
) -> str:
    """Fit the head on all labels and log it, with the name of the labels; returns its URI."""
    ranks, folds = (own.table[name].to_numpy() for name in ("rank", "fold"))
    fitted = fit_head(
        np.asarray(embeddings[own.position], np.float64), ranks, folds, states=own.states,
        kind=settings.head_kind, conformal_level=settings.conformal_level,
        abstain_below=settings.abstain_below,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        fitted.head.save(Path(folder) / HEAD_FILE)
        TrainingDomain.of(crop_set.metadata.iloc[own.position]).save(Path(folder) / DOMAIN_FILE)
        labels = LabelSet(name=votes.name, digest=votes.digest)
        (Path(folder) / LABELS_FILE).write_text(labels.model_dump_json())
        given = own.table[["crater_id", "state"]].set_axis(["crater_id", "given_label"], axis=1)
        given.to_csv(Path(folder) / GIVEN_FILE, index=False)
        uri = log_folder(Path(folder), "head")
    log_output("head", uri)
    return uri


if __name__ == "__main__":
    main()
