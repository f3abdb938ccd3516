"""The whole pipeline: each step an MLflow run nested under this one."""

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
from steps.shared.report import MACHINE, log_report, where_to_look
from steps.shared.store import prepare
from steps.shared.tracking import PROJECT, log_metrics, step_run
from steps.shared.waiting import alone


@config_command(MainConfig)
def main(config: PipelineConfig) -> None:
    """Run the pipeline from a mosaic to a registered model; without data, on a synthetic Moon."""
    config = prepare(config)
    needed = needed_steps(config)
    config = with_service_model(config, needed)
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
                log_metrics(_comparable(done.data.metrics))
        log_report(mlflow.get_run(run.info.run_id), runs)
        where_to_look(run, runs)


def _comparable(metrics: dict[str, float]) -> dict[str, float]:
    """What is said about the result, not about the machine."""
    return {k: v for k, v in metrics.items() if not k.startswith(MACHINE)}


def _run_name(config: PipelineConfig, needed: list[Step]) -> str:
    if "train" not in (step.name for step in needed):
        return "+".join(step.name for step in needed)
    low, high, epochs = (
        getattr(config, name) for name in ("diameter_min_km", "diameter_max_km", "epochs")
    )
    sizes = f"{low or 0:g}-{high:g}km" if high else f"from-{low or 0:g}km"
    return f"{encoder_label(config)}-{sizes}-e{epochs}"


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
