"""Put the physical quantities that an encoder tells into answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from lunar_models.degradation.depth_states import state_of_depth, state_probabilities
from lunar_models.heads.physical import PhysicalPrediction
from serving.model.schema import CropAnswer, DepthState, Interval, PhysicalAnswer, Quantity

STATES = ("New", "Semi-New", "Semi-Old", "Old")
LEVELS = (0.68, 0.95)


def fill_physics(
    prediction: PhysicalPrediction,
    diameters_km: Sequence[float | None],
    answers: Sequence[CropAnswer],
) -> None:
    """Give each of N answers its quantities, K and the state only where a diameter is known."""
    diameter = np.array([np.nan if d is None else d for d in diameters_km])
    known = ~np.isnan(diameter)
    table = prediction.table(diameter, LEVELS)
    judged = np.where(known, diameter, 1.0)
    probabilities = state_probabilities(prediction, judged)
    low, value, high = (
        state_of_depth(table[f"depth_over_diameter{end}"], judged)
        for end in ("_low_95", "", "_high_95")
    )
    for i, (answer, row) in enumerate(zip(answers, table.to_dict("records"), strict=True)):
        answer.physics = PhysicalAnswer(
            depth_over_diameter=_quantity(row, "depth_over_diameter"),
            k_over_r2=_quantity(row, "k_over_r2"),
        )
        if known[i]:
            answer.physics.k_m2 = _quantity(row, "k_m2")
            answer.physics.state = DepthState(
                label=STATES[value[i] - 1],
                probabilities=dict(zip(STATES, probabilities[i].tolist(), strict=True)),
                states_95=list(STATES[high[i] - 1 : low[i]]),  # the deeper, the fresher
            )


def _quantity(row: dict[Any, Any], name: str) -> Quantity:
    narrow, wide = (
        Interval(low=row[f"{name}_low_{100 * v:g}"], high=row[f"{name}_high_{100 * v:g}"])
        for v in LEVELS
    )
    return Quantity(value=row[name], interval_68=narrow, interval_95=wide)
