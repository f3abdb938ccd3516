"""Compute where crops lie relative to each other, also those of images without georeference."""

import numpy as np
import pandas as pd

from lunar_models.moon import MOON_RADIUS_KM

_SPAN_DEG = 20.0
_GAP = 1.1


def relative_places(metadata: pd.DataFrame) -> pd.DataFrame:
    """Give each crop a place for spatial folds and overlaps: its own, or one made of its pixels.

    Images without georeference are laid side by side on a strip of `_SPAN_DEG` around the
    equator. Such places say only which crops are neighbours, and are not for show.

    Args:
        metadata: N rows of `crop_set.METADATA_COLUMNS`, and `PICTURE_COLUMNS` of pictures.

    Returns:
        The same rows; longitude_deg, latitude_deg and diameter_km are replaced for pictures.
    """
    if "x_px" not in metadata:
        return metadata
    x, y = (metadata[name].to_numpy(np.float64) for name in ("x_px", "y_px"))
    images = metadata["image"] if "image" in metadata else pd.Series("", index=metadata.index)
    number = pd.factorize(images, sort=True)[0]
    width = max(float(np.ptp(x)), float(np.ptp(y)), 1.0) * _GAP
    across = number * width + x - x.min()
    deg_per_px = _SPAN_DEG / (width * (number.max() + 1))
    return metadata.assign(
        longitude_deg=across * deg_per_px,
        latitude_deg=(y.mean() - y) * deg_per_px,
        diameter_km=metadata["diameter_px"] * np.radians(deg_per_px) * MOON_RADIUS_KM,
    )
