"""Rank craters by degradation, freshest first."""

import pandas as pd

from lunar_models.export.columns import SCORE_COLUMNS
from lunar_models.terms import CRATER_COLUMNS

SCORES = (("degradation", "degradation_uncertainty"), SCORE_COLUMNS)
"""Score and standard deviation columns, the head's before the encoder's own."""

_NORMAL_90 = 1.6449
"""Half the width of the central 90 % of a normal distribution, in standard deviations."""


def degradation_columns(table: pd.DataFrame) -> tuple[str, str] | None:
    """Return the columns that tell degradation and its standard deviation, if any does.

    Args:
        table: craters as `tables.cluster_table` makes them.
    """
    return next((pair for pair in SCORES if pair[0] in table), None)


def freshest_table(table: pd.DataFrame) -> pd.DataFrame | None:
    """Rank craters from the freshest to the most degraded.

    Args:
        table: N craters with the columns of `degradation_columns`.

    Returns:
        N rows, or None without a score: rank (from 1), crater_id, longitude_deg, latitude_deg,
        diameter_km, degradation in [0, 1] (0 the freshest), degradation_low and degradation_high
        (central 90 % of a normal distribution with the score's standard deviation, cut to
        [0, 1]), and state and state_name where there are some. Equal scores keep their order.
    """
    columns = degradation_columns(table)
    if columns is None:
        return None
    score, spread = (table[name] for name in columns)
    ranked = table[list(CRATER_COLUMNS)].assign(
        degradation=score,
        degradation_low=(score - _NORMAL_90 * spread).clip(0.0, 1.0),
        degradation_high=(score + _NORMAL_90 * spread).clip(0.0, 1.0),
        **{name: table[name] for name in ("state", "state_name") if name in table},
    )
    ranked = ranked.sort_values("degradation", kind="stable").reset_index(drop=True)
    ranked.insert(0, "rank", ranked.index + 1)
    return ranked
