"""Compare evaluations by paired bootstrap on one evaluation set."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lunar_models.errors import ConfigError
from lunar_models.evaluation.bootstrap import percentile_interval
from lunar_models.evaluation.scores import (
    Scores,
    intervals_table,
    score_clusters,
    score_predictions,
)


@dataclass(frozen=True)
class Candidate:
    """The stored results of one evaluated run."""

    digest: str
    """Digest of its evaluation set."""
    predictions: pd.DataFrame
    """Its out-of-fold predictions; columns in `scores`."""


@dataclass(frozen=True)
class Comparison:
    """Several runs on the same craters."""

    metrics: pd.DataFrame
    """run, metric, value, low, high."""
    differences: pd.DataFrame
    """run, metric, difference (run - reference), low, high, distinct: 0 is outside the interval."""
    reference: str
    """The run the others are compared with."""
    judged: int
    """Craters that count: no run has them overlapping training crops."""


def compare(
    candidates: Mapping[str, Candidate],
    *,
    reference: str | None = None,
    drop_overlapping: bool = True,
    replicates: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare runs by paired bootstrap: every replicate draws the same blocks for all runs.

    The difference of two runs has a smaller variance than either metric, since both fail on
    the same difficult craters.

    Args:
        candidates: name -> run, at least two.
        reference: the run to compare with; the first if not given.
        drop_overlapping: judge only crops that overlap no training crop.
        replicates: bootstrap replicates by spatial block.
        level: coverage of the intervals.
        seed: of the bootstrap.

    Raises:
        ConfigError: fewer than two runs, an unknown reference, or runs evaluated on different
            craters, states or folds.
    """
    reference = _checked(candidates, reference)
    tables = {
        name: run.predictions.sort_values("crater_id", ignore_index=True)
        for name, run in candidates.items()
    }
    overlaps = np.any([table["overlaps_training"] for table in tables.values()], axis=0)
    kept = ~overlaps | (not drop_overlapping)
    options = {
        "n_states": int(tables[reference]["rank"].max()) + 1,
        "replicates": replicates,
        "seed": seed,
    }
    scores = {
        name: score_predictions(table[kept], **options) | score_clusters(table, **options)
        for name, table in tables.items()
    }
    metrics = [_named(name, intervals_table(each, level)) for name, each in scores.items()]
    differences = [
        _named(name, _differences(each, scores[reference], level))
        for name, each in scores.items()
        if name != reference
    ]
    return Comparison(
        pd.concat(metrics, ignore_index=True),
        pd.concat(differences, ignore_index=True),
        reference,
        int(kept.sum()),
    )


def _checked(candidates: Mapping[str, Candidate], reference: str | None) -> str:
    """The name of the reference, once all runs are known to be comparable."""
    names = list(candidates)
    if len(names) < 2:
        raise ConfigError(f"compare needs at least two runs, not {len(names)}; name another one.")
    reference = names[0] if reference is None else reference
    if reference not in candidates:
        raise ConfigError(f"reference={reference!r} is not among the runs {', '.join(names)}.")
    digest = candidates[reference].digest
    for name, run in candidates.items():
        if run.digest != digest:
            raise ConfigError(
                f"Run {name!r} was evaluated on other craters, states or folds than "
                f"{reference!r} (digests {run.digest[:12]} and {digest[:12]}); evaluate both "
                "with the same crops, labels, block_deg and folds."
            )
    return reference


def _differences(scores: Scores, reference: Scores, level: float) -> pd.DataFrame:
    rows = []
    for metric, score in scores.items():
        other = reference[metric]
        low, high = percentile_interval(score.replicates - other.replicates, level)
        rows.append((metric, score.value - other.value, low, high, low > 0 or high < 0))
    return pd.DataFrame(rows, columns=["metric", "difference", "low", "high", "distinct"])


def _named(run: str, table: pd.DataFrame) -> pd.DataFrame:
    table.insert(0, "run", run)
    return table
