"""Prepare a decoded image as the encoder's training crops were, and warn of what is doubtful."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lunar_models.arrays import Float32Array
from lunar_models.crops.crop_set import Radiometry
from lunar_models.crops.resampling import resize_crop
from lunar_models.crops.training_domain import QUANTITIES, measured_terrain
from lunar_models.errors import CropImageError
from serving.model.crop_input import CropInput
from serving.model.crop_units import to_crop_units
from serving.model.images import decode_image
from serving.model.schema import CropHints, QualityWarning

if TYPE_CHECKING:  # brings torch, which processes that only decode can do without
    from lunar_models.encoders.checkpoint import Checkpoint

FEW_PX = 12
"""Fewer native pixels across than this do not show a crater's shape."""
MOST_UPSAMPLING = 3.0
MOST_NODATA = 0.3
_CONTEXT_SLACK = 0.1
LEAST_DIAMETERS = 1.0
"""A narrower image lacks the rim: whatever it shows, it is not the crater that was named."""


@dataclass(frozen=True)
class CropForm:
    """What the crops of an encoder are like."""

    crop_size_px: int
    context_diameters: float
    radiometry: Radiometry

    @classmethod
    def of(cls, checkpoint: "Checkpoint") -> "CropForm":
        """Return the form of the crops that a checkpoint's encoder was trained on."""
        size = checkpoint.encoder.crop_size_px
        return cls(size, checkpoint.context_diameters, checkpoint.radiometry)


@dataclass(frozen=True)
class Prepared:
    """One request item, ready to be embedded once the Sun's side is settled."""

    crop: Float32Array
    """(S, S) in crop units (0-255), not yet mirrored."""
    sun_side: str | None
    """As the request has it."""
    warnings: list[QualityWarning]
    cut_here: bool = False
    """From the service's own mosaic, filtered and turned as the crop set's."""
    known: dict[str, float] = field(default_factory=dict)
    """What is known of the crater, by quantity (`training_domain.QUANTITIES`)."""
    sun_azimuth_deg: float | None = None
    """As the request has it."""


Crop = CropInput | Prepared | CropImageError
"""A crop of a request on its way: as it came, prepared, or refused."""


def prepare(checkpoint: "Checkpoint", item: Any) -> Prepared:
    """Bring the image of one item to the form in which the encoder saw its training crops.

    Args:
        checkpoint: of the encoder.
        item: a `CropRequest`, or what should be one.

    Raises:
        CropImageError: not a request, or without a usable image.
    """
    return prepare_input(CropForm.of(checkpoint), CropInput.from_item(item))


def prepare_input(form: CropForm, crop_input: CropInput) -> Prepared:
    """Decode an image and bring it to a form. Raises as `decode_image`."""
    hints = crop_input.hints
    decoded = decode_image(crop_input.data, crop_input.structure)
    image, warnings = to_crop_units(decoded, form.radiometry)
    warnings = [*decoded.warnings, *warnings]
    image = _square(image, warnings)
    image = _cut_to_context(image, hints, form.context_diameters, warnings)
    size = form.crop_size_px
    _note_size(len(image), size, warnings)
    _note_nodata(image, warnings)
    crop = _filled(image)
    if len(crop) != size:
        crop = resize_crop(crop, size)
    _check_features(crop)
    known = _known(hints, form.context_diameters) | measured_terrain(crop, form.radiometry)
    del known["mean_brightness"]  # nobody knows how an image was exposed or stretched
    return Prepared(
        crop.astype(np.float32, copy=False),
        hints.sun_side,
        warnings,
        known=known,
        sun_azimuth_deg=hints.sun_azimuth_deg,
    )


def _known(hints: CropHints, context_diameters: float) -> dict[str, float]:
    """What a request tells of the crater, by quantity."""
    told = {name: getattr(hints, name, None) for name in QUANTITIES}
    if hints.pixel_scale_m is not None and hints.diameter_km is not None:
        across_m = context_diameters * hints.diameter_km * 1000.0
        told["native_px"] = across_m / hints.pixel_scale_m
    return {name: value for name, value in told.items() if value is not None}


