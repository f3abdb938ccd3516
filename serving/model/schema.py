"""Define the schema of requests and answers: what an item holds and what comes back for it.

Version 1. Fields are only ever added.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

SCHEMA_VERSION = 1
MAX_TOP_K = 100


class CropHints(BaseModel):
    """What may be said about a crop beside the image; all of it is optional."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    sun_side: Literal["east", "west"] | None = Field(
        default=None,
        description="Where the Sun stands in the image: 'east' (right), 'west', or null: found.",
    )
    sun_azimuth_deg: float | None = Field(
        default=None,
        ge=0,
        le=360,
        description="Direction to the Sun, clockwise from the image's top; goes before sun_side.",
    )
    pixel_scale_m: float | None = Field(
        default=None,
        gt=0,
        description="Metres per pixel; with diameter_km the crop is cut to the model's context.",
    )
    diameter_km: float | None = Field(default=None, gt=0, description="Diameter of the crater.")
    incidence_deg: float | None = Field(
        default=None,
        ge=0,
        le=90,
        description="Angle between the Sun and the vertical, to be told if the model knows others.",
    )


class CropRequest(CropHints):
    """One crater crop: an image centred on the crater, north up."""

    image: str = Field(
        description="Base64 of a PNG, JPEG, TIFF or NPY; grey or RGB; 8 or 16 bits or float; "
        "any size."
    )


class Options(BaseModel):
    """What applies to a whole request; `params` in MLflow's words."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    top_k: int = Field(
        default=5, ge=0, le=MAX_TOP_K, description="How many similar catalogue craters to name."
    )
    return_embedding: bool = Field(default=True, description="Whether to send the embedding.")
    abstain_below: float = Field(
        default=-1.0,
        ge=-1,
        le=1,
        description="Abstain when the best probability is below this; negative: as the model was "
        "registered.",
    )
    column: str = Field(
        default="",
        description="Of the answer to a table only this column, such as 'state'; empty: all.",
    )


class ClusterAnswer(BaseModel):
    """The cluster nearest to a crop."""

    id: int = Field(description="-1 is noise: no cluster.")
    distance: float
    confidence: float = Field(description="0 to 1: belief in the id.")


class StateAnswer(BaseModel):
    """Degradation state with calibrated probabilities."""

    label: str = Field(description="The most probable state.")
    probabilities: dict[str, float] = Field(description="By state, freshest first; sum 1.")
    conformal_set: list[str] = Field(description="States that cannot be excluded.")
    abstained: bool = Field(description="Too uncertain to say; leave it to a person.")
    reason: str | None = Field(default=None, description="Why it abstained.")


class DegradationAnswer(BaseModel):
    """Where the crater stands between the freshest and the oldest state."""

    score: float = Field(description="0 fresh to 1 old.")
    uncertainty: float = Field(description="Standard deviation of the score.")


class EncoderDegradation(BaseModel):
    """The encoder's own score, from encoders that have been taught one."""

    score: float = Field(description="0 to 1, the larger the more worn.")
    uncertainty: float = Field(description="Standard deviation of the score.")


class Interval(BaseModel):
    """Where the true value lies with some probability."""

    low: float
    high: float


class Quantity(BaseModel):
    """A physical quantity with intervals calibrated on simulated craters or measured depths."""

    value: float
    intervals: dict[str, Interval] = Field(
        description="By level in percent, such as 68 and 95; the model says which."
    )


class DepthState(BaseModel):
    """The degradation state that the predicted depth means; no label was used."""

    label: str = Field(description="New, Semi-New, Semi-Old or Old: the state of the depth.")
    probabilities: dict[str, float] | None = Field(
        default=None, description="By state, freshest first; sum 1. Null from a release."
    )
    states_95: list[str] | None = Field(
        default=None,
        description="States of the depths in the 95 % interval. Null from a release.",
    )


class PhysicalAnswer(BaseModel):
    """What the encoder tells of the crater's shape, from encoders trained on known shapes."""

    depth_over_diameter: Quantity = Field(description="Rim-to-floor depth over diameter.")
    k_over_r2: Quantity = Field(description="Degradation K/R², K = kappa t, R the radius.")
    k_m2: Quantity | None = Field(
        default=None, description="K in square metres; null without diameter_km."
    )
    state: DepthState | None = Field(
        default=None,
        description="Null without diameter_km: large craters are shallow when they are fresh.",
    )


class SimilarCrater(BaseModel):
    """A crater of the reference catalogue that looks alike."""

    crater_id: str
    longitude_deg: float = Field(description="East positive, -180 to 180.")
    latitude_deg: float
    diameter_km: float
    distance: float = Field(description="Euclidean distance of the embeddings.")


class QualityWarning(BaseModel):
    """Something about the image that makes the answer less reliable."""

    code: Literal[
        "few_pixels", "upsampled", "mostly_nodata", "not_square", "narrow_context", "rescaled",
        "turned", "several_pages", "outside_training", "novel", "filter_unknown",
        "azimuth_unknown", "other_mosaic", "other_crs", "terrain_unknown",
        "exposure_unknown", "little_range", "stretched", "colour_code",
    ]  # fmt: skip
    message: str


class ItemError(BaseModel):
    """Why one item has no answer."""

    code: str
    message: str


class LabelSet(BaseModel):
    """The labels that a head was fitted on."""

    name: str
    digest: str


class ModelAnswer(BaseModel):
    """Which model answered."""

    name: str | None = None
    version: str | None = None
    model_id: str | None = None
    schema_version: int = SCHEMA_VERSION
    labels: LabelSet | None = Field(
        default=None, description="Labels the head was fitted on, where the model tells."
    )


class CropAnswer(BaseModel):
    """The answer for one crop; after an `error` the rest is null or empty."""

    embedding: list[float] | None = None
    cluster: ClusterAnswer | None = None
    state: StateAnswer | None = None
    degradation: DegradationAnswer | None = None
    encoder_degradation: EncoderDegradation | None = Field(
        default=None,
        description="The encoder's own score, learned without labels: the part of its training "
        "craters that are fresher. Null from encoders that have none.",
    )
    physics: PhysicalAnswer | None = Field(
        default=None,
        description="Physical quantities with intervals; null from encoders that tell none.",
    )
    novelty: float | None = Field(
        default=None, description="0 to 1: share of known craters that are nearer to their cluster."
    )
    similar: list[SimilarCrater] = []
    sun_side: Literal["east", "west"] | None = None
    sun_azimuth_deg: float | None = Field(
        default=None,
        description="Direction to the Sun, clockwise from the image's top, by which the crop was "
        "aligned. Null if unknown: then it was not.",
    )
    warnings: list[QualityWarning] = []
    model: ModelAnswer
    error: ItemError | None = None


def explain(error: ValidationError) -> str:
    """Tell what is wrong in a request, without repeating any of it but known field names."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    if first["type"] == "extra_forbidden":
        return "A field is unknown; known fields are listed in the API's description."
    place = ".".join(str(part) for part in first["loc"])
    return f"'{place}': {first['msg']}." if place else f"{first['msg']}."
