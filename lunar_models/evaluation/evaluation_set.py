"""Build the evaluation set: the craters that are scored, their states and their folds.

Two encoders are compared on equal terms only when their sets have equal digests.
"""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.splits import (
    footprint_radius_km,
    overlapping,
    spatial_blocks,
    spatial_folds,
)
from lunar_models.catalogue.states import UNKNOWN
from lunar_models.config.evaluate import EvaluateConfig
from lunar_models.crops.places import relative_places
from lunar_models.errors import LabelsError

STATE, VALUE = "state", "value"


@dataclass(frozen=True)
class EvaluationSet:
    """The labelled craters of a crop set, in the order of the crops."""

    position: npt.NDArray[np.int64]
    """(N,) row of each in the crop set."""
    states: tuple[str, ...]
    """K names, freshest first."""
    table: pd.DataFrame
    """crater_id, block, fold, rank, state, overlaps_training, value; N rows."""
    rejected: pd.DataFrame
    """crater_id, reason: labels that could not be used."""

    @property
    def digest(self) -> str:
        """sha256 over ids, states, values and folds, whatever the order of the rows."""
        rows = self.table.sort_values("crater_id")
        lines = rows[["crater_id", "rank", "fold", VALUE]].to_csv(
            index=False, float_format="%.9g", lineterminator="\n"
        )
        return hashlib.sha256(("\n".join(self.states) + "\n\n" + lines).encode()).hexdigest()


def build_evaluation_set(
    metadata: pd.DataFrame,
    labels: pd.DataFrame,
    config: EvaluateConfig,
    *,
    context_diameters: float,
) -> EvaluationSet:
    """Build the evaluation set: join labels to crops and assign spatial folds.

    Args:
        metadata: rows of `crop_set.METADATA_COLUMNS`.
        labels: crater_id, state (int, ascending from the freshest); optional state_name (str)
            and value (float).
        config: block size, folds, scale of the value.
        context_diameters: side of a crop in crater diameters, for overlaps.

    Raises:
        LabelsError: no label fits a crop, fewer than two states, a state within one fold, or a
            value without logarithm.
        ConfigError: fewer spatial blocks than folds.
    """
    usable, rejected = _usable(metadata, labels)
    position = pd.Index(metadata["crater_id"]).get_indexer(pd.Index(usable["crater_id"]))
    order = np.argsort(position)
    position, usable = position[order], usable.iloc[order].reset_index(drop=True)
    craters = relative_places(metadata.iloc[position])
    codes, ranks = np.unique(usable[STATE].to_numpy(), return_inverse=True)
    names = usable.get("state_name", usable[STATE]).astype(str)
    states = tuple(names[ranks == rank].iloc[0] for rank in range(len(codes)))
    blocks = spatial_blocks(**_coordinates(craters), block_deg=config.block_deg)
    folds = spatial_folds(blocks, config.folds)
    _require_states(states, ranks, folds)
    table = pd.DataFrame(
        {
            "crater_id": usable["crater_id"],
            "block": blocks,
            "fold": folds,
            "rank": ranks.astype(np.int64),
            STATE: np.array(states)[ranks],
            "overlaps_training": _overlaps_training(craters, folds, context_diameters),
            VALUE: _scaled_value(usable, config.value_scale),
        }
    )
    return EvaluationSet(position, states, table, rejected)


def _usable(metadata: pd.DataFrame, labels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Labels with a crop, a state and (if there are values) a value; the others with reasons."""
    no_value = labels[VALUE].isna() if VALUE in labels else False
    faults = {
        "no crop for this crater": ~labels["crater_id"].isin(metadata["crater_id"]),
        "no state for this crater": labels[STATE] == UNKNOWN,
        "no value for this crater": pd.Series(no_value, index=labels.index),
    }
    reason = np.select(list(faults.values()), list(faults), default="")
    usable = reason == ""
    rejected = pd.DataFrame({"crater_id": labels["crater_id"], "reason": reason})
    if not usable.any():
        raise LabelsError(
            f"None of the {len(labels)} labels can be used: the first is of crater "
            f"{labels['crater_id'].iloc[0]!r} ({reason[0]}), the first crop is of crater "
            f"{metadata['crater_id'].iloc[0]!r}. Give labels of the craters in this crop set."
        )
    return labels[usable], rejected[~usable].reset_index(drop=True)


def _require_states(
    states: tuple[str, ...], ranks: npt.NDArray[np.int64], folds: npt.NDArray[np.int64]
) -> None:
    if len(states) < 2:
        raise LabelsError(f"All usable labels are {states[0]!r}; give at least two states.")
    for rank, state in enumerate(states):
        if len(np.unique(folds[ranks == rank])) < 2:
            raise LabelsError(
                f"State {state!r} ({int((ranks == rank).sum())} craters) lies in one spatial fold "
                "only, so it cannot be learned when it is tested; merge it with a neighbour "
                "(merge_states) or choose a smaller block_deg."
            )


def _overlaps_training(
    craters: pd.DataFrame, folds: npt.NDArray[np.int64], context_diameters: float
) -> npt.NDArray[np.bool_]:
    where = _coordinates(craters)
    where["radius_km"] = footprint_radius_km(craters["diameter_km"].to_numpy(), context_diameters)
    overlaps = np.zeros(len(folds), np.bool_)
    for fold in np.unique(folds):
        test = folds == fold
        overlaps[test] = overlapping(
            **{name: values[test] for name, values in where.items()},
            **{f"reference_{name}": values[~test] for name, values in where.items()},
        )
    return overlaps


def _scaled_value(usable: pd.DataFrame, scale: str) -> npt.NDArray[np.float64]:
    """The value on the scale it is predicted on; the state itself where there is none."""
    if VALUE not in usable:
        return usable[STATE].to_numpy(np.float64)
    values = usable[VALUE].to_numpy(np.float64)
    if scale == "linear":
        return values
    if (values <= 0).any():
        row = int((values <= 0).argmax())
        raise LabelsError(
            f"The value of crater {usable['crater_id'].iloc[row]!r} is {values[row]}, which has no "
            "logarithm; use value_scale=linear."
        )
    return np.asarray(np.log10(values))


def _coordinates(craters: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    return {name: craters[name].to_numpy() for name in ("longitude_deg", "latitude_deg")}
