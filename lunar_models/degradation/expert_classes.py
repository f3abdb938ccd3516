"""Compare classes of degradation that experts give by eye with depths, K and our states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lunar_models.arrays import Float64Array
from lunar_models.degradation.crater_shape import k_over_r2_of_depth
from lunar_models.degradation.depth_states import state_of_depth

_QUANTILES = {"": 0.5, "_p16": 0.16, "_p84": 0.84}
_STATES = (1, 2, 3, 4)


@dataclass(frozen=True)
class ExpertClass:
    """Craters of one class; one element per crater in each array."""

    name: str
    depth_over_diameter: Float64Array
    """Measured, in (0, 1]."""
    diameter_km: Float64Array

    @property
    def k_over_r2(self) -> Float64Array:
        """K/R² at which the fresh profile has become so shallow (`k_over_r2_of_depth`).

        Not a measurement of K: a crater that was shallow when it was made, as many below some
        400 m are (Stopar et al. 2017), gets too high a value.
        """
        return k_over_r2_of_depth(self.depth_over_diameter)

    @property
    def state(self) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
        """Our state, 1 New to 4 Old, that the depth means."""
        return state_of_depth(self.depth_over_diameter, self.diameter_km)


def expert_classes(
    table: pd.DataFrame, order: Sequence[str], columns: Mapping[str, str]
) -> list[ExpertClass]:
    """Group the craters of a table by their class.

    Args:
        table: a row per crater.
        order: names of the classes, freshest first.
        columns: ``class``, ``depth_over_diameter``, ``diameter_km`` -> column of the table. Craters
            without a depth are left out.
    """
    depth = table[columns["depth_over_diameter"]].to_numpy(np.float64)
    diameter = table[columns["diameter_km"]].to_numpy(np.float64)
    given = table[columns["class"]].astype("str").to_numpy()
    groups = [(given == name) & (depth > 0) for name in order]
    return [
        ExpertClass(name, depth[group], diameter[group])
        for name, group in zip(order, groups, strict=True)
    ]


def class_summary(classes: Sequence[ExpertClass]) -> pd.DataFrame:
    """Depth, K and our states of each class.

    Returns:
        A row per class: class, craters; median, 16 and 84 % (``_p16``, ``_p84``) of
        depth_over_diameter, k_over_r2 and k_m2; share_1 to share_4 of our states.
    """
    rows = []
    for one in classes:
        row: dict[str, object] = {"class": one.name, "craters": len(one.diameter_km)}
        k_m2 = one.k_over_r2 * (one.diameter_km * 500.0) ** 2
        for name, values in (
            ("depth_over_diameter", one.depth_over_diameter),
            ("k_over_r2", one.k_over_r2),
            ("k_m2", k_m2),
        ):
            for end, share in _QUANTILES.items():
                row[name + end] = float(np.quantile(values, share))
        row |= {f"share_{state}": float((one.state == state).mean()) for state in _STATES}
        rows.append(row)
    return pd.DataFrame(rows)


def edge_accuracy(
    fresher: Sequence[ExpertClass], older: Sequence[ExpertClass], depth_edge: float
) -> float:
    """Balanced accuracy with which a depth parts classes: mean share on the right side of it.

    Args:
        fresher: classes that should be as deep as the edge or deeper.
        older: classes that should be shallower.
        depth_edge: depth over diameter.
    """
    deep = np.concatenate([one.depth_over_diameter for one in fresher]) >= depth_edge
    shallow = np.concatenate([one.depth_over_diameter for one in older]) < depth_edge
    return float((deep.mean() + shallow.mean()) / 2.0)
