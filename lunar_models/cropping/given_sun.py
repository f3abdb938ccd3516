"""The Sun as the parameters give it."""

import numpy as np
import pandas as pd

from lunar_models.config.preprocess import PreprocessConfig
from lunar_models.cropping.sun import EAST_DEG, WEST_DEG, sun_table


def given_sun(config: PreprocessConfig, craters: pd.DataFrame) -> pd.DataFrame | None:
    """Look up the Sun of each crater; None if it must be found in the crops.

    Returns:
        N rows as from `sun.sun_table`.
    """
    if config.illumination == "auto":
        return None
    if config.illumination == "none":  # nothing is known, and nothing is turned or mirrored
        return sun_table(
            np.full(len(craters), np.nan), std_deg=np.nan, confidence=0.5, incidence_deg=np.nan
        )
    azimuth = {"east": EAST_DEG, "west": WEST_DEG}[config.illumination]
    return sun_table(
        np.full(len(craters), azimuth), std_deg=0.0, confidence=1.0, incidence_deg=np.nan
    )
