"""Take the evaluation set of the version in service, and assign other labels to its folds."""

import mlflow
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from lunar_models.arrays import FloatArray
from lunar_models.catalogue.splits import (
    fitting_block_deg,
    footprint_radius_km,
    overlapping,
    spatial_blocks,
)
from lunar_models.crops.crop_set import CropSet
from lunar_models.crops.places import relative_places
from lunar_models.evaluation.evaluation_set import EvaluationSet
from lunar_models.evaluation.predictions import TrainingLabels
from serving.cli.options import UserError
from steps.compare import read_predictions

_COLUMNS = ["crater_id", "block", "fold", "rank", "state", "overlaps_training", "value"]


def champion_evaluation_set(champion: ModelVersion, crop_set: CropSet) -> EvaluationSet | None:
    """Read the evaluation set of a version; None where it has no evaluation.

    Raises:
        UserError: the crop set lacks some of its craters, or its record is damaged.
    """
    uri = champion.tags.get("head_uri", "")
    if not uri.startswith("runs:/"):
        return None
    run = mlflow.get_run(uri.removeprefix("runs:/").partition("/")[0])
    table = read_predictions(run)[_COLUMNS].astype({"state": "str"})
    position = pd.Index(crop_set.metadata["crater_id"]).get_indexer(pd.Index(table["crater_id"]))
    if (position < 0).any():
        missing = table["crater_id"][position < 0]
        raise UserError(
            f"crops={crop_set.path} lacks {len(missing)} craters of the evaluation set of version "
            f"{champion.version}, first {missing.iloc[0]!r}; give the crop set it was judged on."
        )
    first = table.drop_duplicates("rank").sort_values("rank")["state"]
    found = EvaluationSet(
        position, tuple(first), table, pd.DataFrame(columns=["crater_id", "reason"])
    )
    if found.digest != run.data.tags["evaluation_digest"]:
        raise UserError(f"The predictions of run {run.info.run_id} were changed; evaluate again.")
    return found


def training_labels(
    frozen: EvaluationSet,
    labels: pd.DataFrame,
    crop_set: CropSet,
    embeddings: FloatArray,
    block_deg: float | None,
) -> tuple[TrainingLabels, EvaluationSet]:
    """Assign labels to the folds of an evaluation set.

    Args:
        frozen: the evaluation set.
        labels: crater_id, state, state_name.
        crop_set: of all craters.
        embeddings: (N, D) of the crop set.
        block_deg: side of the set's blocks; None: as it follows from its own craters.

    Returns:
        The labels with a crop, and the evaluation set, in which test crops are marked that overlap
        a crop trained on in their fold.

    Raises:
        UserError: the labels have other states, or the blocks are not those of the set.
    """
    usable = labels[labels["crater_id"].isin(crop_set.metadata["crater_id"])]
    if other := sorted(set(usable["state_name"]) ^ set(frozen.states)):
        raise UserError(
            f"The labels and the evaluation set differ in the states {', '.join(other)}; the set "
            f"has {', '.join(frozen.states)}. Label all of these, in the same words."
        )
    rows = pd.Index(crop_set.metadata["crater_id"]).get_indexer(pd.Index(usable["crater_id"]))
    own = _place(crop_set, frozen.position)
    block_deg = block_deg or fitting_block_deg(
        longitude_deg=own["longitude_deg"], latitude_deg=own["latitude_deg"]
    )
    if (_blocks(own, block_deg) != frozen.table["block"].to_numpy()).any():
        raise UserError(
            f"block_deg={block_deg:g} does not give the blocks of the evaluation set; give the "
            "block_deg with which the version in service was evaluated."
        )
    place = _place(crop_set, rows)
    fold_of = frozen.table.drop_duplicates("block").set_index("block")["fold"]
    blocks = _blocks(place, block_deg)
    folds = pd.Series(blocks).map(fold_of).fillna(-1).to_numpy(np.int64)
    ranks = usable["state_name"].map({s: k for k, s in enumerate(frozen.states)}).to_numpy(np.int64)
    training = TrainingLabels(np.asarray(embeddings[rows], np.float64), ranks, blocks, folds)
    overlaps = _overlaps(own, frozen.table["fold"].to_numpy(), place, folds)
    table = frozen.table.assign(overlaps_training=overlaps)
    return training, EvaluationSet(frozen.position, frozen.states, table, frozen.rejected)


def _place(crop_set: CropSet, rows: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float64]]:
    craters = relative_places(crop_set.metadata.iloc[rows])
    place = {name: craters[name].to_numpy() for name in ("longitude_deg", "latitude_deg")}
    diameter = craters["diameter_km"].to_numpy()
    place["radius_km"] = footprint_radius_km(diameter, crop_set.info.context_diameters)
    return place


def _blocks(place: dict[str, npt.NDArray[np.float64]], block_deg: float) -> npt.NDArray[np.int64]:
    return spatial_blocks(
        longitude_deg=place["longitude_deg"], latitude_deg=place["latitude_deg"],
        block_deg=block_deg,
    )  # fmt: skip


def _overlaps(
    own: dict[str, npt.NDArray[np.float64]],
    own_folds: npt.NDArray[np.int64],
    place: dict[str, npt.NDArray[np.float64]],
    folds: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(own_folds), np.bool_)
    for fold in np.unique(own_folds):
        test, rest = own_folds == fold, folds != fold
        found[test] = overlapping(
            **{name: values[test] for name, values in own.items()},
            **{f"reference_{name}": values[rest] for name, values in place.items()},
        )
    return found
