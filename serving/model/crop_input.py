"""One image of a request as a value, passed on from the body of the request to the encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lunar_models.errors import CropImageError
from serving.model.base64_text import decode_base64
from serving.model.image_structure import inspect
from serving.model.schema import CropHints, CropRequest, explain


@dataclass(frozen=True)
class CropInput:
    """An encoded image and what is said about it."""

    data: bytes
    """A PNG, JPEG, TIFF or NPY file, not yet decoded."""
    hints: CropHints = CropHints()

    @classmethod
    def from_item(cls, item: Any) -> "CropInput":
        """Read a request item: a `CropRequest`, or what should be one, or an image alone.

        Raises:
            CropImageError: not an object, or a field is missing, unknown, or of a wrong type.
        """
        if isinstance(item, str):
            return cls(_image_text(item))
        if isinstance(item, bytes):
            return cls(item)
        try:
            request = CropRequest.model_validate(item)
        except ValidationError as error:
            raise CropImageError("bad_item", explain(error)) from error
        return cls(decode_base64(request.image), request)


def _image_text(text: str) -> bytes:
    """Bytes of a base64 text that is clearly an image."""
    try:
        data = decode_base64(text)
        if inspect(data).kind:
            return data
    except CropImageError as error:
        if error.code in ("too_large", "too_costly"):
            raise
    raise CropImageError(
        "bad_item", 'An item is {"image": "<base64>"}, or the base64 of an image alone.'
    )


def read_items(items: Sequence[Any]) -> list[CropInput | CropImageError]:
    """Each item as a `CropInput`, or why it is none."""
    found: list[CropInput | CropImageError] = []
    for item in items:
        try:
            found.append(CropInput.from_item(item))
        except CropImageError as error:
            found.append(error)
    return found
