"""Tell which images are cheap to decode, so that a worker may decode them itself."""

from lunar_models.errors import CropImageError
from serving.model.crop_input import CropInput
from serving.model.preparation import Crop

_CHEAP_BYTES = 2**18
_CHEAP_COST = 2**18
"""Samples: 512 x 512 grey, some 2 ms."""
_CHEAP_KINDS = ("PNG", "JPEG", "NPY")


def decoding_cost(crop: Crop) -> int:
    """Tell from an image's headers how many samples decoding it produces; 0 if that is cheap.

    Also 0 for what needs no decoding, and for what is refused before it is decoded.
    """
    if not isinstance(crop, CropInput):
        return 0
    try:
        structure = crop.structure
    except CropImageError:
        return 0
    plain = structure.kind in _CHEAP_KINDS and structure.cost <= _CHEAP_COST
    cheap = not structure.kind or (plain and len(crop.data) <= _CHEAP_BYTES)
    return 0 if cheap else structure.cost
