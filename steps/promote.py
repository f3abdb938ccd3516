"""Promote a challenger to champion if it is better and passes the serving checks."""

from functools import partial

import click
import mlflow
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from lunar_models.config.promote import PromoteConfig
from lunar_models.evaluation.paired_bootstrap import Candidate, compare
from serving.cli.options import UserError, config_command
from serving.model.checks import Check, serving_checks
from steps.compare import read_predictions
from steps.shared.outage import patiently
from steps.shared.promotion import (
    LEASE_SECONDS,
    drop_alias,
    exclusive,
    note,
    promote_version,
    roll_back,
)
from steps.shared.store import prepare
from steps.shared.tracking import log_metrics, step_run
from steps.shared.versions import find_version


@config_command(PromoteConfig)
def main(config: PromoteConfig) -> None:
    """Promote the challenger if it beats the champion and passes the serving checks."""
    config = prepare(config)
    name = f"{'rollback' if config.rollback else 'promote'}-{config.service_model}"
    with step_run("promote", config, name=name):
        if config.rollback:
            _roll_back(config)
            return
        champion = find_version(config.service_model, config.champion)
        challenger = _challenger(config, champion)
        why = _judge(challenger, champion, config)
        with exclusive(config.service_model, wait_seconds=4 * LEASE_SECONDS):
            _check_challenger(challenger, config)
            promote_version(challenger, champion, alias=config.champion, why=why)
            if not config.challenger.isdigit():
                drop_alias(challenger, config.challenger)
        click.echo(
            f"{config.service_model}@{config.champion} is version {challenger.version}: {why}"
        )


def _roll_back(config: PromoteConfig) -> None:
    with exclusive(config.service_model, wait_seconds=4 * LEASE_SECONDS):
        champion = find_version(config.service_model, config.champion)
        found = roll_back(champion, service_model=config.service_model, alias=config.champion)
    click.echo(f"{config.service_model}@{config.champion} is version {found.version} again.")


def _judge(challenger: ModelVersion, champion: ModelVersion | None, config: PromoteConfig) -> str:
    """Check a challenger without holding up others; returns why it is better.

    Raises:
        UserError: it fails a check, which is noted on the version.
    """
    uri = f"models:/{challenger.name}/{challenger.version}"
    checks = patiently(partial(serving_checks, uri, max_latency_ms=config.max_latency_ms))
    checks.append(_head(challenger))
    checks.append(_better(challenger, champion, config))
    _record(checks)
    if failed := [check for check in checks if not check.passed]:
        reasons = "; ".join(f"{check.name}: {check.detail}" for check in failed)
        note(challenger, f"refused: {reasons}")
        raise UserError(f"Version {challenger.version} stays challenger. {reasons}")
    return checks[-1].detail


def _challenger(config: PromoteConfig, champion: ModelVersion | None) -> ModelVersion:
    found = find_version(config.service_model, config.challenger)
    if found is None:
        raise UserError(
            f"{config.service_model} has no version {config.challenger!r}; register one with "
            f"`-P alias={config.challenger}`."
        )
    if champion is not None and champion.version == found.version:
        raise UserError(f"Version {found.version} is the champion already.")
    return found


def _check_challenger(challenger: ModelVersion, config: PromoteConfig) -> None:
    """Refuse if the alias names another version by now than the one that was judged."""
    found = find_version(config.service_model, config.challenger)
    if found is None or found.version != challenger.version:
        raise UserError(
            f"{config.service_model}@{config.challenger} was moved while version "
            f"{challenger.version} was judged; nothing was changed. Run the same command again."
        )


def _head(challenger: ModelVersion) -> Check:
    """A version that nobody evaluated with labels cannot be compared, now or by the next one."""
    uri = challenger.tags.get("head_uri")
    return Check("head", uri is not None, uri or "it has none; register it with labels")


def _better(
    challenger: ModelVersion, champion: ModelVersion | None, config: PromoteConfig
) -> Check:
    """Compare the evaluations behind two versions, on the same evaluation set."""
    if champion is None:
        return Check("better", True, "there was no champion")
    try:
        comparison = compare(
            {"champion": _candidate(champion), "challenger": _candidate(challenger)},
            drop_overlapping=config.drop_overlapping,
            replicates=config.bootstrap,
            level=config.interval,
            seed=config.seed,
        )
    except (UserError, ValueError) as error:  # unlike craters cannot be compared
        return Check("better", False, str(error))
    table = comparison.differences.set_index("metric")
    if config.metric not in table.index:
        known = ", ".join(table.index)
        return Check("better", False, f"no metric {config.metric!r}; choose one of {known}")
    row = table.loc[config.metric]
    log_metrics({"promotion/difference": row["difference"], "promotion/low": row["low"]})
    detail = (
        f"{config.metric} {row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}] over "
        f"version {champion.version} on {comparison.judged} craters, margin {config.margin:g}"
    )
    return Check("better", bool(row["low"] > config.margin), detail)


def _candidate(version: ModelVersion) -> Candidate:
    """The evaluation that fitted the version's head.

    Raises:
        UserError: the version has none.
    """
    uri = version.tags.get("head_uri", "")
    run_id = uri.removeprefix("runs:/").partition("/")[0]
    if not uri.startswith("runs:/"):
        raise UserError(
            f"Version {version.version} names no evaluation; register it with the head of an "
            "evaluate run (`-P head=runs:/…/head`)."
        )
    run = mlflow.get_run(run_id)
    return Candidate(run.data.tags["evaluation_digest"], read_predictions(run))


def _record(checks: list[Check]) -> None:
    table = pd.DataFrame([vars(check) for check in checks])
    mlflow.log_table(table, "checks.json")
    for check in checks:
        click.echo(f"{'passed' if check.passed else 'FAILED'}  {check.name}: {check.detail}")


if __name__ == "__main__":
    main()
