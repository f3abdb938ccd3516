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


def calibrated(checkpoint: Checkpoint, crop_set: CropSet, calibrate: str | None) -> Checkpoint:
    """Correct the depths that an encoder predicts by measured ones of some craters.

    Args:
        checkpoint: adapted to the crop set.
        crop_set: craters, some of which were measured.
        calibrate: table of measured depths; None leaves the encoder as it is.

    Raises:
        ConfigError: calibrate is given, but the encoder predicts no depth.
        LabelsError: the table is unusable, or too few of its craters are here.
    """
    if calibrate is None:
        return checkpoint
    rows, depth = measured_rows(crop_set.metadata, read_depths(calibrate))
    prediction = measure_crops(checkpoint, crop_set.crops[rows])
    if prediction is None:
        raise ConfigError(
            f"calibrate corrects predicted depths, but encoder={checkpoint.encoder.name} predicts "
            "none; leave it out, or use encoder_uri=pretrained:…"
        )
    return checkpoint.calibrated(prediction.depth_correction(depth))


def predict_physics(
    checkpoint: Checkpoint, crop_set: CropSet, calibrate: str | None
) -> PhysicalPrediction | None:
    """K/R² and depth of every crater; None from an encoder that was not taught them.

    Arguments and errors as those of `calibrated`.
    """
    return measure_crops(calibrated(checkpoint, crop_set, calibrate), crop_set.crops)


def measured_rows(
    metadata: pd.DataFrame, depths: pd.DataFrame
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Rows of `metadata` whose depth over diameter was measured, (M,), and these depths, (M,)."""
    by_id = depths.set_index("crater_id")["depth_over_diameter"]
    found = metadata["crater_id"].map(by_id).to_numpy(np.float64)
    rows = np.flatnonzero(np.isfinite(found))
    return rows, found[rows]
