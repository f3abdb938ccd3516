"""Compare the evaluations of different encoders."""

import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click
import mlflow
import pandas as pd
from mlflow.entities import Run

from lunar_models.config.compare import CompareConfig
from lunar_models.evaluation.paired_bootstrap import Candidate, compare
from lunar_models.plots.comparison import comparison_figure
from serving.cli.options import UserError, config_command
from steps.shared.store import prepare
from steps.shared.tracking import log_figures, log_folder, step_run

_RUN_ID = re.compile(r"[0-9a-f]{32}")


@config_command(CompareConfig)
def main(config: CompareConfig) -> None:
    """Compare evaluate runs on one evaluation set, by paired bootstrap."""
    config = prepare(config)
    with step_run("compare", config, name=f"compare-{len(config.runs)}") as run:
        candidates = {}
        for name in config.runs:
            found = find_evaluation(name, run.info.experiment_id)
            candidates[name] = Candidate(
                digest=found.data.tags["evaluation_digest"], predictions=read_predictions(found)
            )
        comparison = compare(
            candidates,
            reference=config.reference,
            drop_overlapping=config.drop_overlapping,
            replicates=config.bootstrap,
            level=config.interval,
            seed=config.seed,
        )
        with tempfile.TemporaryDirectory() as folder:
            comparison.metrics.to_csv(Path(folder) / "metrics.csv", index=False)
            comparison.differences.to_csv(Path(folder) / "differences.csv", index=False)
            log_folder(Path(folder), "tables")
        log_figures({"figures/comparison.png": comparison_figure(comparison)})
        mlflow.set_tag("reference", comparison.reference)
        click.echo(
            f"Differences from {comparison.reference}, the reference, on {comparison.judged} "
            "craters:"
        )
        click.echo(comparison.differences.to_string(index=False))


def find_evaluation(name: str, experiment_id: str) -> Run:
    """Return the evaluate run that a run id, a run name or a registered model stands for.

    Raises:
        UserError: there is none, several runs have this name, or it was made without labels.
    """
    found = [r for r in _candidates(name, experiment_id) if "evaluation_digest" in r.data.tags]
    if len(found) > 1 and not name.startswith("models:/"):
        ids = ", ".join(f"{run.info.run_id} of {_day(run)}" for run in found[:5])
        raise UserError(f"{len(found)} runs are called {name!r}; give the id of one: {ids}.")
    if found:
        return found[0]
    raise UserError(
        f"{name!r} names no evaluation with labels; run `-e evaluate` with labels first, or give "
        "the id of such a run."
    )


def _day(run: Run) -> str:
    return f"{datetime.fromtimestamp(run.info.start_time / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _candidates(name: str, experiment_id: str) -> list[Run]:
    """Runs that a name may stand for, the newest first; none where nothing has this name."""
    if name.startswith("models:/"):
        try:
            model_id = mlflow.models.get_model_info(name).model_id
        except mlflow.MlflowException:
            return []
        uris = f"models:/{model_id}", name
        return [
            run
            for uri in uris
            for run in _search(experiment_id, f"params.encoder_uri = {_quoted(uri)}")
        ]
    named = _search(experiment_id, f"attributes.run_name = {_quoted(name)}")
    if named or not _RUN_ID.fullmatch(name):
        return named
    try:
        return [mlflow.get_run(name)]
    except mlflow.MlflowException:
        return []


def _quoted(text: str) -> str:
    """As a value in a search.

    Raises:
        UserError: MLflow can write no value with both kinds of quotation marks.
    """
    mark = next((mark for mark in "'\"" if mark not in text), None)
    if mark is None:
        raise UserError(f"{text!r} holds both \" and ', which MLflow cannot search; give a run id.")
    return f"{mark}{text}{mark}"


def _search(experiment_id: str, where: str) -> list[Run]:
    runs: list[Run] = mlflow.search_runs(
        [experiment_id],
        filter_string=f"{where} and tags.step = 'evaluate' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time DESC"],
        output_format="list",
    )
    return runs


def read_predictions(run: Run) -> pd.DataFrame:
    """Return the out-of-fold predictions that an evaluate run left."""
    with tempfile.TemporaryDirectory() as folder:
        path = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="tables/predictions.csv", dst_path=folder
        )
        return pd.read_csv(path, dtype={"crater_id": str})


if __name__ == "__main__":
    main()
