"""Align the crops of requests as the crops of the encoder's crop set were aligned."""

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from lunar_models.arrays import Float32Array, Float64Array
from lunar_models.cropping.sun.azimuth import azimuth_evidence, own_azimuth
from lunar_models.cropping.sun.estimation import LEAST_CONFIDENCE
from lunar_models.cropping.sun.geometry import EAST_DEG, WEST_DEG, orientation
from lunar_models.encoders.checkpoint import Checkpoint
from serving.model.preparation import Prepared
from serving.model.schema import CropAnswer, QualityWarning


def align(
    checkpoint: Checkpoint, prepared: Sequence[Prepared], answers: Sequence[CropAnswer]
) -> Float32Array:
    """Turn and mirror crops so that the Sun stands in the east, noting its azimuth and warnings.

    Crops are turned if those of the crop set were, or if the request gives the azimuth; else they
    are mirrored only. Those for an encoder that was trained on unaligned ones stay as they are.

    Returns:
        (B, S, S) float32 in crop units.
    """
    crops = np.stack([p.crop for p in prepared])
    azimuth = _azimuths(checkpoint, prepared, crops)
    rotation, flipped = orientation(azimuth)
    for i, (p, answer) in enumerate(zip(prepared, answers, strict=True)):
        answer.warnings = [*p.warnings, *_filter_warning(checkpoint, p)]
        if np.isnan(azimuth[i]):
            answer.warnings.append(_UNKNOWN)
            continue
        answer.sun_azimuth_deg = float(azimuth[i])
        answer.sun_side = "west" if flipped[i] else "east"
        if checkpoint.alignment == "none":
            continue
        if rotation[i] and not p.cut_here:  # what is cut here was turned in its only sampling
            crops[i] = turned(crops[i], float(rotation[i]))
        if flipped[i]:
            crops[i] = crops[i, :, ::-1].copy()
    return crops


def _azimuths(
    checkpoint: Checkpoint, prepared: Sequence[Prepared], crops: Float32Array
) -> Float64Array:
    """(B,) degrees clockwise from the top, as given or as found; NaN where unknown."""
    evidence = azimuth_evidence(crops, context_diameters=checkpoint.context_diameters)
    azimuth = np.where(evidence[:, 0] >= 0.0, EAST_DEG, WEST_DEG)
    if checkpoint.alignment == "azimuth":
        found = own_azimuth(evidence)
        azimuth = np.where(found.confidence < LEAST_CONFIDENCE, np.nan, found.azimuth_deg)
    for i, p in enumerate(prepared):
        if p.sun_azimuth_deg is not None:
            azimuth[i] = p.sun_azimuth_deg
        elif p.sun_side is not None:
            azimuth[i] = EAST_DEG if p.sun_side == "east" else WEST_DEG
    return azimuth


def turned(crop: Float32Array, rotation_deg: float) -> Float32Array:
    """Turn an (S, S) crop clockwise; corners that it does not show hold its mean.

    Unlike a crop of a crop set, which is sampled once, an image that was sent is sampled again.
    """
    result = ndimage.rotate(
        crop, -rotation_deg, reshape=False, order=3, mode="constant", cval=float(crop.mean())
    )
    return np.asarray(result, np.float32)


_UNKNOWN = QualityWarning(
    code="azimuth_unknown",
    message="The image does not show from where the Sun shines; it was not turned. Give "
    "sun_azimuth_deg, clockwise from the image's top.",
)


def _filter_warning(checkpoint: Checkpoint, prepared: Prepared) -> list[QualityWarning]:
    """An image does not tell whether it was filtered as the crop set was."""
    if checkpoint.highpass_sigma_px is None or prepared.cut_here:
        return []
    message = (
        "This model knows crops of a mosaic that was high-pass filtered with "
        f"sigma={checkpoint.highpass_sigma_px:g} px; an image of unfiltered ground is judged "
        "wrongly. The service filters what it cuts itself (GET /v1/locate)."
    )
    return [QualityWarning(code="filter_unknown", message=message)]
