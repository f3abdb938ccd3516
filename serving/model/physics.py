"""Put the physical quantities that an encoder tells into answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lunar_models.degradation.depth_states import state_of_depth, state_probabilities
from lunar_models.heads.physical import PhysicalPrediction
from lunar_models.terms import STATE_NAMES
from serving.model.schema import CropAnswer, DepthState, Interval, PhysicalAnswer, Quantity

_STATES_LEVEL = 0.95


def fill_physics(
    prediction: PhysicalPrediction,
    diameters_km: Sequence[float | None],
    answers: Sequence[CropAnswer],
    levels: tuple[float, ...],
) -> None:
    """Give each of N answers its quantities, K and the state only where a diameter is known."""
    diameter = np.array([np.nan if d is None else d for d in diameters_km])
    known = ~np.isnan(diameter)
    table = prediction.table(diameter, levels)
    judged = np.where(known, diameter, 1.0)
    probabilities = state_probabilities(prediction, judged)
    ends = prediction.interval(_STATES_LEVEL)
    low, value, high = (
        state_of_depth(np.exp(logs[:, 1]), judged) for logs in (ends[0], prediction.mean, ends[1])
    )
    for i, (answer, row) in enumerate(zip(answers, table.to_dict("records"), strict=True)):
        answer.physics = PhysicalAnswer(
            depth_over_diameter=_quantity(row, "depth_over_diameter"),
            k_over_r2=_quantity(row, "k_over_r2"),
        )
        if known[i]:
            answer.physics.k_m2 = _quantity(row, "k_m2")
            answer.physics.state = DepthState(
                label=STATE_NAMES[value[i] - 1],
                probabilities=dict(zip(STATE_NAMES, probabilities[i].tolist(), strict=True)),
                states_95=list(STATE_NAMES[high[i] - 1 : low[i]]),  # the deeper, the fresher
            )


def physics_of_row(row: dict[str, Any]) -> PhysicalAnswer | None:
    """Read the quantities of a crater from a row of `export.tables.physical_table`; None: none."""
    if row.get("depth_over_diameter") is None:
        return None
    return PhysicalAnswer(
        depth_over_diameter=_quantity(row, "depth_over_diameter"),
        k_over_r2=_quantity(row, "k_over_r2"),
        k_m2=_quantity(row, "k_m2"),
        state=DepthState(label=STATE_NAMES[row["physical_state"] - 1]),
    )


def _quantity(row: dict[Any, Any], name: str) -> Quantity:
    """A quantity with all the intervals that the row has."""
    low, high = f"{name}_low_", f"{name}_high_"
    levels = [column.removeprefix(low) for column in row if column.startswith(low)]
    intervals = {level: Interval(low=row[low + level], high=row[high + level]) for level in levels}
    return Quantity(value=row[name], intervals=intervals)
