"""Scale the brightness of an image that was sent as that of the training crops was."""

import numpy as np

from lunar_models.arrays import Float32Array
from lunar_models.crops.crop_set import Radiometry
from serving.model.images import Decoded
from serving.model.schema import QualityWarning

_LITTLE_RANGE = 1.0 / 8.0
"""Of 65535: below it, 16 bits are probably fewer."""


def to_crop_units(
    decoded: Decoded, radiometry: Radiometry
) -> tuple[Float32Array, list[QualityWarning]]:
    """Scale an image's brightness to 0-255, as the mosaic's was when the crops were made.

    The mosaic's own pixel type is scaled as the mosaic was. Other than that, 8 bits are taken as
    they are, 16 bits as 0-65535 (or as fewer bits, where MaxSampleValue says so), and floats, or
    what has a scale, as 0-1 or 0-255, whichever holds them.
    """
    # Scaled numbers are compared with a scaled mosaic, never with one's stored integers.
    values, dtype = decoded.values, "float32" if decoded.scaled else decoded.dtype
    if dtype == "uint8":
        return values, []
    if dtype == radiometry.source_dtype:
        scaled = (values - radiometry.low) * (255.0 / (radiometry.high - radiometry.low))
        return np.clip(scaled, 0.0, 255.0), []
    if dtype == "uint16":
        scaled = values * np.float32(255.0 / decoded.full_scale)
        return scaled, _little_range(values) if decoded.full_scale == 65535.0 else []
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if low >= 0.0 and high <= 255.0:
        return (values * np.float32(255.0) if high <= 1.0 else values), []
    stretched = (values.astype(np.float64) - low) * (255.0 / max(high - low, 1e-30))
    message = (
        "The brightness is not in 0-1 or 0-255; its own range was stretched to 0-255. If it is no "
        "brightness but heights, send it lit (gdaldem hillshade)."
    )
    return stretched.astype(np.float32), [QualityWarning(code="rescaled", message=message)]


def _little_range(values: Float32Array) -> list[QualityWarning]:
    """Warn of 16 bits of which hardly any but the lower ones are used, such as 12."""
    top = float(np.nanpercentile(values, 99))
    if top >= _LITTLE_RANGE * 65535.0:
        return []
    message = (
        f"99 % of its 16-bit numbers are below {top:.0f} of 65535, so the image is taken as very "
        "dark. If they are fewer bits, stretch them to 0-65535, or state GDAL's scale (of 12 bits: "
        "gdal_edit.py -scale 0.000244)."
    )
    return [QualityWarning(code="little_range", message=message)]
