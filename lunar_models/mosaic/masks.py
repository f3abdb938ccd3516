"""Read which pixels of a raster a mask or a band of opacity hides."""

from typing import Any

import numpy as np
import numpy.typing as npt
from rasterio.enums import MaskFlags

from lunar_models.mosaic.brightness import Encoding

_SPECIAL_PIXEL_MASKS = ("ISIS3", "ISIS2", "PDS", "PDS4", "VICAR")


def has_mask(data: Any, band: int) -> bool:
    """Return whether a mask says which pixels of a band have data: the raster's, or the band's own.

    Those that GDAL derives from special pixels also hide saturated ones; we read these ourselves.
    """
    flags = data.mask_flag_enums[band - 1]
    of_band = not flags and data.driver not in _SPECIAL_PIXEL_MASKS
    return of_band or (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags)


def shown_pixels(data: Any, encoding: Encoding, **part: Any) -> npt.NDArray[np.bool_] | None:
    """Read which pixels neither the mask nor the alpha band hides; None where there is neither.

    Args:
        data: an open rasterio dataset.
        encoding: of it.
        part: window or out_shape, as rasterio's `read` takes them.
    """
    shown: npt.NDArray[np.bool_] | None = None
    if encoding.masked:
        shown = (data.read_masks(list(encoding.bands), **part) != 0).all(axis=0)
    if encoding.alpha:
        opaque = data.read(encoding.alpha, **part) != 0
        shown = opaque if shown is None else shown & opaque
    return shown
