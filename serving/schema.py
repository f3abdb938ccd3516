"""The model contract: what a request item holds and what comes back for it.

Version 1. Fields are only ever added.
"""

from typing import Any, Literal

from pydantic import BaseModel, Field

SCHEMA_VERSION = 1


class CropRequest(BaseModel):
    """One crater crop: a square image centred on the crater, north up."""

    # Any: a wrong type must harm this item alone, so the model itself checks it.
    image: Any = Field(
        default=None,
        description="Base64 of a PNG, JPEG or TIFF; grey or RGB, 8 or 16 bits, any size.",
    )
    sun_side: Any = Field(
        default=None,
        description="Where the Sun stands in the image: 'east' (right), 'west' or null (found).",
    )


class ClusterAnswer(BaseModel):
    """The cluster nearest to a crop."""

    id: int
    distance: float
    confidence: float
    novelty: float


class StateAnswer(BaseModel):
    """Degradation state, 1 (fresh) to K (old), with calibrated probabilities."""

    state: int
    probabilities: dict[str, float]


class ItemError(BaseModel):
    """Why one item has no answer."""

    code: str
    message: str


class ModelAnswer(BaseModel):
    """Which model answered."""

    name: str | None
    version: str | None
    model_id: str | None
    schema_version: int = SCHEMA_VERSION


class CropAnswer(BaseModel):
    """The answer for one crop; either `error` or the rest is null."""

    embedding: list[float] | None = None
    cluster: ClusterAnswer | None = None
    state: StateAnswer | None = None
    sun_side: Literal["east", "west"] | None = None
    model: ModelAnswer
    error: ItemError | None = None
