"""Train with many parameter combinations as nested runs, and mark the best."""

import itertools
import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import mlflow
import optuna
from mlflow.entities import RunInfo
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from lunar_models.config.base import ParamSpec
from lunar_models.config.sweep import SweepConfig
from lunar_models.config.train import deciding_specs
from lunar_models.errors import ConfigError
from serving.batch.engines import Engine, Task
from serving.cli.options import UserError, config_command, from_text, to_text
from steps.shared.descriptions import MODEL_TRAINING
from steps.shared.ending import close_children
from steps.shared.inputs import open_crops
from steps.shared.store import prepare
from steps.shared.tracking import step_run
from steps.shared.trainings import Training, run_training, training_engine

Distributions = dict[str, optuna.distributions.BaseDistribution]


@config_command(SweepConfig)
def main(config: SweepConfig) -> None:
    """Search train's parameters; each trial is a nested train run."""
    config = prepare(config)
    space = parse_space(config.space)
    grid = _combinations(space, config.trials) if config.method == "grid" else None
    open_crops(config.crops)  # what no training could read is told once, before the first
    with step_run("sweep", config, name=f"sweep-{'-'.join(space)}") as run:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        sampler = optuna.samplers.TPESampler(seed=config.seed)
        study = optuna.create_study(direction=config.direction, sampler=sampler)
        for combination in grid or ():
            study.enqueue_trial(combination)
        wanted = config.trials if grid is None else len(grid)
        with closing(training_engine(config.engine, config.address, config.workers)) as engine:
            at_once = engine.capacity if grid is None else wanted
            for begun in range(0, wanted, at_once):
                trials = [study.ask(space) for _ in range(min(at_once, wanted - begun))]
                _train(study, trials, config, run.info, engine)
        finished = [t for t in study.trials if t.value is not None]
        if not finished:
            close_children(run, "FAILED")
            raise UserError("No training of the sweep finished; what each said is above.")
        best = study.best_trial
        mlflow.MlflowClient().set_tag(best.user_attrs["run_id"], "best", "true")
        mlflow.log_metric(config.metric, float(best.values[0]))
        mlflow.log_params({f"best.{name}": value for name, value in best.params.items()})
        mlflow.set_tag("best_run", best.user_attrs["run_id"])
        mlflow.set_tag(MLFLOW_RUN_NOTE, _note(finished, config, run.info.experiment_id))
        columns = ("number", "value", "params", "user_attrs")
        table = study.trials_dataframe(columns).rename(columns={"value": config.metric})
        mlflow.log_text(table.to_csv(index=False), "tables/trials.csv")
        click.echo(f"Best of {len(finished)}: {best.params}, {config.metric}={best.value:.5g}")


def parse_space(text: str) -> Distributions:
    """Parse ``latent_dim=6|20;learning_rate=1e-4..1e-2`` as Optuna distributions.

    Raises:
        UserError: not a parameter of train, or a value it does not take.
    """
    known = {spec.name: spec for spec in deciding_specs()}
    space: Distributions = {}
    for item in filter(None, (part.strip() for part in text.split(";"))):
        name, _, values = item.partition("=")
        if name not in known or not values:
            raise UserError(
                f"space: {item!r} is not NAME=A|B|… or NAME=LOW..HIGH with a parameter of train "
                f"({', '.join(known)})."
            )
        space[name] = _distribution(known[name], values)
    if not space:
        raise UserError("space is empty; give at least one parameter of train.")
    return space


def _distribution(spec: ParamSpec, values: str) -> optuna.distributions.BaseDistribution:
    if ".." not in values:
        return optuna.distributions.CategoricalDistribution(
            [to_text(spec, _read(spec, value)) for value in values.split("|")]
        )
    low, high = (_read(spec, value) for value in values.split("..", 1))
    if spec.type not in (int, float) or not low < high:
        raise UserError(f"space: {spec.name}={values} is not a range of numbers, low to high.")
    if spec.type is int:
        return optuna.distributions.IntDistribution(low, high, log=low > 0)
    return optuna.distributions.FloatDistribution(low, high, log=low > 0)


def _note(trials: list[optuna.trial.FrozenTrial], config: SweepConfig, experiment_id: str) -> str:
    """What the run's page says: where the UI compares the trials."""
    runs = quote(json.dumps([trial.user_attrs["run_id"] for trial in trials]))
    experiments = quote(json.dumps([experiment_id]))
    page = f"#/compare-runs?runs={runs}&experiments={experiments}&{MODEL_TRAINING}"
    return f"[Compare the {len(trials)} trainings]({page}): choose the metric `{config.metric}`."


def _read(spec: ParamSpec, text: str) -> Any:
    try:
        return from_text(spec, text.strip())
    except ConfigError as error:
        raise UserError(f"space: {error}") from error


def _combinations(space: Distributions, most: int) -> list[dict[str, Any]]:
    """Every combination of listed values, for method=grid.

    Raises:
        UserError: a range, or more combinations than `most`.
    """
    for name, distribution in space.items():
        if not isinstance(distribution, optuna.distributions.CategoricalDistribution):
            raise UserError(f"space: {name} is a range; list values for method=grid, or use tpe.")
    choices = [d.choices for d in space.values()]
    grid = [dict(zip(space, values, strict=True)) for values in itertools.product(*choices)]
    if len(grid) > most:
        raise UserError(
            f"space has {len(grid)} combinations, trials={most} is fewer; give trials={len(grid)}, "
            "or list fewer values."
        )
    return grid


def _trainings(trials: list[optuna.Trial], config: SweepConfig, parent: RunInfo) -> list[Training]:
    threads = max(1, len(os.sched_getaffinity(0)) // config.workers)
    fixed = {
        "crops": str(Path(config.crops).resolve()),
        "epochs": config.epochs,
        "seed": config.seed,
        "registered_model": "none",
    }
    return [
        Training(
            number=trial.number,
            parameters={name: str(value) for name, value in (fixed | trial.params).items()},
            parent_id=parent.run_id,
            experiment_id=parent.experiment_id,
            tracking_uri=mlflow.get_tracking_uri(),
            folder=str(Path.cwd()),
            threads=threads if config.engine == "local" else 1,
        )
        for trial in trials
    ]


def _train(
    study: optuna.Study,
    trials: list[optuna.Trial],
    config: SweepConfig,
    parent: RunInfo,
    engine: Engine,
) -> None:
    """Train all trials and tell the study; one that fails counts as such and stops no other."""
    trainings = _trainings(trials, config, parent)
    numbered = {trial.number: trial for trial in trials}
    values: dict[int, float] = {}
    for ended in engine.run([Task(run_training, (training,)) for training in trainings]):
        trial = numbered[ended.task.arguments[0].number]
        if ended.error is not None:
            click.echo(
                f"Training {trial.number} with {trial.params} failed: {ended.error}", err=True
            )
            trial.set_user_attr("error", str(ended.error))
            continue
        trial.set_user_attr("run_id", ended.result.run_id)
        metrics = ended.result.metrics
        if config.metric not in metrics:
            raise UserError(f"train logs no {config.metric!r}; choose one of {', '.join(metrics)}.")
        values[trial.number] = metrics[config.metric]
    for trial in trials:  # in their order, so that a search does not depend on which was faster
        if trial.number in values:
            study.tell(trial, values[trial.number])
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)


if __name__ == "__main__":
    main()
