"""Predict physical quantities of a crop set's craters, corrected by measured depths."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from lunar_models.catalogue.labels import read_depths
from lunar_models.crops.crop_set import CropSet
from lunar_models.embedding import measure_crops
from lunar_models.encoders.checkpoint import Checkpoint
from lunar_models.errors import ConfigError
from lunar_models.heads.physical import PhysicalPrediction


def predict_physics(
    checkpoint: Checkpoint, crop_set: CropSet, calibrate: str | None
) -> PhysicalPrediction | None:
    """K/R² and depth of every crater; None from an encoder that was not taught them.

    Args:
        checkpoint: adapted to the crop set.
        crop_set: N craters.
        calibrate: table of measured depths, or None.

    Raises:
        ConfigError: calibrate is given, but the encoder predicts no depth.
        LabelsError: the table is unusable, or too few of its craters are here.
    """
    prediction = measure_crops(checkpoint, crop_set.crops)
    if calibrate is None:
        return prediction
    if prediction is None:
        raise ConfigError(
            f"calibrate corrects predicted depths, but encoder={checkpoint.encoder.name} predicts "
            "none; leave it out, or use encoder_uri=pretrained:…"
        )
    rows, depth = measured_rows(crop_set.metadata, read_depths(calibrate))
    return prediction.recalibrated(rows, depth)


def measured_rows(
    metadata: pd.DataFrame, depths: pd.DataFrame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Rows of `metadata` whose depth over diameter was measured, (M,), and these depths, (M,)."""
    by_id = depths.set_index("crater_id")["depth_over_diameter"]
    found = metadata["crater_id"].map(by_id).to_numpy(np.float64)
    rows = np.flatnonzero(np.isfinite(found))
    return rows, found[rows]