def ready_to_embed(form: CropForm, crop: Crop) -> Prepared | CropImageError:
    """Prepare a crop that is not yet, or say why it cannot be."""
    if not isinstance(crop, CropInput):
        return crop
    try:
        return prepare_input(form, crop)
    except CropImageError as error:
        return error


def prepare_cut(
    crop: npt.NDArray[np.uint8],
    form: CropForm,
    known: Mapping[str, float],
    warnings: Sequence[QualityWarning] = (),
) -> Prepared | CropImageError:
    """Like `prepare`, for a crop cut from a mosaic.

    Args:
        crop: (S, S) uint8.
        form: of the encoder's crops.
        known: of the crater, by quantity; ``native_px`` mosaic pixels lie across the crop.
        warnings: about the mosaic.
    """
    noted = list(warnings)
    _note_size(known["native_px"], len(crop), noted)
    try:
        _check_features(crop)
    except CropImageError as error:
        return error
    told = {**measured_terrain(crop, form.radiometry), **known}
    return Prepared(crop.astype(np.float32), None, noted, cut_here=True, known=told)


def _square(image: Float32Array, warnings: list[QualityWarning]) -> Float32Array:
    height, width = image.shape
    if height == width:
        return image
    message = f"The image has {width} x {height} px; its central square was used."
    warnings.append(QualityWarning(code="not_square", message=message))
    return _central(image, min(height, width))


def _cut_to_context(
    image: Float32Array, hints: CropHints, context_diameters: float, warnings: list[QualityWarning]
) -> Float32Array:
    """Cut away terrain that crops of this model do not show."""
    if hints.pixel_scale_m is None or hints.diameter_km is None:
        return image
    side = len(image)
    wanted = context_diameters * hints.diameter_km * 1000.0 / hints.pixel_scale_m
    if wanted * LEAST_DIAMETERS > side * context_diameters:
        raise CropImageError(
            "narrow_context",
            f"The image spans {side / wanted * context_diameters:.2g} crater diameters and lacks "
            f"the rim; send {context_diameters:g}, or check pixel_scale_m and diameter_km.",
        )
    if wanted > side * (1.0 + _CONTEXT_SLACK):
        message = (
            f"The image spans {side / wanted * context_diameters:.2f} crater diameters; the model "
            f"is used to {context_diameters:g}."
        )
        warnings.append(QualityWarning(code="narrow_context", message=message))
    if wanted >= side:
        return image
    return _central(image, max(round(wanted), 1))


def _central(image: Float32Array, side: int) -> Float32Array:
    top, left = (image.shape[0] - side) // 2, (image.shape[1] - side) // 2
    return image[top : top + side, left : left + side]


def _note_size(side: float, crop_size_px: int, warnings: list[QualityWarning]) -> None:
    if side < FEW_PX:
        message = f"Only {side:.2g} px across; a crater's shape needs at least {FEW_PX}."
        warnings.append(QualityWarning(code="few_pixels", message=message))
    if crop_size_px / side > MOST_UPSAMPLING:
        message = f"Enlarged {crop_size_px / side:.1f} times to {crop_size_px} px."
        warnings.append(QualityWarning(code="upsampled", message=message))


def _note_nodata(image: Float32Array, warnings: list[QualityWarning]) -> None:
    empty = 1.0 - np.count_nonzero(np.abs(image) > 0.0) / image.size  # NaN is not above 0
    if empty > MOST_NODATA:
        message = f"{empty:.0%} of the image is black or without data."
        warnings.append(QualityWarning(code="mostly_nodata", message=message))


def _filled(image: Float32Array) -> Float32Array:
    """Pixels without data hold the mean of the others, as in training crops."""
    missing = np.isnan(image)
    if not missing.any():
        return image
    if missing.all():
        raise CropImageError(
            "not_finite",
            "'image' has no data around its centre; send one that shows the whole crater.",
        )
    return np.where(missing, image[~missing].mean(), image)


def _check_features(crop: npt.NDArray[Any]) -> None:
    if crop.max() - crop.min() < 1e-3:
        raise CropImageError(
            "featureless", "'image' has the same brightness everywhere, so it shows no crater."
        )
