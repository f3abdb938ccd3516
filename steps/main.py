"""Run the whole pipeline: each step an MLflow run nested under this one."""

import re
from pathlib import Path

import click
import mlflow
from mlflow.entities import Run
from mlflow.exceptions import ExecutionException

from lunar_models.config.base import StepConfig, specs
from lunar_models.config.train import encoder_label
from serving.cli.options import UserError, config_command
from steps.shared.cache import find_finished, outputs, step_key
from steps.shared.ending import close_children
from steps.shared.pipeline import (
    PIPELINE,
    MainConfig,
    PipelineConfig,
    Step,
    as_parameters,
    is_synthetic,
    needed_steps,
    step_values,
    with_service_model,
)
from steps.shared.report import log_report, where_to_look
from steps.shared.store import prepare
from steps.shared.tracking import PROJECT, log_metrics, step_run
from steps.shared.validation import check_pipeline
from steps.shared.waiting import alone

HEADLINES = frozenset(
    {
        "crops/count",
        "best/validation_loss",
        "reconstruction/mse",
        "probe/linear_qwk",
        "probe/linear_balanced_accuracy",
        "head/qwk",
        "head/balanced_accuracy",
        "cluster/count",
        "cluster/stability",
    }
)
"""Metrics of the steps that the pipeline's run has too; `docs/metrics.md` defines them."""

_TOLD_APART = (
    "crop_size_px",
    "context_diameters",
    "illumination",
    "normalisation",
    "highpass_sigma_px",
    "batch_size",
    "learning_rate",
    "augment",
    "seed",
    "head_kind",
    "method",
    "n_clusters",
    "selection",
    "scaling",
)


@config_command(MainConfig)
def main(config: PipelineConfig) -> None:
    """Run the pipeline from a mosaic to a registered model; without data, on a synthetic Moon."""
    config = prepare(config)
    needed = needed_steps(config)
    config = with_service_model(config, needed)
    check_pipeline(config, needed)
    if is_synthetic(needed):
        click.echo(
            "No data were given, so this runs on a SYNTHETIC Moon, and its model is registered as "
            f"{config.service_model}. For your own: -P mosaic=… -P catalogue=…, or -P crops=…."
        )
    with step_run("main", config, name=_run_name(config, needed)) as run:
        made: dict[str, str] = {}
        runs: dict[str, Run] = {}
        for step in PIPELINE:
            if step in needed:
                done = _run_or_reuse(step, config, made, run)
                runs[step.name] = done
                made |= {f"{step.name}.{k}": where for k, where in outputs(done).items()}
                # On the parent too, so that whole pipelines compare in the list of runs.
                log_metrics({k: v for k, v in done.data.metrics.items() if k in HEADLINES})
        log_report(mlflow.get_run(run.info.run_id), runs)
        where_to_look(run, runs)


def _run_name(config: PipelineConfig, needed: list[Step]) -> str:
    """Name a pipeline after its data, its encoder and the settings that are not the defaults."""
    names = {step.name for step in needed}
    given, n_epochs = (getattr(config, name) for name in ("encoder_uri", "epochs"))
    if "train" in names:
        encoder, epochs = encoder_label(config), [f"e{n_epochs}"]
    elif given is not None:
        encoder, epochs = _given_encoder(given), []
    else:
        return "-".join((*_data_name(config), "+".join(step.name for step in needed)))
    sizes = [_sizes(config)] if names & {"train", "preprocess"} else []
    return "-".join((*_data_name(config), encoder, *sizes, *epochs, *_special(config)))


def _sizes(config: PipelineConfig) -> str:
    low, high = (getattr(config, name) for name in ("diameter_min_km", "diameter_max_km"))
    return f"{low or 0:g}-{high:g}km" if high else f"from-{low or 0:g}km"


def _given_encoder(uri: str) -> str:
    """A URI or a folder in a word: craters-48, lunar-encoder@champion, run-0123abcd."""
    if uri.startswith("runs:/"):
        return f"run-{uri.removeprefix('runs:/')[:8]}"
    return re.sub(r"^(pretrained|models):/*", "", uri).rstrip("/").replace("/", "-").strip("-.")


def _data_name(config: PipelineConfig) -> list[str]:
    """The mosaic or the crop set in a word; nothing for a synthetic Moon."""
    given = getattr(config, "crops", None) or next(
        iter(getattr(config, "mosaic", None) or ()), None
    )
    return [Path(given).stem] if given else []


def _special(config: PipelineConfig) -> list[str]:
    """Settings that runs are told apart by, where they are not the defaults."""
    defaults = {spec.name: spec.default for spec in specs(type(config))}
    values = {name: getattr(config, name) for name in _TOLD_APART}
    return [f"{name}={value}" for name, value in values.items() if value != defaults[name]]


def _run_or_reuse(
    step: Step, config: PipelineConfig, made: dict[str, str], parent: mlflow.ActiveRun
) -> Run:
    """Run a step as a nested run, or find the finished run that did the same."""
    values = step_values(step, config, made)
    key = step_key(step.name, step.config(**values))
    experiment = parent.info.experiment_id
    # Named by content: runs with other parameters never overwrite each other.
    output = Path(config.data_dir) / f"{step.name}-{key[:8]}"
    with alone(
        output.with_name(f"{output.name}.step")
    ):  # two pipelines may share their first steps
        if config.cache and (finished := find_finished(key, experiment)):
            mlflow.set_tag(f"reused.{step.name}", finished.info.run_id)
            click.echo(f"{step.name}: nothing changed, reusing run {finished.info.run_name}")
            return finished
        if any(spec.role == "output" for spec in specs(step.config)):
            values["output"] = str(output)
        click.echo(f"{step.name}: running")
        return _run(step, step.config(**values), parent)


def _run(step: Step, config: StepConfig, parent: mlflow.ActiveRun) -> Run:
    try:
        submitted = mlflow.projects.run(
            uri=str(PROJECT),
            entry_point=step.name,
            parameters=as_parameters(config),
            experiment_id=parent.info.experiment_id,
            env_manager="local",
        )
    except ExecutionException as error:
        close_children(parent, "FAILED")
        raise UserError(
            f"Step {step.name} failed; what it said is above. Mend it and run the same command "
            "again: finished steps are reused."
        ) from error
    return mlflow.get_run(submitted.run_id)


if __name__ == "__main__":
    main()
