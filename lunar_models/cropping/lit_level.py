"""Measure the brightness of lit ground, the reference for shadow in every crop."""

import numpy as np
import pandas as pd

from lunar_models.crops.crop_set import Radiometry
from lunar_models.mosaic.highpass import MID_GREY
from lunar_models.mosaic.raster import Mosaic
from lunar_models.mosaic.strips import NODATA

PERCENTILE = 75.0
"""Of the brightness around craters; where most ground lies in shadow, the rest still is above."""

WINDOWS = 64
WINDOW_ROWS, WINDOW_COLUMNS = 16, 512


def lit_level(
    mosaics: tuple[Mosaic, ...],
    radiometry: Radiometry,
    craters: pd.DataFrame,
    *,
    highpass_sigma_px: float | None,
) -> float:
    """Measure the brightness of lit ground, in crop units, around a sample of the craters.

    Args:
        mosaics: where the craters lie.
        radiometry: how brightness becomes crop units.
        craters: n rows with mosaic, top, bottom and column_px.
        highpass_sigma_px: with such a filter ground is `MID_GREY`.

    Raises:
        MosaicError: a mosaic cannot be read.
    """
    if highpass_sigma_px is not None:
        return MID_GREY
    rows = np.unique(np.linspace(0, len(craters) - 1, WINDOWS).astype(np.int64))
    chosen = craters.iloc[rows]
    values = [np.empty(0, np.uint8)]
    for index, mosaic in enumerate(mosaics):
        with mosaic.reader(radiometry) as reader:
            here = chosen[chosen["mosaic"] == index]
            middle = (here["top"] + here["bottom"]).to_numpy() // 2
            for row, column in zip(middle, here["column_px"].to_numpy(), strict=True):
                shape = min(WINDOW_ROWS, mosaic.height), min(WINDOW_COLUMNS, mosaic.width)
                window = np.empty(shape, np.uint8)
                top = int(np.clip(row - shape[0] // 2, 0, mosaic.height - shape[0]))
                left = int(np.clip(column - shape[1] // 2, 0, mosaic.width - shape[1]))
                reader.read(top, left, window)
                values.append(window[window != NODATA] if mosaic.has_nodata else window.ravel())
    every = np.concatenate(values)
    return float(np.percentile(every, PERCENTILE)) if every.size else 0.0
